from __future__ import annotations

from pathlib import Path

import pytest

from sessionwarden.authoring.cases import START_MS, CaseFile, Expectation, lacking_kinds, load_cases
from sessionwarden.errors import InputFileError

CASES = """\
rule: r1
defaults: {source: api_access, status: 200}
cases:
  - name: a story
    kind: matching
    events:
      - {at: 1s, path: "/a/{n}", repeat: 3, every: 250ms}
      - {user: u}
    expect: {exactly: [{user: u}]}
"""


def load(folder: Path, text: str) -> CaseFile:
    file = folder / "rule.cases.yml"
    file.write_text(text)
    return load_cases(file)


def test_repetition_counts_and_moves_on_in_time(tmp_path: Path) -> None:
    (case,) = load(tmp_path, CASES).cases
    assert [(event.time - START_MS, event.path, event.user) for event in case.events] == [
        (1000, "/a/0", None),
        (1250, "/a/1", None),
        (1500, "/a/2", None),
        (0, None, "u"),
    ]
    assert len({event.id for event in case.events}) == 4
    assert case.expectation == Expectation("exactly", ({"user": "u"},))


def test_delivery_can_be_backwards_or_twice(tmp_path: Path) -> None:
    written = [event.id for event in load(tmp_path, CASES).cases[0].events]
    backwards = load(tmp_path, CASES.replace("    events:", "    deliver: reversed\n    events:"))
    twice = load(tmp_path, CASES.replace("    events:", "    deliver: twice\n    events:"))
    assert [event.id for event in backwards.cases[0].events] == written[::-1]
    assert [event.id for event in twice.cases[0].events] == written * 2


def test_an_actor_gives_its_fields_and_the_event_has_the_last_word(tmp_path: Path) -> None:
    text = CASES.replace("cases:\n", "actors: {eve: {user: eve, status: 401}}\ncases:\n")
    text = text.replace("- {user: u}", "- {as: eve, user: mallory}\n      - {as: eve, repeat: 2, every: 1s}")
    events = load(tmp_path, text).cases[0].events[3:]
    assert [(event.user, event.status) for event in events] == [("mallory", 401), ("eve", 401), ("eve", 401)]


def test_a_case_knows_its_line_and_a_file_its_document(tmp_path: Path) -> None:
    found = load(tmp_path, CASES)
    assert found.cases[0].line == 4
    assert found.document.position(("rule",)).line == 1


def test_kinds_that_nobody_wrote_are_lacking(tmp_path: Path) -> None:
    cases = load(tmp_path, CASES).cases
    assert lacking_kinds(cases) == ("just_under", "lookalike")
    assert lacking_kinds([]) == ("matching", "just_under", "lookalike")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("rule: r1\n", "", "1:1: rule is missing"),
        (
            "user: u}\n",
            "usr: u}\n",
            "8:10: cases[0].events[1].usr: no event has a field 'usr' (did you mean user?)",
        ),
        ("user: u}\n", "id: u}\n", "8:10: cases[0].events[1].id: no event has a field 'id'"),
        (
            "- {user: u}",
            "- {as: eve}",
            "8:10: cases[0].events[1].as: no actor is called 'eve' (list them under actors",
        ),
        ("cases:\n", "actors: {eve: {usr: u}}\ncases:\n", "3:16: actors.eve.usr: no event has a field 'usr'"),
        ("cases:\n", "actors: {eve: 1}\ncases:\n", "3:10: actors.eve: must be a map"),
        ("at: 1s", "at: 1x", "7:10: cases[0].events[0].at: '1x' is not an offset"),
        ("repeat: 3", "repeat: 0", "7:34: cases[0].events[0].repeat: must be at least 1, not 0"),
        (
            "repeat: 3",
            "repeat: 99999999",
            "7:34: cases[0].events[0].repeat: must be at most 10000",
        ),
        ("status: 200", "status: many", "2:32: defaults.status: must be a whole number, not text"),
        (
            "kind: matching",
            "kind: matchin",
            "5:5: cases[0].kind: unknown value 'matchin' (did you mean matching?)",
        ),
        (
            "exactly: [{user: u}]",
            "exactly: []",
            "9:14: cases[0].expect.exactly: must list at least one entry (the",
        ),
        (
            "exactly: [{user: u}]",
            "exactly: [{user: u}], exactl: []",
            "9:36: cases[0].expect.exactl: unknown key (did you mean exactly?)",
        ),
        ("    expect: {exactly: [{user: u}]}\n", "", "4:5: cases[0]: expect is missing"),
        (
            "exactly: [{user: u}]",
            "exactly: [{user: 1}]",
            "9:25: cases[0].expect.exactly[0].user: must be text, not a whole number",
        ),
    ],
)
def test_mistake_of_a_case_is_named_at_its_place(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert CASES.count(old) == 1
    with pytest.raises(InputFileError) as caught:
        load(tmp_path, CASES.replace(old, new))
    assert expected in str(caught.value.diagnostics[0])


def test_a_file_without_exactly_one_document_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="one document"):
        load(tmp_path, CASES + "---\n" + CASES)
    with pytest.raises(InputFileError, match="no cases"):
        load(tmp_path, "# nothing yet\n")


def test_a_file_without_a_case_and_a_case_without_an_event_test_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="2:1: cases: must list at least one case"):
        load(tmp_path, "rule: r1\ncases: []\n")
    text = CASES[: CASES.index("      - {at")].replace("events:", "events: []") + "    expect: none\n"
    with pytest.raises(InputFileError, match="must list at least one event"):
        load(tmp_path, text)


def test_a_case_cannot_ask_for_endless_events_line_by_line(tmp_path: Path) -> None:
    more = CASES.replace("      - {user: u}\n", "      - {user: u, repeat: 9998}\n")
    with pytest.raises(
        InputFileError, match=r"8:9: cases\[0\].events\[1\]: the case has more than 10,000 events"
    ):
        load(tmp_path, more)
    story = "  - {name: a, kind: matching, events: [{repeat: 10000}], expect: none}\n"
    with pytest.raises(InputFileError, match=r"cases\[20\]: the cases have more than 200,000 events"):
        load(tmp_path, "rule: r1\ndefaults: {source: api_access}\ncases:\n" + story * 22)
