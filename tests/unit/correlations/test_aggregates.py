from __future__ import annotations

from fractions import Fraction
from itertools import permutations, product
from random import Random
from typing import Any

import pytest

from sessionwarden.correlations.aggregates import (
    Aggregate,
    Average,
    DistinctCount,
    MatchCount,
    MemberCount,
    Percentile,
    StepsInOrder,
    Sum,
)


@pytest.mark.parametrize(
    "make",
    [
        MemberCount,
        DistinctCount,
        Sum,
        Average,
        lambda: Percentile(30),
        MatchCount,
        lambda: StepsInOrder([0, 1, 0], 5),
    ],
)
def test_what_left_the_interval_leaves_no_trace(make: Any) -> None:
    """An aggregate that slid over everything measures what a fresh one measures of the last interval."""
    for seed in range(100):
        random = Random(seed)
        payloads: dict[type, Any] = {
            MatchCount: [None, (b"a", 3), (b"b", 2)],
            StepsInOrder: [(0, b"x"), (1, b"x"), (1, b"y")],
        }
        choices = payloads.get(type(make()), [1, 2, 5])
        groups = [
            (time_step, random.sample(choices, random.randint(1, 2)))
            for time_step in sorted(random.sample(range(40), 12))
        ]
        slid: Aggregate = make()
        oldest = 0
        for time_step, found in groups:
            slid.add(time_step, found)
            while groups[oldest][0] <= time_step - 5:
                slid.drop(*groups[oldest])
                oldest += 1
            fresh: Aggregate = make()
            for one in groups[oldest:]:
                if one[0] <= time_step:
                    fresh.add(*one)
            assert (slid.measure(), slid.count) == (fresh.measure(), fresh.count)


def test_an_average_is_exact() -> None:
    aggregate = Average()
    aggregate.add(1, [1, 0, 0])
    assert aggregate.measure() == Fraction(1, 3)


@pytest.mark.parametrize(
    ("percentile", "value"), [(0, 10), (1, 10), (20, 10), (21, 20), (50, 30), (80, 40), (81, 50), (100, 50)]
)
def test_a_percentile_is_by_nearest_rank(percentile: int, value: int) -> None:
    aggregate = Percentile(percentile)
    aggregate.add(1, [50, 30, 10, 40, 20])
    assert (aggregate.measure(), aggregate.count) == (value, 5)


def matched(*time_steps: int, apart: int = 10) -> int:
    aggregate = MatchCount()
    for time_step in time_steps:
        aggregate.add(time_step, [(b"key", apart)])
    return aggregate.count


def test_a_burst_that_lasts_is_one_match_for_each_timespan() -> None:
    assert matched(*range(100, 110)) == 1
    assert matched(*range(100, 111)) == 2
    assert matched(*range(100, 130)) == 3


def test_a_burst_across_a_border_is_one_match() -> None:
    assert matched(99, 100, 101) == 1


def test_more_matches_are_never_counted_as_fewer() -> None:
    random = Random(1)
    time_steps = random.sample(range(200), 40)
    counts = [matched(*sorted(time_steps[:number])) for number in range(1, 41)]
    assert counts == sorted(counts)


def test_matches_of_two_keys_and_events_add_up() -> None:
    aggregate = MatchCount()
    aggregate.add(1, [(b"one", 10), (b"two", 10), None])
    aggregate.add(2, [(b"one", 10), None])
    assert aggregate.measure() == 4


def steps(chain: list[int], *happened: tuple[int, list[tuple[int, bytes]]], span: int = 100) -> int:
    aggregate = StepsInOrder(chain, span)
    for time_step, payloads in happened:
        aggregate.add(time_step, payloads)
    return aggregate.count


def test_steps_count_in_their_order() -> None:
    assert steps([0, 1], (5, [(0, b"a")]), (6, [(1, b"b")])) == 2
    assert steps([0, 1], (5, [(1, b"b")]), (6, [(0, b"a")])) == 1


def test_one_event_is_one_step() -> None:
    assert steps([0, 1], (5, [(0, b"a"), (1, b"a")])) == 1
    assert steps([0, 0], (5, [(0, b"a")])) == 1
    assert steps([0, 0], (5, [(0, b"a")]), (6, [(0, b"b")])) == 2


def test_steps_of_one_millisecond_are_in_order_if_events_suffice() -> None:
    assert steps([0, 1, 0], (5, [(0, b"a"), (1, b"b")])) == 2
    assert steps([0, 1, 0], (5, [(0, b"a"), (1, b"b"), (0, b"c")])) == 3
    # the first event could be either step: the second decides which it must be
    assert steps([0, 1], (5, [(0, b"a"), (1, b"a"), (0, b"b")])) == 2


def test_the_latest_start_is_the_one_that_is_kept() -> None:
    happened = [(0, [(0, b"a")]), (50, [(0, b"b")]), (120, [(1, b"c")])]
    assert steps([0, 1], *happened) == 2
    assert steps([0, 1], happened[0], happened[2]) == 0


def test_simultaneous_steps_are_matched_as_trying_all_orders_does() -> None:
    events = {b"a": [0, 1], b"b": [1], b"c": [0, 2]}
    payloads = [(step, event) for event, its in events.items() for step in its]
    for length in (1, 2, 3):
        for chain in product(range(3), repeat=length):
            possible = max(
                sum(1 for _ in fitting(chain, order, events)) for order in permutations(events, length)
            )
            assert steps(list(chain), (5, payloads)) == possible, chain


def fitting(chain: tuple[int, ...], order: tuple[bytes, ...], events: dict[bytes, list[int]]) -> Any:
    for step, event in zip(chain, order, strict=True):
        if step not in events[event]:
            return
        yield event
