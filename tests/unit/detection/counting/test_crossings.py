from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import pytest

from sessionwarden.correlations.aggregates import Aggregate, DistinctCount, MemberCount
from sessionwarden.correlations.bounds import Condition
from sessionwarden.correlations.time_grid import Grid, bucketed, exact
from sessionwarden.detection.counting.crossings import (
    Crossing,
    Seen,
    anywhere,
    first_of_each_period,
    meetings,
    near,
    trigger_at,
    trigger_by_value,
)

WEEK = 7 * 24 * 3_600_000


def at_least(threshold: int) -> Condition:
    return Condition((("gte", threshold),), grows=True, least=threshold)


def groups(grid: Grid, seen: Iterable[tuple[int, Any]]) -> list[tuple[int, list[Any]]]:
    by_step = sorted(((grid.time_step(time), payload) for time, payload in seen), key=lambda pair: pair[0])
    return [(tick, [one for _, one in same]) for tick, same in groupby(by_step, lambda pair: pair[0])]


def crossings(
    grid: Grid,
    seen: Iterable[tuple[int, Any]],
    aggregate: Aggregate,
    *,
    threshold: int,
    cooldown_ms: int = WEEK,
) -> list[Crossing]:
    found = meetings(
        groups(grid, seen),
        span=grid.span,
        aggregate=aggregate,
        condition=at_least(threshold),
        judged=anywhere,
    )
    return list(first_of_each_period(found, grid, period_ms=cooldown_ms))


def counted(times: Sequence[int], *, threshold: int, cooldown_ms: int = WEEK) -> list[Crossing]:
    """In the way of the table's engine, and in the quick one of replay, which must be the same."""
    seen = [(time, None) for time in times]
    return crossings(exact(100), seen, MemberCount(), threshold=threshold, cooldown_ms=cooldown_ms)


def valued(*seen: tuple[int, str], threshold: int, span: int = 3200) -> list[Crossing]:
    return crossings(bucketed(span), seen, DistinctCount(), threshold=threshold)


def test_an_interval_does_not_hold_its_beginning() -> None:
    assert counted([1000, 1100], threshold=2) == []
    (crossing,) = counted([1001, 1100], threshold=2)
    assert (crossing.time, crossing.first_time, crossing.count) == (1100, 1001, 2)


def test_an_interval_may_span_two_epochs() -> None:
    (crossing,) = counted([1060, 1090, 1110], threshold=3)
    assert (crossing.time, crossing.first_time) == (1110, 1060)


def test_events_of_one_millisecond_all_count() -> None:
    (crossing,) = counted([1000, 1000, 1000], threshold=2)
    assert (crossing.time, crossing.count) == (1000, 3)


def test_the_earliest_crossing_of_every_period_is_found() -> None:
    found = counted(range(1000, 1400, 10), threshold=3, cooldown_ms=150)
    assert [(crossing.period, crossing.time) for crossing in found] == [
        (6, 1020),
        (7, 1050),
        (8, 1200),
        (9, 1350),
    ]


def test_a_threshold_of_one_is_crossed_by_the_first_event() -> None:
    (crossing,) = counted([1234], threshold=1)
    assert (crossing.time, crossing.first_time, crossing.count) == (1234, 1234, 1)


def test_nothing_crosses_in_nothing() -> None:
    assert counted([], threshold=1) == []
    assert valued(threshold=1) == []


def test_a_value_counts_once_however_often_it_is_seen() -> None:
    assert valued(*((time, "a") for time in range(3200, 6400, 50)), threshold=2) == []


def test_values_within_thirty_one_quanta_are_always_found() -> None:
    for start in range(32_000, 32_100):
        (crossing,) = valued((start, "a"), (start + 3100, "b"), threshold=2)
        assert crossing.count == 2


def test_values_a_timespan_apart_are_never_found() -> None:
    for start in range(32_000, 32_100):
        assert valued((start, "a"), (start + 3200, "b"), threshold=2) == []


def test_a_value_that_left_the_interval_no_longer_counts() -> None:
    seen = ((3200, "a"), (5000, "b"), (6400, "c"), (9000, "d"))
    assert valued(*seen, threshold=3) == []
    (crossing,) = valued(*seen, (6300, "a"), threshold=3)
    assert (crossing.time, crossing.count) == (6400, 3)


@pytest.mark.parametrize("timespan_ms", [1000, 3200, 60_000, 86_400_000, 33])
def test_a_quantum_starts_with_its_first_whole_millisecond(timespan_ms: int) -> None:
    grid = bucketed(timespan_ms)
    for quantum in (0, 1, 31, 32, 1_000_003):
        start = grid.start(quantum)
        assert grid.time_step(start) == quantum
        assert grid.time_step(start - 1) == quantum - 1
        assert grid.until(quantum) == grid.start(quantum + 1) - 1


@pytest.mark.parametrize("grid", [exact(100), bucketed(3200), bucketed(33)])
def test_what_an_event_reaches_are_the_ends_of_intervals_that_hold_it(grid: Grid) -> None:
    for time in range(10_000, 10_200):
        first, last = grid.reach(time)
        tick = grid.time_step(time)
        assert (grid.time_step(first), grid.time_step(last)) == (tick, tick + grid.span - 1)


def test_only_intervals_that_hold_something_fresh_are_near() -> None:
    is_near = near([20, 50], 10)
    assert [tick for tick in range(70) if is_near(tick)] == [*range(20, 30), *range(50, 60)]


def test_the_event_that_brought_the_last_value_is_the_trigger() -> None:
    grid = bucketed(32_000)
    seen = [Seen(64_300, "late", "c"), Seen(64_100, "a", "a"), Seen(64_200, "b", "b")]
    by_step = dict(groups(grid, [(one.time, one.token) for one in seen]))
    (crossing,) = valued((64_300, "c"), (64_100, "a"), (64_200, "b"), threshold=2, span=32_000)
    assert trigger_by_value(crossing, by_step, grid, threshold=2, seen=seen) == 2
    assert trigger_by_value(crossing, by_step, grid, threshold=2, seen=seen[:1]) is None


def test_a_count_s_trigger_is_the_event_of_that_time() -> None:
    (crossing,) = counted([1000, 1010], threshold=2)
    seen = [Seen(1000, "a", "a"), Seen(1010, "c", "c"), Seen(1010, "b", "b")]
    assert trigger_at(crossing, seen) == 2
    assert trigger_at(crossing, seen[:1]) is None
