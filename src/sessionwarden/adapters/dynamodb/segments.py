"""Remembers the full segments that a process has read, so that it need not read them again.

A set lies in segments 0, 1, 2, … of one item each; this module keeps the full ones from 0 on.
Invariant: a full segment never changes, because every write to a segment is conditioned on its having room.
So what is known here stays true and may be forgotten at any time. The room of a segment follows from the
segments before it, which every process finds full alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Lock
from typing import NamedTuple

SetAddress = tuple[str, int]
"""The window key and the epoch of a set."""


class Prefix(NamedTuple):
    """The full segments of a set, from the first on, and how many members they hold. None is in two."""

    segments: tuple[frozenset[bytes], ...] = ()
    held: int = 0

    def lacks(self, members: Iterable[bytes]) -> list[bytes]:
        """Returns those of `members` that are in none of the segments, in the same order."""
        return [member for member in members if not any(member in full for full in self.segments)]


NOTHING = Prefix()


class FullSegments:
    """Keeps full segments by set: up to `members_kept` members, then it forgets the sets used longest ago.

    A set has as many members as its `limit`, and a segment of it `segment_limit`; the last addition may go
    beyond either. Several threads may call it.
    """

    def __init__(self, *, segment_limit: int, members_kept: int) -> None:
        self._segment_limit = segment_limit
        self._members_kept = members_kept
        self._kept = 0
        self._known: dict[SetAddress, Prefix] = {}
        self._lock = Lock()

    def of(self, address: SetAddress) -> Prefix:
        """The full segments of a set that are known."""
        # most keys never fill a segment: they need no lock
        if address not in self._known:
            return NOTHING
        with self._lock:
            # removed and added again, so that the order is that of use
            known = self._known.pop(address, NOTHING)
            if known.held:
                self._known[address] = known
            return known

    def room(self, known: Prefix, limit: int) -> int:
        """How many members the segment behind `known` may hold; 0 if the set is full."""
        return max(0, min(self._segment_limit, limit - known.held))

    def learn(
        self, address: SetAddress, known: Prefix, found: Mapping[int, frozenset[bytes]], limit: int
    ) -> Prefix:
        """Returns `known` with those segments behind it that were `found` full; `found` is by number."""
        longer = known
        while 0 < self.room(longer, limit) <= len(found.get(len(longer.segments), ())):
            segment = found[len(longer.segments)]
            longer = Prefix((*longer.segments, segment), longer.held + len(segment))
        if longer.held > known.held:
            self._keep(address, longer)
        return longer

    def _keep(self, address: SetAddress, known: Prefix) -> None:
        with self._lock:
            before = self._known.pop(address, NOTHING)
            # another thread may have read further
            longest = max(before, known, key=lambda one: one.held)
            self._known[address] = longest
            self._kept += longest.held - before.held
            while self._kept > self._members_kept and len(self._known) > 1:
                self._kept -= self._known.pop(next(iter(self._known))).held
