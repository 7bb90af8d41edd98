"""Which segments of a window's sets are full, and what lies in them: what this process has read of it.

A set lies in segments 0, 1, 2, … of one item each. Enters: what a Query found. Leaves: the full ones from 0
on. Invariant: a full segment never changes, because every write to one is conditioned on its having room; so
what is known here stays true, saves reading it again, and may be forgotten at any time. How much room a
segment has follows from those before it, which are full for everybody alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Lock
from typing import NamedTuple

Place = tuple[str, int]


class Prefix(NamedTuple):
    """The full segments of a set, from the first on. No member is in two of them."""

    segments: tuple[frozenset[bytes], ...] = ()
    held: int = 0

    def lacks(self, members: Iterable[bytes]) -> list[bytes]:
        """Those of `members` that are in none of the segments, in the same order."""
        return [member for member in members if not any(member in full for full in self.segments)]


NOTHING = Prefix()


class FullSegments:
    """Full segments by set. Holds `members_kept` members, before sets used longest ago are forgotten.

    A set has `member_limit` members, a segment of it `segment_limit`; the last addition may go beyond.
    Several threads may call it.
    """

    def __init__(self, *, member_limit: int, segment_limit: int, members_kept: int) -> None:
        self._member_limit = member_limit
        self._segment_limit = segment_limit
        self._members_kept = members_kept
        self._kept = 0
        self._known: dict[Place, Prefix] = {}
        self._lock = Lock()

    def of(self, place: Place) -> Prefix:
        """What is known of a set."""
        # most keys never fill a segment: they need no lock
        if place not in self._known:
            return NOTHING
        with self._lock:
            # taken out and put back, so that the order is that of use
            known = self._known.pop(place, NOTHING)
            if known.held:
                self._known[place] = known
            return known

    def room(self, known: Prefix) -> int:
        """How many members the segment behind these takes; 0 if the set is full."""
        return max(0, min(self._segment_limit, self._member_limit - known.held))

    def learn(self, place: Place, known: Prefix, found: Mapping[int, frozenset[bytes]]) -> Prefix:
        """What is known, after segments behind `known` were read: `found` by number, as they were."""
        longer = known
        while self._is_full(found.get(len(longer.segments), frozenset()), longer):
            segment = found[len(longer.segments)]
            longer = Prefix((*longer.segments, segment), longer.held + len(segment))
        if longer.held > known.held:
            self._keep(place, longer)
        return longer

    def _is_full(self, segment: frozenset[bytes], before: Prefix) -> bool:
        return 0 < self.room(before) <= len(segment)

    def _keep(self, place: Place, known: Prefix) -> None:
        with self._lock:
            before = self._known.pop(place, NOTHING)
            # another thread may have read further
            longest = max(before, known, key=lambda one: one.held)
            self._known[place] = longest
            self._kept += longest.held - before.held
            while self._kept > self._members_kept and len(self._known) > 1:
                self._kept -= self._known.pop(next(iter(self._known))).held
