"""Where the members of a key cross a threshold. Pure arithmetic on sets of bytes.

Enters: the members of one key by epoch. Leaves: for each cooldown slot, the earliest time `t` at
which the half-open interval `(t - timespan, t]` holds the threshold. Invariant: the answer depends
on the sets alone, so neither the order nor the number of deliveries can change it.

Two layouts share one shape: `CountLayout` (members are events) and `ValueLayout` (members are
distinct values at a quantised time). See docs/explanation/windows.md for what each decides exactly.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Members = Mapping[int, frozenset[bytes]]
Token = bytes | str | int
"""What tells two events (or values) of a key apart; `int` where everything stays in one process."""

QUANTA = 32
"""Steps per timespan of the quantised time of `value_count`."""

MAX_TIMESPAN_MS = 2**32
"""The time within an epoch takes four bytes: 49 days."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """The first crossing of a slot. Times are epoch ms in the layout's resolution.

    `since` (exclusive) to `until` (inclusive) are the real times of the interval's events;
    `first_until` is the last real time that its earliest member can stand for.
    """

    slot: int
    time: int
    first_time: int
    first_until: int
    count: int
    since: int
    until: int


class Seen(NamedTuple):
    """One event of a key: distinct from others by `token` (event id, or hash of the counted value)."""

    time: int
    id: str
    token: Token


class Layout(Protocol):
    """How events become members and members become crossings."""

    timespan_ms: int

    def member(self, time: int, digest: bytes) -> tuple[int, bytes]:
        """Epoch and bytes of what was seen at `time`."""
        ...

    def reach(self, time: int) -> tuple[int, int]:
        """The first and the last time at which an interval that holds this member can end."""
        ...

    def crossings(self, members: Members, *, threshold: int, cooldown_ms: int) -> Iterator[Crossing]:
        """The earliest crossing of every slot that has one, in order of time."""
        ...

    def culprit(
        self, crossing: Crossing, members: Members, *, threshold: int, seen: Sequence[Seen]
    ) -> int | None:
        """Which of `seen` crossed the threshold, or `None` if that one was seen elsewhere."""
        ...


class CountLayout:
    """`event_count`: a member is milliseconds into the epoch (4 bytes) and a hash of the event's id."""

    def __init__(self, timespan_ms: int) -> None:
        self.timespan_ms = timespan_ms

    def member(self, time: int, digest: bytes) -> tuple[int, bytes]:
        epoch, offset = divmod(time, self.timespan_ms)
        return epoch, offset.to_bytes(4, "big") + digest

    def reach(self, time: int) -> tuple[int, int]:
        return time, time + self.timespan_ms - 1

    def crossings(self, members: Members, *, threshold: int, cooldown_ms: int) -> Iterator[Crossing]:
        if sum(map(len, members.values())) < threshold:
            return
        span = self.timespan_ms
        times = sorted(
            epoch * span + int.from_bytes(member[:4], "big")
            for epoch, found in members.items()
            for member in found
        )
        yield from self.crossings_of(times, threshold=threshold, cooldown_ms=cooldown_ms)

    def crossings_of(self, times: Sequence[int], *, threshold: int, cooldown_ms: int) -> Iterator[Crossing]:
        """The same for the times of distinct members, in order."""
        span = self.timespan_ms
        index = threshold - 1
        while index < len(times):
            time = times[index]
            if time - times[index - threshold + 1] >= span:
                index += 1
                continue
            first, last = bisect_right(times, time - span), bisect_right(times, time)
            slot = time // cooldown_ms
            yield Crossing(slot, time, times[first], times[first], last - first, time - span, time)
            index = max(last, bisect_left(times, (slot + 1) * cooldown_ms))

    def culprit(
        self, crossing: Crossing, members: Members, *, threshold: int, seen: Sequence[Seen]
    ) -> int | None:
        return self.culprit_of(crossing, seen)

    def culprit_of(self, crossing: Crossing, seen: Sequence[Seen]) -> int | None:
        """The same; the members do not matter, since all that share the crossing's time crossed."""
        at_that_time = [(one.id, index) for index, one in enumerate(seen) if one.time == crossing.time]
        return min(at_that_time)[1] if at_that_time else None


