"""`sessionwarden rules diff`: what publishing would change, or how two sets on disk differ."""

from __future__ import annotations

import json
from pathlib import Path

import click

from sessionwarden.authoring.ruleset_input import read_ruleset
from sessionwarden.authoring.words import line
from sessionwarden.cli.default_rules import default_rules
from sessionwarden.cli.deployment import Output, target_options
from sessionwarden.cli.exit_statuses import ANSWER_IS_NO
from sessionwarden.cli.rules.deployment_report import in_words, short
from sessionwarden.cli.rules.diff_report import as_json, as_lines
from sessionwarden.operations.deployment import Target
from sessionwarden.operations.published_rules import Live
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.diff import differences

PATHS = click.argument("paths", nargs=-1, type=click.Path(path_type=Path))


@click.command()
@PATHS
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    help="Compare with these rules (a file, a folder or a compiled .json) instead of the live ones.",
)
@click.option(
    "--policy", type=click.Path(path_type=Path), help="Policy file; its defaults are part of the rules."
)
@click.option("--strict", is_flag=True, help="Exit with status 1 if they differ.")
@target_options
@click.pass_context
def diff(
    context: click.Context,
    /,
    *,
    paths: tuple[Path, ...],
    against: Path | None,
    policy: Path | None,
    strict: bool,
    output: Output,
    **target: str | None,
) -> None:
    """Say how the rules of PATHS differ from those that are live.

    PATHS defaults to rules/.
    """
    after = read_ruleset(paths or default_rules(), policy)
    if against is not None:
        same = _compare(read_ruleset((against,), None), after, output, before_words=line(str(against)))
    else:
        same = _compare_with_live(Live.of(Target.named(target)), after, output)
    if strict and not same:
        context.exit(ANSWER_IS_NO)


def _compare_with_live(live: Live, after: CompiledRuleset, output: Output) -> bool:
    deployed = live.publishing.history().live
    if deployed is not None:
        before = live.publishing.ruleset(deployed.version)
        return _compare(before, after, output, before_words=in_words(deployed))
    same = live.shipped_digest == after.digest
    if output == "json":
        facts = {"before": None, "shipped": live.shipped_digest, "after": after.digest, "same": same}
        click.echo(json.dumps(facts))
    else:
        which = "this very set" if same else f"the set {short(live.shipped_digest)}"
        click.echo(f"Nothing is published: detect runs {which}, which came with its code.")
    return same


def _compare(before: CompiledRuleset, after: CompiledRuleset, output: Output, *, before_words: str) -> bool:
    found = differences(before, after)
    if output == "json":
        facts = {"before": before.digest, "after": after.digest, "same": found.none, **as_json(found)}
        click.echo(json.dumps(facts))
    else:
        click.echo(f"before {before_words}\nafter  {short(after.digest)}")
        for told in as_lines(found):
            click.echo(told)
    return found.none
