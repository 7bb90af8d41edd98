"""The pack as a whole: each rule explains itself and asks only for what events really carry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import pytest

from sessionwarden.model.event import Category
from sessionwarden.ruleset.vocabulary import W3C_FIELDS
from sessionwarden.sources.ingested import CARRIED
from tests.support.pack_page import INDEX, PAGES, RULES, documents, pages
from tests.support.paths import PROJECT

DOCUMENTS = [document for _, document in documents(RULES)]
BY_NAME = {document["name"]: document for document in DOCUMENTS if "name" in document}
REFERRED = {name for document in DOCUMENTS for name in document.get("correlation", {}).get("rules", ())}
EMITTING = [document for document in DOCUMENTS if document.get("name") not in REFERRED]

REPEATED = frozenset(
    {"beyond", "forged", "injection_in_agent", "injection_in_path", "located", "traversal_in_path"}
)
"""Detections that stand in several files."""

TRUSTED_PAGES = (
    "https://attack.mitre.org/techniques/",
    "https://cheatsheetseries.owasp.org/",
    "https://docs.aws.amazon.com/",
    "https://owasp.org/",
    "https://www.rfc-editor.org/rfc/",
)


def title(document: dict[str, Any]) -> str:
    return str(document["title"])


def sources(document: dict[str, Any]) -> set[str]:
    """The categories that a rule's events come from, through whatever it refers to."""
    if "logsource" in document:
        return {document["logsource"]["category"]}
    return {category for name in document["correlation"]["rules"] for category in sources(BY_NAME[name])}


def fields(document: dict[str, Any]) -> Iterator[str]:
    """Every event field that a rule names."""
    correlation = document.get("correlation", {})
    yield from correlation.get("group-by", ())
    if "field" in correlation.get("condition", {}):
        yield correlation["condition"]["field"]
    for name, selection in document.get("detection", {}).items():
        if name != "condition":
            for items in selection if isinstance(selection, list) else [selection]:
                yield from (key.partition("|")[0] for key in items)


def test_there_are_at_least_thirty_rules() -> None:
    assert len(EMITTING) >= 30


@pytest.mark.parametrize("document", EMITTING, ids=title)
def test_a_rule_says_why_its_threshold_and_what_to_do(document: dict[str, Any]) -> None:
    first, *others = document["description"].strip().split("\n\n")
    assert first.endswith(".")
    assert [paragraph.partition(":")[0] for paragraph in others] == ["Threshold", "Runbook"]


@pytest.mark.parametrize("document", EMITTING, ids=title)
def test_a_rule_names_its_technique_and_its_risk_and_where_they_are_described(
    document: dict[str, Any],
) -> None:
    pages = document["references"]
    techniques = [tag.removeprefix("attack.") for tag in document["tags"] if tag.startswith("attack.t1")]
    risks = [tag for tag in document["tags"] if tag.startswith("owasp.")]
    assert techniques
    assert risks
    for technique in techniques:
        assert f"https://attack.mitre.org/techniques/{technique.upper().replace('.', '/')}/" in pages
    for risk in risks:
        number = re.fullmatch(r"owasp\.api(\d)-2023", risk)
        assert number is not None
        assert any(f"/2023/en/0xa{number[1]}-" in one for one in pages)


@pytest.mark.parametrize("document", DOCUMENTS, ids=title)
def test_references_are_pages_that_everybody_knows(document: dict[str, Any]) -> None:
    assert all(one.startswith(TRUSTED_PAGES) for one in document["references"])
    assert document["falsepositives"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=title)
def test_a_rule_asks_only_for_fields_that_its_source_carries(document: dict[str, Any]) -> None:
    for source in sources(document):
        asked = {W3C_FIELDS.get(field, field) for field in fields(document)}
        carried = CARRIED[cast("Category", source)]
        assert asked <= carried | ({"source_network"} if "source_ip" in carried else set())


def test_every_reason_that_a_rule_waits_for_is_one_that_the_authorizer_gives() -> None:
    reference = (PROJECT / "docs" / "reference" / "authorizer.md").read_text(encoding="utf-8")
    given = set(re.findall(r"`([a-z_]+)`", reference.split("## Reasons")[1].split("\n## ")[0]))
    asked = {
        reason
        for document in DOCUMENTS
        for selection in document.get("detection", {}).values()
        if isinstance(selection, dict)
        for reason in [selection.get("reason", [])]
        for reason in ([reason] if isinstance(reason, str) else reason)
    }
    assert asked
    assert asked <= given


def test_what_one_detection_calls_a_name_every_other_does() -> None:
    # rules need no other file, so lists are repeated: who adapts one must not forget the others
    meanings: dict[str, list[Any]] = {}
    for document in DOCUMENTS:
        for name, selection in document.get("detection", {}).items():
            if name.endswith("_route") or name in REPEATED:
                meanings.setdefault(name, []).append(selection)
    assert all(selection == found[0] for found in meanings.values() for selection in found)
    assert {name for name, found in meanings.items() if len(found) > 1} == {"sign_in_route", *REPEATED}


def test_every_event_rule_is_counted_by_somebody() -> None:
    assert {document["name"] for document in DOCUMENTS if "logsource" in document} <= REFERRED


def test_the_pages_show_the_rules_as_they_are() -> None:
    written = {file: file.read_text(encoding="utf-8") for file in (*PAGES.glob("*.md"), INDEX)}
    assert written == pages(), "run: python -m tests.support.pack_page"
