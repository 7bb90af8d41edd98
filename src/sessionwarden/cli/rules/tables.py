"""Rules at a glance: a table where there is room, else a few lines for each.

Enters: a catalog. Leaves: text on a console, or the same facts for programs. Invariant: text from rule
files is made printable, and an id is never cut, for it is there to be copied.
"""

from __future__ import annotations

from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sessionwarden.authoring.catalog import SERVES_OTHERS, Catalog
from sessionwarden.authoring.words import actions_in_words, condition_in_words, line
from sessionwarden.cli.rules.options import NARROW
from sessionwarden.model.rules import CompiledRule
from sessionwarden.ruleset.compiler.sampling import doubt

HEADINGS = ("id", "title", "level", "kind", "group-by", "condition", "scope", "mode", "actions", "tags")
MODE_STYLES = {"enforce": "bold"}


def print_rules(console: Console, catalog: Catalog) -> None:
    """Every rule of the set, in the order of the files."""
    rows = [_row(catalog, rule) for rule in rules_in_order(catalog)]
    if console.width >= NARROW:
        console.print(_table(rows))
        return
    for row in rows:
        console.print(_block(row), soft_wrap=True)


def rules_in_order(catalog: Catalog) -> list[CompiledRule]:
    """The compiled rules, in the order in which they are written."""
    return [rule for source in catalog.sources if (rule := catalog.compiled(source)) is not None]


def rule_answer(rule: CompiledRule) -> dict[str, Any]:
    """What programs are told about one rule."""
    answer: dict[str, Any] = {
        "id": rule.id,
        "title": rule.title,
        "level": rule.level,
        "kind": rule.kind,
        "group_by": rule.group_by,
        "timespan_ms": rule.timespan_ms,
        "bounds": rule.bounds,
        "value_field": rule.value_field,
        "response": msgspec.to_builtins(rule.response),
        "emits": rule.emits,
    }
    if rule.percentile is not None:
        answer["percentile"] = rule.percentile
    if rule.steps:
        answer["steps"] = rule.steps
    if rule.sampled_one_in > 1:
        answer["sampled_one_in"] = rule.sampled_one_in
        answer["doubt"] = doubt(rule)._asdict()
    if rule.inner:
        answer["inner"] = [inner.rule for inner in rule.inner]
    return answer


def tags_of(catalog: Catalog, rule: CompiledRule) -> list[str]:
    """The rule's tags, as its file says them."""
    source = catalog.source(rule.id)
    return [] if source is None else [str(tag) for tag in source.data.get("tags", [])]


def _row(catalog: Catalog, rule: CompiledRule) -> dict[str, str]:
    response = rule.response
    cells = (
        rule.id,
        rule.title,
        rule.level,
        rule.kind,
        ", ".join(rule.group_by),
        condition_in_words(rule, catalog.names),
        response.scope,
        response.mode if rule.emits else SERVES_OTHERS,
        actions_in_words(response) if rule.emits else "",
        " ".join(tags_of(catalog, rule)),
    )
    return dict(zip(HEADINGS, map(line, cells), strict=True))


def _table(rows: list[dict[str, str]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold", no_wrap=heading == "id")
    for row in rows:
        table.add_row(*(Text(cell, style=MODE_STYLES.get(cell, "")) for cell in row.values()))
    return table


def _block(row: dict[str, str]) -> Text:
    does = f" -> {row['mode']}: {row['actions']}" if row["actions"] else f" -> {row['mode']}"
    return Text.assemble(
        (row["title"], "bold"),
        f" ({row['level']})\n  {row['id']}\n",
        f"  {row['kind']} by {row['group-by']}: {row['condition']}\n",
        f"  {row['scope']}{does}\n",
    )
