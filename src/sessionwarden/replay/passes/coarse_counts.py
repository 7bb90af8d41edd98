"""Counts each key coarsely, from which it follows which keys cannot possibly fire.

Enters: rows of keys with their times, and for rules that count values the values. Leaves: the keys that
may fire. Time is cut into cells at least as long as the timespan, so an interval touches two neighbours at
most: a key none of whose pairs of neighbours holds enough has no interval that does. Keys are 32 bits of a
hash, so two may be taken for one. Invariant: a key that could fire is never left out; that others come
along costs time and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sessionwarden.replay.columns.columns import Integers, Numbers

Keys = NDArray[np.uint32]

SHORTEST_CELL_MS = 60_000
PENDING = 1 << 14
"""Places, before equal ones are put together."""

SORTED_AT_ONCE = 1 << 16
JUDGED_AT_ONCE = 1 << 16
"""Places. Sorting and judging take several times the memory of what is sorted and judged."""

SLACK = 1
SLACK_FROM = 16
"""Two of a key's values may share 32 bits of a hash: 1 in 7,000,000 for 35 of them, 1 in 20,000 for 625. That
two pairs do, of rules that want so many values, is too rare to matter."""

_KEY_BITS = np.uint64(32)
_NEXT_CELL = np.uint64(1 << 32)


class Counted(NamedTuple):
    """Places: a cell, and a key in its lower 32 bits. Each with how many rows there were or, of values, once
    with each value.

    All cells lie in one array: of a log in disorder, or of a quiet one, each row has a cell of its own.
    """

    places: Numbers
    numbers: NDArray[Any]


class CoarseCount:
    """The coarse count for intervals of `timespan_ms` that may fire from `least` members (or values) on."""

    def __init__(self, *, timespan_ms: int, least: int, of_values: bool) -> None:
        self._length_ms = max(timespan_ms, SHORTEST_CELL_MS)
        self._least = least - (SLACK if of_values and least >= SLACK_FROM else 0)
        self._of_values = of_values
        self._parts: list[Counted] = []
        self._committed = self._pending = 0
        self._found: Keys = np.empty(0, np.uint32)

    def add(self, keys: Keys, times: Integers, values: Keys | None = None) -> None:
        """Rows of the log, with their values if those are what counts."""
        places = (times // self._length_ms).astype(np.uint64) << _KEY_BITS | keys
        self._keep(Counted(places, np.ones(len(keys), np.int64) if values is None else values))

    def take(self) -> list[Counted]:
        """All that was added, to be merged into others; nothing is left here."""
        taken = [self._counted()] if self._parts else []
        self._parts, self._committed = [], 0
        return taken

    def merge(self, taken: Iterable[Counted], *, accepted_ms: int) -> None:
        """Add what others have taken in. From now on no event before `accepted_ms` (epoch ms) is accepted."""
        for counted in taken:
            self._keep(counted)
        # judging costs as much as all that is kept: once for as much that is new
        if self._pending > PENDING + self._committed:
            self._forget(accepted_ms // self._length_ms - 2)

    def may_fire(self) -> Keys:
        """The keys, each once, in order."""
        if self._parts:
            counted = self._counted()
            self._judge(counted, end=len(counted.places))
        return self._found

    def _keep(self, counted: Counted) -> None:
        if len(counted.places):
            self._parts.append(counted)
            self._pending += len(counted.places)

    def _counted(self) -> Counted:
        """All that is kept, in order, equal ones put together. There is something."""
        if self._pending:
            places = np.concatenate([part.places for part in self._parts])
            numbers = np.concatenate([part.numbers for part in self._parts])
            self._parts = []  # here a replay needs most memory: what was put together is not needed twice
            together = _each_value_once if self._of_values else _summed
            pieces = [together(*piece) for piece in _pieces(places, numbers)]
            self._parts = [Counted(*map(np.concatenate, zip(*pieces, strict=True)))]
            self._committed, self._pending = len(self._parts[0].places), 0
        return self._parts[0]

    def _forget(self, ended: int) -> None:
        """Judge and drop the cells up to `ended`."""
        counted = self._counted()
        end = int(np.searchsorted(counted.places, np.uint64(max(ended + 1, 0)) << _KEY_BITS))
        self._judge(counted, end=end)
        self._parts = [Counted(counted.places[end:].copy(), counted.numbers[end:].copy())]
        self._committed = len(self._parts[0].places)

    def _judge(self, counted: Counted, *, end: int) -> None:
        """Of the places up to `end`, find the keys that hold enough together with the next cell."""
        places, held = counted
        if self._of_values:
            first = np.flatnonzero(_differs(places))
            end = int(np.searchsorted(first, end))
            places, held = places[first], np.diff(first, append=len(places))
        for begin in range(0, end, JUDGED_AT_ONCE):
            some = slice(begin, min(begin + JUDGED_AT_ONCE, end))
            following = places[some] + _NEXT_CELL
            beside = np.minimum(np.searchsorted(places, following), len(places) - 1)
            enough = held[some] + np.where(places[beside] == following, held[beside], 0) >= self._least
            self._found = np.union1d(self._found, places[some][enough].astype(np.uint32))


def _pieces(places: Numbers, numbers: NDArray[Any]) -> Iterator[Counted]:
    """The same in pieces, the lowest places first."""
    count = len(places) // SORTED_AT_ONCE + 1
    first, end = int(places.min()), int(places.max()) + 1
    borders = [first + (end - first) * piece // count for piece in range(count + 1)]
    for low, high in pairwise(borders):
        within = (places >= np.uint64(low)) & (places < np.uint64(high))
        if within.any():
            yield Counted(places[within], numbers[within])


def _summed(places: Numbers, rows: Integers) -> Counted:
    order = np.argsort(places, kind="stable")  # it makes use of parts that are in order
    places = places[order]
    first = np.flatnonzero(_differs(places))
    return Counted(places[first], np.add.reduceat(rows[order], first))


def _each_value_once(places: Numbers, values: Keys) -> Counted:
    order = np.lexsort((values, places))
    places, values = places[order], values[order]
    first = _differs(places) | _differs(values)
    return Counted(places[first], values[first])


def _differs(numbers: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of some numbers, at least one, are not the one before."""
    found: NDArray[np.bool_] = np.concatenate(([True], numbers[1:] != numbers[:-1]))
    return found
