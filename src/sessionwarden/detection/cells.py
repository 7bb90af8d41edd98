"""A coarse count of each key, from which it follows which keys cannot possibly fire.

Enters: rows of keys with their times, and for rules that count values the values. Leaves: the keys that
may fire. Time is cut into cells at least as long as the timespan, so an interval touches two neighbours at
most: a key none of whose pairs of neighbours holds enough has no interval that does. Keys are 32 bits of a
hash, so two may be taken for one. Invariant: a key that could fire is never left out; that others come
along costs time and nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sessionwarden.model.columns import Integers, distinct

Keys = NDArray[np.uint32]
Names = NDArray[np.unsignedinteger]

SHORTEST_CELL_MS = 60_000
PENDING = 1 << 14
"""Names of a cell, before equal ones are put together."""

SLACK = 1
SLACK_FROM = 16
"""Two of a key's values may share 32 bits of a hash: 1 in 7,000,000 for 35 of them, 1 in 20,000 for 625. That
two pairs do, of rules that want so many values, is too rare to matter."""


class Counted(NamedTuple):
    """Rows of one cell: each key or, of values, each key with a value, once, and how many there were."""

    cell: int
    names: Names
    rows: Integers


class _Cell:
    """What is known of one cell so far."""

    def __init__(self) -> None:
        self._known: list[tuple[Names, Integers | None]] = []
        self._settled = self._pending = 0

    def add(self, names: Names, rows: Integers | None = None) -> None:
        """Names, with their rows if those are not one each."""
        self._known.append((names, rows))
        self._pending += len(names)
        if self._pending > PENDING + self._settled:
            self.counted()

    def counted(self) -> tuple[Names, Integers]:
        """The names in order, and the rows of each."""
        if self._pending:
            names = np.concatenate([names for names, _ in self._known])
            counts = [np.ones(len(some), np.int64) if rows is None else rows for some, rows in self._known]
            order = np.argsort(names)
            names = names[order]
            first = np.flatnonzero(np.concatenate(([True], names[1:] != names[:-1])))
            self._known = [(names[first], np.add.reduceat(np.concatenate(counts)[order], first))]
            self._settled, self._pending = len(first), 0
        ((known, rows),) = self._known
        assert rows is not None
        return known, rows


class Cells:
    """The coarse count for intervals of `timespan_ms` that may fire from `least` members (or values) on."""

    def __init__(self, *, timespan_ms: int, least: int, of_values: bool) -> None:
        self._length_ms = max(timespan_ms, SHORTEST_CELL_MS)
        self._least = least - (SLACK if of_values and least >= SLACK_FROM else 0)
        self._of_values = of_values
        self._cells: defaultdict[int, _Cell] = defaultdict(_Cell)
        self._found: list[Keys] = [np.empty(0, np.uint32)]

    def add(self, keys: Keys, times: Integers, values: Keys | None = None) -> None:
        """Rows of the log, with their values if those are what counts."""
        names: Names = keys
        if values is not None:
            names = keys.astype(np.uint64) << np.uint64(32) | values
        cells = times // self._length_ms
        if (cells[1:] < cells[:-1]).any():
            order = np.argsort(cells, kind="stable")
            cells, names = cells[order], names[order]
        borders = [0, *(np.flatnonzero(cells[1:] != cells[:-1]) + 1).tolist(), len(cells)]
        for first, end in pairwise(borders):
            if first < end:
                self._cells[int(cells[first])].add(names[first:end])

    def take(self) -> list[Counted]:
        """All that was added, to be merged into others; nothing is left here."""
        taken = [Counted(cell, *known.counted()) for cell, known in self._cells.items()]
        self._cells.clear()
        return taken

    def merge(self, taken: Iterable[Counted]) -> None:
        """Add what others have taken in."""
        for cell, names, rows in taken:
            self._cells[cell].add(names, rows)

    def forget(self, *, accepted_ms: int) -> None:
        """Judge and drop what no event of `accepted_ms` (epoch ms) or later can change."""
        ended = accepted_ms // self._length_ms - 2
        for cell in sorted(cell for cell in self._cells if cell <= ended):
            self._judge(cell)
            del self._cells[cell]

    def may_fire(self) -> Keys:
        """The keys, each once, in order."""
        for cell in self._cells:
            self._judge(cell)
        return distinct(np.concatenate(self._found))

    def _judge(self, cell: int) -> None:
        keys, held = self._held(cell)
        if cell + 1 in self._cells:
            next_keys, next_held = self._held(cell + 1)
            place = np.minimum(np.searchsorted(next_keys, keys), len(next_keys) - 1)
            held = held + np.where(next_keys[place] == keys, next_held[place], 0)
        may_fire = keys[held >= self._least]
        if len(may_fire):
            self._found.append(may_fire)

    def _held(self, cell: int) -> tuple[Keys, Integers]:
        """The keys of a cell in order, and how many members or values each has."""
        names, rows = self._cells[cell].counted()
        if not self._of_values:
            return names.astype(np.uint32, copy=False), rows
        keys = names >> np.uint64(32)
        first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
        return keys[first].astype(np.uint32), np.diff(first, append=len(keys))
