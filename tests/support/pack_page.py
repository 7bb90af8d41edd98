"""The reference pages of the shipped rules, made from the rules: one page a category, and the index's table.

    PYTHONPATH=src:. .venv/bin/python -m tests.support.pack_page

writes docs/reference/pack/<category>.md whole, and in docs/reference/pack.md what stands between the two
marks. People write the rest of the index. A test compares the pages with what this would write, so a rule
that changes changes its page in the same commit.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from sessionwarden.model.rules import CompiledRule
from sessionwarden.ruleset.compiler.compile import compile_rules
from tests.support.pages import anchor
from tests.support.paths import PROJECT

RULES, INDEX = PROJECT / "rules", PROJECT / "docs" / "reference" / "pack.md"
PAGES = INDEX.with_suffix("")
BEGIN, END = "<!-- from the rules: tests/support/pack_page.py -->\n", "<!-- end -->\n"

ABOUT = {
    "abuse": "people and addresses that ask for more than an honest client does",
    "credentials": "passwords, one-time codes and tokens that are guessed, sprayed, forged or replayed",
    "exfiltration": "data that is taken out in bulk",
    "machines": "app clients whose secret may have leaked",
    "reconnaissance": "an API that is mapped and probed for what it should not reveal",
    "sessions": "sessions and accounts that are in use by more people than their owner",
}
"""What each category is about."""

TITLE = """# The pack: {category}

For rule authors who tune these rules, and for on-call engineers who have an alert of one. They catch
{about}.
How to adapt them, and what they need: [the pack](../pack.md). This page is made from `rules/{category}/`.

| rule | catches | level | acts on |
| --- | --- | --- | --- |
"""

SECTION = """
## {title}
[{file}](../../../{file}) · level {level} · {when} · {acts} · {tags}

{description}

{falsepositives}
"""


class ShippedRule(NamedTuple):
    """A rule that emits findings: where it is written, as its author wrote it, and as it is compiled."""

    file: Path
    document: dict[str, Any]
    compiled: CompiledRule


def pages() -> dict[Path, str]:
    """Every page of the pack, by its file, as the rules are now."""
    rules = list(_shipped_rules())
    categories = sorted({rule.file.parent.name for rule in rules})
    by_category = {
        category: [rule for rule in rules if rule.file.parent.name == category] for category in categories
    }
    written = {PAGES / f"{category}.md": _page(category, some) for category, some in by_category.items()}
    return written | {INDEX: _index(INDEX.read_text(encoding="utf-8"), by_category)}


def documents(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every Sigma document of a folder, with its file."""
    for file in sorted(folder.rglob("*.yml")):
        if not file.name.endswith(".cases.yml") and file.name != "policy.yml":
            for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
                yield file, document


def _shipped_rules() -> Iterator[ShippedRule]:
    compiled = {rule.id: rule for rule in compile_rules([RULES]).rules if rule.emits}
    for file, document in documents(RULES):
        if document["id"] in compiled:
            yield ShippedRule(file, document, compiled[document["id"]])


def _index(text: str, by_category: dict[str, list[ShippedRule]]) -> str:
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    rows = [
        f"| [{category}](pack/{category}.md) | {ABOUT[category]} | {len(rules)} | {_enforcing(rules)} |"
        for category, rules in by_category.items()
    ]
    table = "\n".join(["| category | catches | rules | enforce |", "| --- | --- | ---: | --- |", *rows])
    return f"{before}{BEGIN}\n{table}\n\n{END}{after}"


def _enforcing(rules: list[ShippedRule]) -> str:
    names = [rule.document["title"] for rule in rules if rule.compiled.response.mode == "enforce"]
    return ", ".join(names) or "none"


def _page(category: str, rules: list[ShippedRule]) -> str:
    head = TITLE.format(category=category, about=ABOUT[category])
    return head + "".join(map(_row, rules)) + "".join(map(_section, rules))


def _row(rule: ShippedRule) -> str:
    first, _, _ = " ".join(rule.document["description"].split()).partition(". ")
    title = rule.document["title"]
    cells = (f"[{title}](#{anchor(title)})", f"{first.rstrip('.')}.", rule.compiled.level, _acts(rule))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _section(rule: ShippedRule) -> str:
    paragraphs = [" ".join(one.split()) for one in rule.document["description"].strip().split("\n\n")]
    tags = (tag for tag in rule.document["tags"] if "." in tag and any(map(str.isdigit, tag)))
    return SECTION.format(
        title=rule.document["title"],
        file=rule.file.relative_to(PROJECT).as_posix(),
        level=rule.compiled.level,
        when=_when(rule.document["correlation"]),
        acts=_acts(rule),
        tags=" ".join(f"`{tag}`" for tag in tags),
        description="\n\n".join(map(_label, paragraphs)),
        falsepositives="\n".join(
            ["**False positives:**", "", *(f"- {one}" for one in rule.document["falsepositives"])]
        ),
    )


def _label(paragraph: str) -> str:
    for label in ("Threshold:", "Runbook:"):
        if paragraph.startswith(label):
            return f"**{label}**{paragraph.removeprefix(label)}"
    return paragraph


def _acts(rule: ShippedRule) -> str:
    response = rule.compiled.response
    return f"{response.scope}: {response.mode}, {' + '.join(response.actions)}"


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
    PAGES.mkdir(exist_ok=True)
    for file, text in pages().items():
        file.write_text(text, encoding="utf-8")
