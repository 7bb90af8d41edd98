"""A full set hides nothing that comes after it: docs/explanation/windows-bounds.md#full-sets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.detection.engine import Engine
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.model.rules import CompiledRule
from tests.support.detection import HOUR, MINUTE, START, event, rule, ruleset, selection, single

EPOCH = -START % HOUR
"""The first hour that begins at or after `START`, in ms after it."""

LIMIT = 200
MEGABYTE = 10**6
GIGABYTE = 1_000 * MEGABYTE


class Process:
    """One engine over a store whose sets are full with `LIMIT` members."""

    def __init__(self, *rules: CompiledRule, limit: int = LIMIT) -> None:
        self.store = MemoryWindowStore(member_limit=limit)
        self.engine = Engine(ruleset(*rules), self.store)
        self.full = 0

    def see(self, happened: Iterable[Event]) -> list[Finding]:
        found: list[Finding] = []
        waiting = list(happened)
        for start in range(0, len(waiting), 50):
            outcome = self.engine.process(waiting[start : start + 50], now_ms=START + 3 * HOUR)
            outcome.commit(outcome.findings)
            found += outcome.findings
            self.full += outcome.full
        return found


def answers(count: int, size: int, *, first: int = 0, at: int = EPOCH, step: int = 100) -> list[Event]:
    """So many answers of `size` bytes, one after the other."""
    return [
        event(first + number, at=at + step * number, response_bytes=size, status=200)
        for number in range(count)
    ]


def bytes_in_an_hour(threshold: int, **changes: Any) -> CompiledRule:
    kind: dict[str, Any] = {"kind": "value_sum", "value_field": "response_bytes", "timespan_ms": HOUR}
    return rule("bytes", cooldown_ms=2 * HOUR, threshold=threshold, **(kind | changes))


def test_large_answers_after_many_small_ones_are_found() -> None:
    process = Process(bytes_in_an_hour(5 * GIGABYTE))
    assert process.see(answers(LIMIT, 10_000)) == []
    (finding,) = process.see(answers(1_000, 8 * MEGABYTE, first=LIMIT, at=EPOCH + 10 * MINUTE))
    assert finding.value is not None
    assert finding.value >= 5 * GIGABYTE
    assert not finding.not_judged


def test_a_sum_of_nothing_but_small_answers_is_found_beyond_a_full_set() -> None:
    # 3,100 sampled values stand for a sum that is a quarter beyond the threshold
    process = Process(bytes_in_an_hour(10 * MEGABYTE))
    (finding,) = process.see(answers(LIMIT + 12_400, 1_000, step=50))
    assert finding.value is not None
    assert finding.value <= (LIMIT + 12_400) * 1_000


def test_a_sum_just_below_the_threshold_is_not_found_by_chance() -> None:
    process = Process(bytes_in_an_hour(10 * MEGABYTE))
    assert process.see(answers(9_999, 1_000, step=50)) == []
    assert process.full > 0


def test_two_rules_with_two_thresholds_over_one_sum_are_both_found_beyond_a_full_set() -> None:
    large = bytes_in_an_hour(50 * MEGABYTE)
    process = Process(bytes_in_an_hour(5 * MEGABYTE), rule_like(large, "more"))
    found = process.see(answers(LIMIT, 1) + answers(60, MEGABYTE, first=LIMIT, at=EPOCH + 10 * MINUTE))
    assert [finding.rule for finding in found] == ["bytes", "more"]


def rule_like(one: CompiledRule, name: str) -> CompiledRule:
    return bytes_in_an_hour(one.threshold, id=name)


@pytest.mark.parametrize(
    ("one", "before"),
    [
        (rule(threshold=50, timespan_ms=HOUR, cooldown_ms=10 * MINUTE), answers(600, 1)),
        (
            rule(
                kind="value_count",
                value_field="response_bytes",
                threshold=50,
                timespan_ms=HOUR,
                cooldown_ms=10 * MINUTE,
            ),
            [answers(1, number, first=number)[0] for number in range(600)],
        ),
    ],
    ids=["events", "values"],
)
def test_a_count_that_filled_its_set_is_found_again_in_every_later_period(
    one: CompiledRule, before: Sequence[Event]
) -> None:
    process = Process(one)
    assert len(process.see(before)) == 1
    again = [
        event(10_000 + number, at=EPOCH + 40 * MINUTE + number, response_bytes=10_000 + number)
        for number in range(60)
    ]
    assert len(process.see(again)) == 1


STEPS: dict[str, Any] = {
    "kind": "temporal_ordered",
    "selections": (
        selection(["number", "status", [401]], rule="failed"),
        selection(["number", "status", [200]], rule="worked"),
    ),
    "steps": ("worked", "failed"),
    "bounds": (),
    "timespan_ms": HOUR,
    "cooldown_ms": 2 * HOUR,
}


def test_a_step_that_comes_after_the_flood_of_its_kind_still_ends_a_chain() -> None:
    process = Process(rule(**STEPS))
    flood = [event(number, at=EPOCH + number, status=401) for number in range(2 * LIMIT)]
    assert process.see(flood) == []
    chain = [
        event(9_001, at=EPOCH + 30 * MINUTE, status=200),
        event(9_002, at=EPOCH + 40 * MINUTE, status=401),
    ]
    assert len(process.see(chain)) == 1


def test_what_cannot_be_judged_beyond_a_full_set_is_told_to_people_and_acts_on_no_one() -> None:
    average = rule(
        "slow", kind="value_avg", value_field="response_bytes", bounds=(("gt", 5),), timespan_ms=HOUR
    )
    process = Process(average)
    assert process.see(answers(LIMIT - 1, 1)) == []
    (finding,) = process.see(answers(300, 1, first=LIMIT, at=EPOCH + MINUTE))
    assert finding.not_judged
    assert finding.response.actions == ("alert",)
    assert finding.count >= LIMIT
    assert finding.first_time <= finding.time
    # the rule's own findings have other ids: this one takes none of their places
    (other,) = Process(average).see(answers(3, 9, at=EPOCH))
    assert other.id != finding.id


def test_a_sum_over_ids_that_an_application_chooses_is_never_estimated() -> None:
    of_application = bytes_in_an_hour(GIGABYTE, selections=(selection(category="application"),))
    happened = [
        event(number, at=EPOCH + number, response_bytes=1_000, source="application") for number in range(900)
    ]
    (finding,) = Process(of_application).see(happened)
    assert finding.not_judged


@pytest.mark.parametrize(("bounds", "findings"), [((("lt", 50),), 0), ((("neq", 50),), 1)])
def test_a_count_that_can_be_undone_is_judged_where_a_full_slice_decides_it(
    bounds: Any, findings: int
) -> None:
    few = rule("few", bounds=bounds, timespan_ms=HOUR, cooldown_ms=10 * MINUTE)
    process = Process(few)
    process.see(answers(600, 1))
    later = [event(9_000, at=EPOCH + 40 * MINUTE)]
    assert len(process.see(later)) == findings


def test_rules_on_single_events_have_no_sets() -> None:
    assert len(Process(single(cooldown_ms=1)).see(answers(2, 1))) == 2
