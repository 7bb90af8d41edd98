"""The tables of docs/reference/pack.md, made from the shipped rules.

    PYTHONPATH=src:. .venv/bin/python -m tests.support.pack_page

Enters: `rules/`. Leaves: the page, with everything between its two marks written anew; a test holds
that it is what this would write. The rest of the page is written by people.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from sessionwarden.model.rules import CompiledRule
from sessionwarden.ruleset.compiler.compile import compile_rules
from tests.support.paths import PROJECT

ROOT = PROJECT
RULES, PAGE = ROOT / "rules", ROOT / "docs" / "reference" / "pack.md"
BEGIN, END = "<!-- from the rules: tests/support/pack_page.py -->\n", "<!-- end -->\n"

HEADINGS = "| rule | catches | when | level | acts on | tags |\n| --- | --- | --- | --- | --- | --- |"


def page(text: str) -> str:
    """The page `text` with its tables as the rules are now."""
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}{tables()}\n{END}{after}"


def tables() -> str:
    """One table for each folder that holds rules which emit findings."""
    compiled = {rule.id: rule for rule in compile_rules([RULES]).rules if rule.emits}
    sections = [_section(folder, compiled) for folder in sorted(RULES.iterdir()) if folder.is_dir()]
    return "\n".join(section for section in sections if section)


def documents(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every Sigma document of a folder, with its file."""
    for file in sorted(folder.rglob("*.yml")):
        if not file.name.endswith(".cases.yml") and file.name != "policy.yml":
            for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
                yield file, document


def _section(folder: Path, compiled: dict[str, CompiledRule]) -> str:
    rows = [
        _row(file, document, compiled[document["id"]])
        for file, document in documents(folder)
        if document["id"] in compiled
    ]
    return "\n".join(["", f"### {folder.name}", HEADINGS, *rows]) if rows else ""


def _row(file: Path, document: dict[str, Any], rule: CompiledRule) -> str:
    response = rule.response
    cells = (
        f"[{document['title']}](../../{file.relative_to(ROOT)})",
        _first_sentence(document["description"]),
        _when(document["correlation"]),
        rule.level,
        f"{response.scope}: {response.mode}, {' + '.join(response.actions)}",
        " ".join(f"`{tag}`" for tag in document["tags"] if "." in tag and any(map(str.isdigit, tag))),
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _first_sentence(description: str) -> str:
    sentence, _, _ = " ".join(description.split()).partition(". ")
    return f"{sentence.rstrip('.')}."


def _when(correlation: dict[str, Any]) -> str:
    per = f"within {correlation['timespan']} per {', '.join(correlation['group-by'])}"
    condition = correlation.get("condition")
    if condition is None:
        return f"{' then '.join(correlation['rules'])} {per}"
    what = {
        "event_count": "events",
        "value_count": f"different {condition.get('field')}",
        "value_sum": f"{condition.get('field')} in all",
    }[correlation["type"]]
    return f"{condition['gte']:,} {what} {per}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
