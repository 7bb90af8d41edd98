"""What the commands say of a rule that looks at a part of its events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from sessionwarden.authoring.window_progress import figure_in_words, held, members_by_key
from sessionwarden.correlations.sampling import sample_of
from sessionwarden.model.event import Event
from sessionwarden.ruleset.compiler.compile import compile_rules
from sessionwarden.sources.access_log.line import format_access_line
from tests.support.command_line import invoke
from tests.support.detection import START, events, rule

RULE = """\
title: Refused
name: refused
logsource: {category: api_access}
detection: {s: {status: 401}, condition: s}
---
title: Very Many
id: 00000000-0000-4000-8000-000000000001
correlation:
  {type: event_count, rules: [refused], group-by: [source_ip], timespan: 1h, condition: {gte: 10001}}
"""
DOUBT = "looks at one event in 2: an interval with fewer than 9,537 events fires with a probability below"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "many.yml"
    path.write_text(RULE)
    return path


def run(*arguments: object) -> Result:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result


def refused(number: int) -> Event:
    return Event(id=f"r{number}", time=START + number, source="api_access", status=401, source_ip="192.0.2.1")


def test_check_notes_the_error_with_its_place_and_shows_that_it_is_an_estimate(file: Path) -> None:
    output = run("rules", "check", file).output
    assert f"{file}:9:78: correlation.condition: {DOUBT}" in output
    assert "at least 10,001 events (estimated from 1 in 2) in 1h" in output
    assert "1 note in 1 file" in output


def test_check_tells_programs_the_rate_and_the_error(file: Path) -> None:
    answer = json.loads(run("rules", "check", file, "--output", "json").output)
    (one,) = answer["rules"]
    assert (one["sampled_one_in"], one["doubt"]) == (2, {"fires_from": 9537, "found_from": 10488})


def test_show_says_what_check_notes(file: Path) -> None:
    output = " ".join(run("rules", "show", "very many", "--rules", file).output.split())
    assert f"estimated {DOUBT}" in output


def test_a_finding_of_replay_says_that_its_count_is_an_estimate(file: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"{format_access_line(refused(number))}\n" for number in range(10_600)))
    (found,) = map(json.loads, run("replay", "--rules", file, "--output", "json", log).stdout.splitlines())
    assert found["sampled_one_in"] == 2
    assert found["count"] >= 10_001
    assert found["count"] % 2 == 0
    assert f"~{found['count']}" in run("replay", "--rules", file, log).stdout


def explained(file: Path, one: Event) -> tuple[dict[str, Any], str]:
    told = run("rules", "explain", format_access_line(one), "--rules", file, "--output", "json").output
    (answer,) = json.loads(told)["rules"]
    return answer, run("rules", "explain", format_access_line(one), "--rules", file).output


def test_explain_tells_an_event_that_is_left_out_from_one_that_counts(file: Path) -> None:
    (compiled,) = compile_rules([file]).rules
    is_in = sample_of(compiled)
    assert is_in is not None
    happened = [refused(number) for number in range(20)]
    inside = next(one for one in happened if is_in(one))
    outside = next(one for one in happened if not is_in(one))
    left_out = "not looked at: of this rule's events one in 2 is, chosen by their ids"

    answer, text = explained(file, outside)
    assert (answer["counts"], answer["left_out"]) == (False, True)
    assert left_out in text
    answer, text = explained(file, inside)
    assert (answer["counts"], answer["left_out"]) == (True, False)
    assert left_out not in text
    assert "window of 1h: about 2 of 10,001 events" in text


def test_an_event_that_no_selection_matches_is_not_said_to_be_left_out(file: Path) -> None:
    for number in range(20):
        passed = Event(id=f"r{number}", time=START, source="api_access", status=200, source_ip="192.0.2.1")
        assert not explained(file, passed)[0]["left_out"]


def test_how_near_a_rule_is_to_firing_is_told_of_the_events_it_looks_at() -> None:
    sampled = rule(threshold=40, sampled_one_in=4, timespan_ms=3_600_000)
    is_in = sample_of(sampled)
    assert is_in is not None
    (members,) = members_by_key(sampled, events(30)).values()
    expected = [one.id for one in events(30) if is_in(one)]
    assert [member.event.id for member in members] == expected
    found = held(sampled, members, until=START + 30_000)
    assert (found.members, found.figure) == (len(expected), 4 * len(expected))
    assert figure_in_words(sampled, found) == f"about {4 * len(expected)} of 40 events"
