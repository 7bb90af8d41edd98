"""`sessionwarden rules show`: everything that is known of one rule.

Enters: a rule's id, name, title or file. Leaves: its words, what it does as compiled, whom it refers to and
who refers to it, its cases and what they lack. Invariant: text of rule files is made printable.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from sessionwarden.authoring.catalog import SERVES_OTHERS, Catalog, Source
from sessionwarden.authoring.suite import RuleCases, Suite, read_suite
from sessionwarden.authoring.words import actions_in_words, condition_in_words, line, span
from sessionwarden.cli.rules.options import OUTPUT, POLICY, RULES, console, print_json, wrong_arguments_shown
from sessionwarden.cli.rules.tables import rule_answer
from sessionwarden.model.rules import CompiledRule
from sessionwarden.ruleset.compiler.sampling import doubt_in_words

LABEL_WIDTH = 16
WORDS = ("description", "status", "author", "license", "date", "modified")
LISTS = ("tags", "references", "falsepositives", "fields")


@click.command()
@click.argument("rule")
@RULES
@POLICY
@OUTPUT
def show(rule: str, paths: tuple[Path, ...], policy: Path | None, output: str) -> None:
    """Show everything about one RULE.

    RULE is an id, a name, a title, or the name of its file.
    """
    suite = read_suite(paths, policy)
    with wrong_arguments_shown():
        source = suite.catalog.find(rule)
    compiled = suite.catalog.compiled(source)
    if output == "json":
        print_json(_answer(suite, source, compiled))
        return
    screen = console()
    screen.print(Text(line(source.title), style="bold"), soft_wrap=True)
    for label, text in _facts(suite, source, compiled):
        _print_fact(screen, label, text)


def _facts(suite: Suite, source: Source, rule: CompiledRule | None) -> Iterator[tuple[str, str]]:
    catalog = suite.catalog
    for key in ("id", "name"):
        if key in source.data:
            yield key, str(source.data[key])
    yield "file", f"{source.file}:{source.line}"
    yield "level", rule.level if rule else str(source.data.get("level", ""))
    for key in WORDS:
        yield key, str(source.data.get(key, "")).strip()
    if "logsource" in source.data:
        yield "events of", " ".join(map(str, source.data["logsource"].values()))
    yield "refers to", ", ".join(map(str, referred_to(source)))
    yield "serves", ", ".join(serves(catalog, source))
    if rule is not None and rule.emits:
        yield from _behaviour(catalog, rule)
    else:
        yield "findings", f"none: {SERVES_OTHERS}"
    for key in LISTS:
        yield key, "\n".join(map(str, source.data.get(key, ())))
    yield from _case_facts(cases_of(suite, rule))


def _behaviour(catalog: Catalog, rule: CompiledRule) -> Iterator[tuple[str, str]]:
    response = rule.response
    yield "counts by", ", ".join(rule.group_by)
    yield "fires at", condition_in_words(rule, catalog.names)
    if rule.sampled_one_in > 1:
        yield "estimated", doubt_in_words(rule)
    yield "mode", response.mode
    yield "actions", f"{actions_in_words(response)} of {response.scope}"
    yield "again after", span(response.cooldown_ms // 1000)


def _case_facts(cases: RuleCases | None) -> Iterator[tuple[str, str]]:
    if cases is None:
        return
    yield "cases", "\n".join(f"{case.kind:<12}  {case.name}" for _, case in cases.cases) or "none"
    yield "lacking cases", ", ".join(cases.lacking)


def referred_to(source: Source) -> list[str]:
    """The words by which the rule's correlation names other rules."""
    rules = source.data.get("correlation", {}).get("rules", [])
    return [rules] if isinstance(rules, str) else [str(word) for word in rules]


def serves(catalog: Catalog, source: Source) -> list[str]:
    """The titles of the correlations that refer to the rule."""
    words = {word.lower() for word in source.words}
    return [
        other.title
        for other in catalog.sources
        if not words.isdisjoint(word.lower() for word in referred_to(other))
    ]


def cases_of(suite: Suite, rule: CompiledRule | None) -> RuleCases | None:
    """The cases of a rule that emits findings."""
    return next((one for one in suite.rules if rule is not None and one.rule.id == rule.id), None)


def _print_fact(screen: Console, label: str, text: str) -> None:
    if not text:
        return
    lines = Text("\n".join(map(line, text.splitlines())))
    if label != "description":
        lines.no_wrap, lines.overflow = True, "ignore"  # ids, addresses and paths are there to be copied
    screen.print(Text(f"  {label}", style="bold"), soft_wrap=True, end="")
    head, *rest = lines.split("\n")
    screen.print(Text(" " * (LABEL_WIDTH - len(label))) + head, soft_wrap=True)
    for one in rest:
        screen.print(Padding(one, (0, 0, 0, LABEL_WIDTH + 2), expand=False), soft_wrap=True)


def _answer(suite: Suite, source: Source, rule: CompiledRule | None) -> dict[str, Any]:
    cases = cases_of(suite, rule)
    said = {key: str(source.data[key]) for key in (*WORDS, "name", "title") if key in source.data}
    return {
        "id": str(source.data.get("id", "")),
        **said,
        **{key: source.data.get(key, []) for key in LISTS},
        "file": str(source.file),
        "line": source.line,
        "refers_to": referred_to(source),
        "serves": serves(suite.catalog, source),
        "compiled": None if rule is None else rule_answer(rule),
        "cases": [
            {"name": case.name, "kind": case.kind, "line": case.line}
            for _, case in (cases.cases if cases else ())
        ],
        "lacking": cases.lacking if cases else (),
    }
