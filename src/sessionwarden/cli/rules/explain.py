"""`sessionwarden rules explain`: why a rule fires on an event, counts it, or leaves it alone.

Enters: one event, the rules, perhaps the log before the event. Leaves: a tree for each rule, or JSON.
Nothing is sent anywhere and no user is signed out.
"""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from sessionwarden.authoring.catalog import Catalog, read_catalog
from sessionwarden.authoring.event_input import read_event, read_log
from sessionwarden.authoring.explanation import explain_rule, look_back
from sessionwarden.cli.rules.explain_report import explanation_json, print_explanations
from sessionwarden.cli.rules.options import OUTPUT, POLICY, RULES, console, print_json, wrong_arguments_shown
from sessionwarden.cli.rules.tables import rules_in_order
from sessionwarden.model.rules import CompiledRule


@click.command()
@click.argument("event")
@RULES
@POLICY
@click.option("--rule", "wanted", multiple=True, help="Id, name, title or file name of a rule.")
@click.option("--log", help="Log that came before the event (plain or gzip): where the windows stand.")
@OUTPUT
def explain(
    event: str,
    paths: tuple[Path, ...],
    policy: Path | None,
    wanted: tuple[str, ...],
    log: str | None,
    output: str,
) -> None:
    """Say what each rule makes of EVENT, and why.

    EVENT is a line of an access log or of the authorizer's log, or a JSON object with event fields;
    `-` reads it from standard input. Without --log every window is empty before it.
    """
    catalog = read_catalog(paths, policy)
    with wrong_arguments_shown():
        chosen = _chosen(catalog, wanted)
        happened = read_event(event, log=log)
    past = look_back(catalog.ruleset, read_log(log) if log else (), happened)
    answers = [explain_rule(catalog, rule, past) for rule in chosen]
    if output == "json":
        told = [explanation_json(answer) for answer in answers]
        print_json({"event": msgspec.to_builtins(happened), "rules": told})
        return
    print_explanations(console(), happened, answers)


def _chosen(catalog: Catalog, wanted: tuple[str, ...]) -> list[CompiledRule]:
    chosen = []
    for word in wanted:
        rule = catalog.compiled(catalog.find(word))
        if rule is None:
            raise click.BadParameter(f"{word} only serves correlations: explain one of those")
        chosen.append(rule)
    return chosen or rules_in_order(catalog)
