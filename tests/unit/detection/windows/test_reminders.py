"""Reminders: enforcement hears again and again of a key that goes on, and what an act cannot cover."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.detection.engine import Engine
from sessionwarden.detection.windows.window import SHORTEST_REMINDER_MS, reminder_ms
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding, Response
from sessionwarden.model.rules import CompiledRule, Inner
from tests.support.detection import HOUR, MINUTE, START, event, rule, ruleset, single

QUARTER = MINUTE // 4


def acting(*rules: CompiledRule) -> Engine:
    return Engine(ruleset(*rules), MemoryWindowStore(), acting=True)


def fed(engine: Engine, happened: Sequence[Event], *, at_once: int = 1) -> list[Finding]:
    """The findings and reminders of the events in batches, each of them committed."""
    found: list[Finding] = []
    for first in range(0, len(happened), at_once):
        batch = happened[first : first + at_once]
        outcome = engine.process(batch, now_ms=batch[-1].time)
        outcome.commit(outcome.findings)
        found += outcome.findings
    return found


def every(ms: int, *, until: int, **fields: Any) -> list[Event]:
    return [event(at, at=at, **fields) for at in range(0, until, ms)]


def test_a_key_that_goes_on_is_reminded_of_four_times_in_a_timespan() -> None:
    happened = every(1000, until=3 * MINUTE)
    found = fed(acting(rule()), happened)
    assert [finding.reminder for finding in found] == [False] + [True] * (len(found) - 1)
    slices = [finding.time // QUARTER for finding in found]
    assert slices == list(range(slices[0], slices[0] + len(slices))), "one for each quarter, and no second"
    assert len({finding.id for finding in found}) == len(found)
    assert len({finding.series for finding in found}) == 1


def test_without_acting_there_is_one_finding_and_no_reminder() -> None:
    engine = Engine(ruleset(rule()), MemoryWindowStore())
    (finding,) = fed(engine, every(1000, until=3 * MINUTE))
    assert not finding.reminder


@pytest.mark.parametrize(
    "changes", [{"mode": "observe"}, {"actions": ("alert",)}, {"cooldown_ms": QUARTER}], ids=str
)
def test_a_rule_that_cannot_act_or_is_found_as_often_anyway_is_not_reminded_of(changes: Any) -> None:
    answer = {"scope": "user", "mode": "enforce", "actions": ("deny",), "deny_seconds": None}
    response = Response(**(answer | {"cooldown_ms": HOUR} | changes))
    found = fed(acting(rule(response=response)), every(1000, until=2 * MINUTE))
    assert not any(finding.reminder for finding in found)


def test_the_findings_are_those_of_an_engine_that_reminds_of_nothing() -> None:
    happened = every(700, until=10 * MINUTE)
    one_rule = rule(cooldown_ms=5 * MINUTE)
    plain = fed(Engine(ruleset(one_rule), MemoryWindowStore()), happened, at_once=7)
    reminded = fed(acting(one_rule), happened, at_once=7)
    assert [finding.id for finding in reminded if not finding.reminder] == [one.id for one in plain]


def test_a_finding_says_since_when_its_events_meet_the_rule_by_themselves() -> None:
    happened = [event(number, at=at) for number, at in enumerate((0, 10_000, 20_000, 20_000, 30_000))]
    finding, *_ = fed(acting(rule(threshold=4)), happened)
    assert finding.proved_since == START - 1
    (finding, *_) = fed(acting(rule(threshold=3)), happened, at_once=5)
    assert finding.proved_since == START + 10_000 - 1, "the fewest that meet it, the first time it was met"
    found = fed(acting(rule(threshold=3)), [*happened, event(9, at=45_000)], at_once=1)
    assert found[-1].reminder
    assert found[-1].proved_since == START + 20_000 - 1, (
        "the newest three, with the twin of their millisecond"
    )


def test_a_member_that_stands_for_a_match_reaches_back_by_a_timespan() -> None:
    inner = rule("inner", emits=False, group_by=("user", "source_ip"))
    counted = (Inner(rule="inner", fields=("user",)),)
    outer = rule("outer", selections=(), inner=counted, threshold=1, timespan_ms=10 * MINUTE)
    finding, *_ = fed(acting(inner, outer), every(1000, until=5000))
    assert finding.proved_since is not None
    assert finding.proved_since < START, "the match stands for events of a minute before it"


def test_a_finding_names_the_sessions_with_the_most_events() -> None:
    thief = [event(number, at=number * 100, session="stolen") for number in range(90)]
    owner = [event(1000 + number, at=number * 1000 + 7, session="own") for number in range(10)]
    happened = sorted([*thief, *owner], key=lambda one: one.time)
    (finding, *_) = fed(acting(rule(threshold=100)), happened, at_once=100)
    assert finding.sessions == (("stolen", 90), ("own", 10))
    assert finding.session_events == 100


def test_sessions_that_another_process_saw_are_counted_without_a_name() -> None:
    store = MemoryWindowStore()
    first, second = (Engine(ruleset(rule(threshold=10)), store, acting=True) for _ in range(2))
    fed(first, [event(number, at=number, session="stolen") for number in range(9)])
    (finding,) = fed(second, [event(99, at=99, session="own")])
    assert finding.sessions == (("own", 1),)
    assert finding.session_events == 10, "so no one takes the one session for the culprit"


def test_a_single_event_is_reminded_of_when_it_comes_again_later() -> None:
    found = fed(acting(single()), [event(1), event(2, at=SHORTEST_REMINDER_MS + 1), event(3, at=HOUR)])
    assert [finding.reminder for finding in found] == [False, True, False]
    assert [finding.proved_since for finding in found] == [finding.time - 1 for finding in found]


def test_reminders_are_never_faster_than_logs_arrive() -> None:
    assert [reminder_ms(ms) for ms in (0, 1000, MINUTE, HOUR)] == [10_000, 10_000, QUARTER, HOUR // 4]
