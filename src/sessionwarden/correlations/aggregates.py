"""Aggregates: what an interval holds, measured while it slides over the members of one key.

Enters: the members of one time step after the other, and those that fall out of the interval. Leaves: the
measure that a condition judges, and the count that a finding shows. Invariant: after `add` and `drop`, the
measure is that of the members held, computed from nothing else.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Protocol

from sessionwarden.correlations.bounds import Measure


class Aggregate(Protocol):
    """Payloads are what the rule's member encoding reads from members."""

    @property
    def count(self) -> int:
        """The count that a finding shows."""
        ...

    def add(self, time_step: int, payloads: Sequence[Any]) -> None:
        """Take in the members of one time step, the latest so far."""
        ...

    def drop(self, time_step: int, payloads: Sequence[Any]) -> None:
        """Leave out the members of the earliest time step that is held."""
        ...

    def measure(self) -> Measure:
        """The measure that the condition judges."""
        ...


class MemberCount:
    """The number of members."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, time_step: int, payloads: Sequence[Any]) -> None:
        self.count += len(payloads)

    def drop(self, time_step: int, payloads: Sequence[Any]) -> None:
        self.count -= len(payloads)

    def measure(self) -> Measure:
        return self.count


class DistinctCount:
    """The number of distinct payloads: values, or steps of a sequence."""

    def __init__(self) -> None:
        self._held: Counter[Any] = Counter()

    @property
    def count(self) -> int:
        return len(self._held)

    def add(self, time_step: int, payloads: Sequence[Any]) -> None:
        self._held.update(payloads)

    def drop(self, time_step: int, payloads: Sequence[Any]) -> None:
        for payload in payloads:
            self._held[payload] -= 1
            if not self._held[payload]:
                del self._held[payload]

    def measure(self) -> Measure:
        return len(self._held)


InnerMatch = tuple[bytes, int]
"""The bytes that tell an inner key apart, and the inner rule's timespan in time steps."""


class MatchCount:
    """The number of events and of matches of inner rules; the payload of an event is `None`.

    Of one inner key, as many matches count as can be chosen with a timespan between them: so a burst that
    lasts is one for each timespan, and one that lies across a border is not two.
    """

    def __init__(self) -> None:
        self._events = self._matched = 0
        self._held: dict[InnerMatch, list[int]] = {}
        self._counts: Counter[InnerMatch] = Counter()
        # counted when asked: most intervals are not judged, and one key can match in thousands of buckets
        self._changed: set[InnerMatch] = set()

    @property
    def count(self) -> int:
        for key in self._changed:
            count = _apart(self._held[key], key[1])
            self._matched += count - self._counts[key]
            self._counts[key] = count
        self._changed.clear()
        return self._events + self._matched

    def add(self, time_step: int, payloads: Sequence[InnerMatch | None]) -> None:
        for key in payloads:
            if key is None:
                self._events += 1
            else:
                self._held.setdefault(key, []).append(time_step)
                self._changed.add(key)

    def drop(self, time_step: int, payloads: Sequence[InnerMatch | None]) -> None:
        for key in payloads:
            if key is None:
                self._events -= 1
            else:
                del self._held[key][0]
                self._changed.add(key)

    def measure(self) -> Measure:
        return self.count


def _apart(time_steps: Sequence[int], distance: int) -> int:
    """How many can be chosen with at least `distance` between each two: greedily, from the first."""
    count = index = 0
    while index < len(time_steps):
        count += 1
        index = bisect_left(time_steps, time_steps[index] + distance, index)
    return count


class Sum:
    """The sum of the values."""

    def __init__(self) -> None:
        self.count = 0
        self._total = 0

    def add(self, time_step: int, payloads: Sequence[int]) -> None:
        self.count += len(payloads)
        self._total += sum(payloads)

    def drop(self, time_step: int, payloads: Sequence[int]) -> None:
        self.count -= len(payloads)
        self._total -= sum(payloads)

    def measure(self) -> Measure:
        return self._total


class Average(Sum):
    """The exact mean of the values."""

    def measure(self) -> Measure:
        return Fraction(self._total, self.count)


class Percentile:
    """The percentile by nearest rank: the least value that `percentile` of a hundred do not exceed."""

    def __init__(self, percentile: int) -> None:
        self._percentile = percentile
        self._held: list[int] = []

    @property
    def count(self) -> int:
        return len(self._held)

    def add(self, time_step: int, payloads: Sequence[int]) -> None:
        for value in payloads:
            insort(self._held, value)

    def drop(self, time_step: int, payloads: Sequence[int]) -> None:
        for value in payloads:
            del self._held[bisect_left(self._held, value)]

    def measure(self) -> Measure:
        rank = -(-self._percentile * len(self._held) // 100)
        return self._held[max(rank, 1) - 1]


NEVER = -(2**63)


class StepsInOrder:
    """The number of steps from the first on that happened in order, each by an event of its own.

    A payload is a step's number among the distinct steps, and the bytes that tell its event apart. For each
    number of steps, the latest start of such a chain is kept: it is in the interval if any is. Within one
    time step any order may have been the real one, so consecutive steps only need different events.
    """

    def __init__(self, chain: Sequence[int], span: int) -> None:
        self._chain = chain
        self._span = span
        self._now = self._dropped = NEVER
        self._start = [NEVER] * (len(chain) + 1)

    @property
    def count(self) -> int:
        return int(self.measure())

    def add(self, time_step: int, payloads: Sequence[tuple[int, bytes]]) -> None:
        self._now = time_step
        events: dict[int, list[bytes]] = {}
        for step, event in payloads:
            events.setdefault(step, []).append(event)
        before = [time_step, *self._start[1:]]
        for done, start in enumerate(before[:-1]):
            if start == NEVER:
                continue
            for more in range(1, _steps_at_once(self._chain[done:], events) + 1):
                self._start[done + more] = max(self._start[done + more], start)

    def drop(self, time_step: int, payloads: Sequence[tuple[int, bytes]]) -> None:
        """From now on `measure` leaves out the chains that start here or before."""
        self._dropped = time_step

    def measure(self) -> Measure:
        begins = max(self._now - self._span, self._dropped)
        return max((done for done, start in enumerate(self._start) if start > begins), default=0)


def _steps_at_once(steps: Sequence[int], events: dict[int, list[bytes]]) -> int:
    """How many of the first `steps` can each have an event of its own (augmenting paths, as Kuhn's)."""
    taken: dict[bytes, int] = {}

    def place(position: int, tried: set[bytes]) -> bool:
        for event in events.get(steps[position], ()):
            if event in tried:
                continue
            tried.add(event)
            if event not in taken or place(taken[event], tried):
                taken[event] = position
                return True
        return False

    for position in range(len(steps)):
        if not place(position, set()):
            return position
    return len(steps)
