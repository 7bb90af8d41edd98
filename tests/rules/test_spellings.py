"""A rule of the pack that fires on a path fires on every spelling of it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from sessionwarden.authoring.case_differences import differences
from sessionwarden.authoring.case_runs import run_case
from sessionwarden.authoring.cases import Case
from sessionwarden.authoring.suite import read_suite
from sessionwarden.model.event import Event
from sessionwarden.model.rules import CompiledRule
from sessionwarden.replay.passes.column_filters import fields_read
from sessionwarden.sources.request_path import path_and_raw
from tests.support.paths import PROJECT

SUITE = read_suite([PROJECT / "rules"])


def encoded(path: str, *, capitals: bool) -> str:
    """`path` with the first letter of its last segment encoded."""
    head, slash, name = path.rpartition("/")
    first = f"%{ord(name[0]):02X}" if name[:1].isalpha() else name[:1]
    return head + slash + (first if capitals else first.lower()) + name[1:]


SPELLINGS: dict[str, Callable[[str], str]] = {
    "a slash behind it": lambda path: path + "/",
    "many slashes behind it": lambda path: path + "///",
    "an encoded slash behind it": lambda path: path + "%2f",
    "a dot segment behind it": lambda path: path + "/.",
    "an encoded dot segment behind it": lambda path: path + "/%2e",
    "a dot": lambda path: path + ".",
    "a blank": lambda path: path + "%20",
    "a tab": lambda path: path + "%09",
    "a line end": lambda path: path + "%0a",
    "a NUL and a suffix": lambda path: path + "%00.png",
    "a parameter": lambda path: path + ";a=b",
    "an empty parameter": lambda path: path + ";",
    "an encoded parameter": lambda path: path + "%3Ba",
    "a parameter and a slash": lambda path: path + ";a=b/",
    "a query behind it": lambda path: path + "?a=b",
    "a fragment": lambda path: path + "#a",
    "doubled slashes": lambda path: path.replace("/", "//"),
    "a dot segment before it": lambda path: "/." + path,
    "a segment and back": lambda path: "/x/.." + path,
    "a segment and back, encoded": lambda path: "/x/%2E%2e" + path,
    "a segment with a parameter, and back": lambda path: "/x;y/..;z" + path,
    "a blank before it": lambda path: "/%20" + path,
    "backslashes": lambda path: path.replace("/", "\\"),
    "encoded backslashes": lambda path: path.replace("/", "%5C"),
    "capitals": lambda path: "".join(part.upper() for part in path),
    "an encoded letter": lambda path: encoded(path, capitals=True),
    "an encoded letter, in small digits": lambda path: encoded(path, capitals=False),
}


def spelt(event: Event, spelling: Callable[[str], str]) -> Event:
    if event.path is None:
        return event
    path, raw_path = path_and_raw(spelling(event.raw_path or event.path))
    return msgspec.structs.replace(event, path=path, raw_path=raw_path)


def reads_paths(rule: CompiledRule) -> bool:
    rules = {one.id: one for one in SUITE.catalog.ruleset.rules}
    return (
        rule.value_field == "path"
        or any("path" in fields_read(selection.expression) for selection in rule.selections)
        or any(reads_paths(rules[inner.rule]) for inner in rule.inner)
    )


FIRING = [
    pytest.param(cases.rule, case, id=f"{cases.rule.title}: {case.name}")
    for cases in SUITE.rules
    for _, case in cases.cases
    if case.kind == "matching" and reads_paths(cases.rule)
]


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize(("rule", "case"), FIRING)
def test_a_case_that_fires_fires_in_every_spelling(
    rule: CompiledRule, case: Case, spelling: Callable[[str], str]
) -> None:
    run = run_case(
        SUITE.catalog.ruleset,
        rule,
        case._replace(events=tuple(spelt(event, spelling) for event in case.events)),
    )
    assert run.passed, [*differences(run, SUITE.catalog.names), *run.errors]
