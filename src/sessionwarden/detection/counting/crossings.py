"""Where the intervals of a key meet a rule's condition. Pure arithmetic.

Enters: the members of one key, by time step. Leaves: the time steps `b` at which a half-open interval
`(b - span, b]` that ends at a member meets the condition, and the earliest of each suppressed period.
Invariant: the answer depends on the members alone, so neither the order nor the number of deliveries
can change it. docs/explanation/windows.md says what each type decides exactly.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sessionwarden.correlations.aggregates import Aggregate
from sessionwarden.correlations.bounds import Condition, Measure
from sessionwarden.correlations.time_grid import Grid

Groups = Sequence[tuple[int, Sequence[Any]]]
"""The payloads of each time step that has a member, in order of time."""

Token = bytes | str
"""The id of an event, or the hash of a value, by which two of a key are told apart."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """The first crossing of a period. Times are epoch ms, in the resolution of the member encoding.

    `since` (exclusive) to `until` (inclusive) are the real times of the interval's events;
    `first_until` is the last real time that its earliest member can stand for. `value` is the measure, of
    rules whose findings show it.
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
    """An interval that ends at `time_step` and meets the condition; `first` is that of its earliest member.

    `held` is the count that a finding shows.
    """

    time_step: int
    first: int
    held: int
    measure: Measure


def meetings(
    groups: Groups, *, span: int, aggregate: Aggregate, condition: Condition, judged: Callable[[int], bool]
) -> Iterator[Meeting]:
    """Every interval that meets the condition, of those whose end is `judged`."""
    oldest = 0
    for time_step, payloads in groups:
        aggregate.add(time_step, payloads)
        while groups[oldest][0] <= time_step - span:
            aggregate.drop(*groups[oldest])
            oldest += 1
        if judged(time_step) and condition.met(measure := aggregate.measure()):
            yield Meeting(time_step, groups[oldest][0], aggregate.count, measure)


def first_of_each_period(
    found: Iterable[Meeting], grid: Grid, *, period_ms: int, measured: bool = False
) -> Iterator[Crossing]:
    """The earliest crossing of every period that has one, in order of time; with its value if `measured`."""
    reported: int | None = None
    for meeting in found:
        period = grid.start(meeting.time_step) // period_ms
        if period == reported:
            continue
        reported = period
        yield Crossing(
            period,
            grid.start(meeting.time_step),
            grid.start(meeting.first),
            grid.until(meeting.first),
            meeting.held,
            grid.start(meeting.time_step - grid.span + 1) - 1,
            grid.until(meeting.time_step),
            meeting.measure if measured else None,
        )


def latest_start(groups: Groups, *, aggregate: Aggregate, condition: Condition) -> int:
    """The latest time step from which on the groups still meet a condition that grows.

    They are all of one interval that meets it, and `aggregate` is fresh.
    """
    for time_step, payloads in groups:
        aggregate.add(time_step, payloads)
    for time_step, payloads in groups[:-1]:
        aggregate.drop(time_step, payloads)
        if not condition.met(aggregate.measure()):
            return time_step
    return groups[-1][0]


def near(fresh: Collection[int], span: int) -> Callable[[int], bool]:
    """Whether an interval that ends at a time_step holds one of `fresh`."""
    known = sorted(fresh)

    def holds(time_step: int) -> bool:
        behind = bisect_right(known, time_step)
        return behind > 0 and time_step - known[behind - 1] < span

    return holds


def anywhere(time_step: int) -> bool:
    """Every end is judged."""
    return True


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
    by_step: Mapping[int, Collection[Token]],
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
    last = grid.time_step(crossing.time)
    values = set(by_step[last]) - {seen[index].token for _, _, index in here}
    values.update(*(by_step.get(time_step, ()) for time_step in range(last - grid.span + 1, last)))
    if len(values) >= threshold:
        return None
    for _, _, index in sorted(here):
        values.add(seen[index].token)
        if len(values) >= threshold:
            return index
    return None
