from __future__ import annotations

from collections.abc import Iterable

import pytest

from sessionwarden.detection.crossings import CountLayout, Crossing, Layout, Seen, ValueLayout

WEEK = 7 * 24 * 3_600_000


def members(layout: Layout, seen: Iterable[tuple[int, bytes]]) -> dict[int, frozenset[bytes]]:
    sets: dict[int, set[bytes]] = {}
    for time, digest in seen:
        epoch, member = layout.member(time, digest)
        sets.setdefault(epoch, set()).add(member)
    return {epoch: frozenset(found) for epoch, found in sets.items()}


def crossings(
    layout: Layout, seen: Iterable[tuple[int, bytes]], *, threshold: int, cooldown_ms: int = WEEK
) -> list[Crossing]:
    return list(layout.crossings(members(layout, seen), threshold=threshold, cooldown_ms=cooldown_ms))


def at(*times: int) -> list[tuple[int, bytes]]:
    return [(time, b"%06d" % number) for number, time in enumerate(times)]


def test_an_interval_does_not_hold_its_beginning() -> None:
    layout = CountLayout(100)
    assert crossings(layout, at(1000, 1100), threshold=2) == []
    (crossing,) = crossings(layout, at(1001, 1100), threshold=2)
    assert (crossing.time, crossing.first_time, crossing.count) == (1100, 1001, 2)


def test_an_interval_may_span_two_epochs() -> None:
    (crossing,) = crossings(CountLayout(100), at(1060, 1090, 1110), threshold=3)
    assert (crossing.time, crossing.first_time) == (1110, 1060)


def test_events_of_one_millisecond_all_count() -> None:
    (crossing,) = crossings(CountLayout(100), at(1000, 1000, 1000), threshold=2)
    assert (crossing.time, crossing.count) == (1000, 3)


def test_the_earliest_crossing_of_every_slot_is_found() -> None:
    found = crossings(CountLayout(100), at(*range(1000, 1400, 10)), threshold=3, cooldown_ms=150)
    assert [(crossing.slot, crossing.time) for crossing in found] == [
        (6, 1020),
        (7, 1050),
        (8, 1200),
        (9, 1350),
    ]


def test_a_threshold_of_one_is_crossed_by_the_first_event() -> None:
    (crossing,) = crossings(CountLayout(100), at(1234), threshold=1)
    assert (crossing.time, crossing.first_time, crossing.count) == (1234, 1234, 1)


def test_the_longest_timespan_fits_the_layout() -> None:
    layout = CountLayout(2**32)
    (crossing,) = crossings(layout, at(2**33 - 1, 2**33 - 2), threshold=2)
    assert crossing.time == 2**33 - 1


@pytest.mark.parametrize("layout", [CountLayout(100), ValueLayout(100)])
def test_nothing_crosses_in_nothing(layout: Layout) -> None:
    assert crossings(layout, [], threshold=1) == []


def values(*pairs: tuple[int, str]) -> list[tuple[int, bytes]]:
    return [(time, value.encode().ljust(8)) for time, value in pairs]


def test_a_value_counts_once_however_often_it_is_seen() -> None:
    seen = values(*((time, "a") for time in range(3200, 6400, 50)))
    assert crossings(ValueLayout(3200), seen, threshold=2) == []


def test_a_busy_value_costs_one_member_a_quantum() -> None:
    sets = members(ValueLayout(3200), values(*((time, "a") for time in range(3200, 6400))))
    assert {epoch: len(found) for epoch, found in sets.items()} == {1: 32}


def test_values_within_thirty_one_quanta_are_always_found() -> None:
    for offset in range(100):
        start = 32_000 + offset
        (crossing,) = crossings(ValueLayout(3200), values((start, "a"), (start + 3100, "b")), threshold=2)
        assert crossing.count == 2


def test_values_a_timespan_apart_are_never_found() -> None:
    for offset in range(100):
        start = 32_000 + offset
        assert crossings(ValueLayout(3200), values((start, "a"), (start + 3200, "b")), threshold=2) == []


def test_a_value_that_left_the_interval_no_longer_counts() -> None:
    seen = values((3200, "a"), (5000, "b"), (6400, "c"), (9000, "d"))
    assert crossings(ValueLayout(3200), seen, threshold=3) == []
    (crossing,) = crossings(ValueLayout(3200), [*seen, *values((6300, "a"))], threshold=3)
    assert (crossing.time, crossing.count) == (6400, 3)


@pytest.mark.parametrize("timespan_ms", [1000, 3200, 60_000, 86_400_000, 33])
def test_a_quantum_starts_with_its_first_whole_millisecond(timespan_ms: int) -> None:
    layout = ValueLayout(timespan_ms)
    for quantum in (0, 1, 31, 32, 1_000_003):
        start = layout.start(quantum)
        assert layout.quantum(start) == quantum
        assert layout.quantum(start - 1) == quantum - 1


def test_the_event_that_brought_the_last_value_is_the_culprit() -> None:
    layout = ValueLayout(32_000)
    seen = [Seen(64_300, "late", b"c" * 8), Seen(64_100, "a", b"a" * 8), Seen(64_200, "b", b"b" * 8)]
    sets = members(layout, [(one.time, one.token) for one in seen if isinstance(one.token, bytes)])
    (crossing,) = layout.crossings(sets, threshold=2, cooldown_ms=WEEK)
    assert layout.culprit(crossing, sets, threshold=2, seen=seen) == 2
    assert layout.culprit(crossing, sets, threshold=2, seen=seen[:1]) is None


def test_a_count_s_culprit_is_the_event_of_that_time() -> None:
    layout = CountLayout(100)
    sets = members(layout, at(1000, 1010))
    (crossing,) = layout.crossings(sets, threshold=2, cooldown_ms=WEEK)
    seen = [Seen(1000, "a", "a"), Seen(1010, "c", "c"), Seen(1010, "b", "b")]
    assert layout.culprit(crossing, sets, threshold=2, seen=seen) == 2
    assert layout.culprit(crossing, sets, threshold=2, seen=seen[:1]) is None