class ValueLayout:
    """`value_count`: a member is the quantum within the epoch (1 byte) and a hash of the value.

    Time is cut into quanta of `timespan / 32`: time `t` lies in quantum `floor(32 t / timespan)`, whose
    quantised time is its first whole millisecond. The interval that ends in quantum `b` is
    `(b - 32, b]`; it is `timespan` long, so what it finds, the exact interval finds too.
    """

    def __init__(self, timespan_ms: int) -> None:
        self.timespan_ms = timespan_ms

    def quantum(self, time: int) -> int:
        """The quantum of a time."""
        return time * QUANTA // self.timespan_ms

    def start(self, quantum: int) -> int:
        """The quantised time: the first whole millisecond of the quantum."""
        return -(-quantum * self.timespan_ms // QUANTA)

    def member(self, time: int, digest: bytes) -> tuple[int, bytes]:
        epoch, offset = divmod(self.quantum(time), QUANTA)
        return epoch, bytes((offset,)) + digest

    def reach(self, time: int) -> tuple[int, int]:
        quantum = self.quantum(time)
        return self.start(quantum), self.start(quantum + QUANTA - 1)

    def crossings(self, members: Members, *, threshold: int, cooldown_ms: int) -> Iterator[Crossing]:
        if len({member[1:] for found in members.values() for member in found}) < threshold:
            return
        yield from self.crossings_of(_by_quantum(members), threshold=threshold, cooldown_ms=cooldown_ms)

    def crossings_of(
        self, by_quantum: Mapping[int, Collection[Token]], *, threshold: int, cooldown_ms: int
    ) -> Iterator[Crossing]:
        """The same for the distinct values of each quantum."""
        last_seen: dict[Token, int] = {}
        reported: int | None = None
        for quantum in sorted(by_quantum):
            last_seen.update(dict.fromkeys(by_quantum[quantum], quantum))
            count = sum(seen > quantum - QUANTA for seen in last_seen.values())
            slot = self.start(quantum) // cooldown_ms
            if count < threshold or slot == reported:
                continue
            reported = slot
            oldest = min(earlier for earlier in by_quantum if quantum - QUANTA < earlier <= quantum)
            first_time, first_until = self.start(oldest), self.start(oldest + 1) - 1
            since, until = self.start(quantum - QUANTA + 1) - 1, self.start(quantum + 1) - 1
            yield Crossing(slot, self.start(quantum), first_time, first_until, count, since, until)

    def culprit(
        self, crossing: Crossing, members: Members, *, threshold: int, seen: Sequence[Seen]
    ) -> int | None:
        return self.culprit_of(crossing, _by_quantum(members), threshold=threshold, seen=seen)

    def culprit_of(
        self,
        crossing: Crossing,
        by_quantum: Mapping[int, Collection[Token]],
        *,
        threshold: int,
        seen: Sequence[Seen],
    ) -> int | None:
        """The same for the distinct values of each quantum."""
        here = [
            (one.time, one.id, index)
            for index, one in enumerate(seen)
            if crossing.time <= one.time <= crossing.until
        ]
        last = self.quantum(crossing.time)
        values = set(by_quantum[last]) - {seen[index].token for _, _, index in here}
        values.update(*(by_quantum.get(quantum, ()) for quantum in range(last - QUANTA + 1, last)))
        if len(values) >= threshold:
            return None
        for _, _, index in sorted(here):
            values.add(seen[index].token)
            if len(values) >= threshold:
                return index
        return None


def _by_quantum(members: Members) -> dict[int, set[Token]]:
    values: dict[int, set[Token]] = {}
    for epoch, found in members.items():
        for member in found:
            values.setdefault(epoch * QUANTA + member[0], set()).add(member[1:])
    return values
