"""Where the intervals of a key meet a rule's condition. Pure arithmetic.

Enters: the members of one key, tick by tick. Leaves: the ticks `b` at which a half-open interval
`(b - span, b]` that ends at a member meets the condition, and of each suppressed period the earliest.
Invariant: the answer depends on the members alone, so neither the order nor the number of deliveries
can change it. See docs/explanation/windows.md for what each kind decides exactly.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sessionwarden.detection.counting.aggregates import Aggregate
from sessionwarden.detection.counting.condition import Condition, Measure
from sessionwarden.detection.counting.time_grid import Grid

Groups = Sequence[tuple[int, Sequence[Any]]]
"""The payloads of each tick that has a member, in order of time."""

Token = bytes | str | int
"""What tells two events (or values) of a key apart; `int` where everything stays in one process."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """The first crossing of a slot. Times are epoch ms in the layout's resolution.

    `since` (exclusive) to `until` (inclusive) are the real times of the interval's events;
    `first_until` is the last real time that its earliest member can stand for. `value` is what was
    measured of the members' values, of rules that judge those.
    """

    period: int
    time: int
    first_time: int
    first_until: int
    count: int
    since: int
    until: int
    value: Measure | None = None


class Seen(NamedTuple):
    """One event of a key: distinct from others by `token` (event id, or hash of the counted value)."""

    time: int
    id: str
    token: Token


class Meeting(NamedTuple):
    """An interval that ends at `tick` and meets the condition; `first` is its earliest member's tick.

    `held` is the count that a finding shows.
    """

    tick: int
    first: int
    held: int
    measure: Measure


def meetings(
    groups: Groups, *, span: int, aggregate: Aggregate, condition: Condition, judged: Callable[[int], bool]
) -> Iterator[Meeting]:
    """Every interval that meets the condition, of those whose end is `judged`."""
    oldest = 0
    for tick, payloads in groups:
        aggregate.add(tick, payloads)
        while groups[oldest][0] <= tick - span:
            aggregate.drop(*groups[oldest])
            oldest += 1
        if judged(tick) and condition.met(measure := aggregate.measure()):
            yield Meeting(tick, groups[oldest][0], aggregate.count, measure)


def first_of_each_period(
    found: Iterable[Meeting], grid: Grid, *, cooldown_ms: int, measured: bool = False
) -> Iterator[Crossing]:
    """The earliest crossing of every slot that has one, in order of time; with its value if `measured`."""
    reported: int | None = None
    for meeting in found:
        period = grid.start(meeting.tick) // cooldown_ms
        if period == reported:
            continue
        reported = period
        yield Crossing(
            period,
            grid.start(meeting.tick),
            grid.start(meeting.first),
            grid.until(meeting.first),
            meeting.held,
            grid.start(meeting.tick - grid.span + 1) - 1,
            grid.until(meeting.tick),
            meeting.measure if measured else None,
        )


def near(fresh: Collection[int], span: int) -> Callable[[int], bool]:
    """Whether an interval that ends at a tick holds one of `fresh`."""
    known = sorted(fresh)

    def holds(tick: int) -> bool:
        behind = bisect_right(known, tick)
        return behind > 0 and tick - known[behind - 1] < span

    return holds


def anywhere(tick: int) -> bool:
    """Every end is judged."""
    return True


def count_crossings(
    times: Sequence[int], *, span: int, threshold: int, cooldown_ms: int
) -> Iterator[Crossing]:
    """The same for a count that is to reach `threshold`, over times in order: it skips what cannot cross."""
    index = threshold - 1
    while index < len(times):
        time = times[index]
        if time - times[index - threshold + 1] >= span:
            index += 1
            continue
        first, last = bisect_right(times, time - span), bisect_right(times, time)
        period = time // cooldown_ms
        yield Crossing(period, time, times[first], times[first], last - first, time - span, time)
        index = max(last, bisect_left(times, (period + 1) * cooldown_ms))


def trigger_at(crossing: Crossing, seen: Sequence[Seen]) -> int | None:
    """Which of `seen` crossed: the first at the crossing's time, or `None` if that was seen elsewhere."""
    there = [
        (one.time, one.id, index)
        for index, one in enumerate(seen)
        if crossing.time <= one.time <= crossing.until
    ]
    return min(there)[2] if there else None


def trigger_by_value(
    crossing: Crossing,
    by_tick: Mapping[int, Collection[Token]],
    grid: Grid,
    *,
    threshold: int,
    seen: Sequence[Seen],
) -> int | None:
    """The same where distinct values are to reach `threshold`: the event that brought the last of them."""
    here = [
        (one.time, one.id, index)
        for index, one in enumerate(seen)
        if crossing.time <= one.time <= crossing.until
    ]
    last = grid.tick(crossing.time)
    values = set(by_tick[last]) - {seen[index].token for _, _, index in here}
    values.update(*(by_tick.get(tick, ()) for tick in range(last - grid.span + 1, last)))
    if len(values) >= threshold:
        return None
    for _, _, index in sorted(here):
        values.add(seen[index].token)
        if len(values) >= threshold:
            return index
    return None
