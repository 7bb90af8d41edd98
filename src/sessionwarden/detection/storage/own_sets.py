"""Sets of a key's own, in the window store, for the keys that admission serves.

Enters: the work of keys. Leaves: members written and read. Invariants: a new key costs calls of its own only
after admission has served it; this is the one place where admission is charged. What a full set has no room
for is found behind it by every later read, because a full set stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sessionwarden.correlations.member_encoding import Members
from sessionwarden.correlations.overflow import Overflow
from sessionwarden.detection.acceptance import expiry
from sessionwarden.detection.batch import Work
from sessionwarden.detection.storage.admission import Admission
from sessionwarden.detection.windows.window import Window
from sessionwarden.errors import StoreError
from sessionwarden.ports import WindowStore


class OwnSets:
    """Writes and reads sets that belong to one key each."""

    def __init__(self, store: WindowStore, admission: Admission) -> None:
        self._store = store
        self._admission = admission

    def served(self, works: Iterable[Work]) -> list[Work]:
        """Those of the works that may have sets of their own; the others are marked as `dropped`."""
        asking = [work for work in works if not work.dropped]
        self._admission.serve(asking)
        dropped: dict[Window, list[Work]] = {}
        for work in asking:
            if work.dropped and work.members:
                dropped.setdefault(work.state.window, []).append(work)
        for left_out in dropped.values():
            self._serve_those_stored(self._admission.to_look_for(left_out))
        return [work for work in asking if not work.dropped]

    def _serve_those_stored(self, works: Iterable[Work]) -> None:
        """Serve the keys that have a set of an epoch in question: they are new to this process alone."""
        sets = [(work, _until_now(work)) for work in works]
        try:
            stored = self._store.existing([address for _, some in sets for address in some])
        except StoreError:
            # as if none of them were stored: admission fails open, and is counted
            return
        for work, addresses in sets:
            if not stored.isdisjoint(addresses):
                self._admission.serve_again(work)

    def write(self, work: Work, members: Mapping[int, set[bytes]]) -> None:
        """Add members to the sets of a served key. Raises `StoreError`."""
        key, window = work.state.table_key, work.state.window
        additions = {(key, number): frozenset(found) for number, found in members.items()}
        if additions:
            expires_at = {address: expiry(window.needed_until(address[1])) for address in additions}
            if left := self._store.add(additions, expires_at=expires_at):
                self._write_overflow(work, left)

    def _write_overflow(self, work: Work, left: Mapping[tuple[str, int], frozenset[bytes]]) -> None:
        """Add the members that full sets lack to the slices that follow them."""
        overflow, encoding = work.state.window.overflow, work.state.window.encoding
        if overflow is None or encoding is None:
            return
        name = _overflow_name(work, overflow)
        additions: dict[tuple[str, int], set[bytes]] = {}
        expires_at: dict[tuple[str, int], int] = {}
        for (_, number), members in left.items():
            kept = (encoding.in_overflow(overflow, number, member) for member in members)
            for which, member in filter(None, kept):
                additions.setdefault((name, which), set()).add(member)
                expires_at[name, which] = expiry(work.state.window.needed_until(number))
        frozen = {address: frozenset(members) for address, members in additions.items()}
        self._store.add(frozen, expires_at=expires_at, limit=overflow.limit)

    def read(self, work: Work, numbers: Iterable[int]) -> Members:
        """The members that are stored in the sets with these numbers, and behind them if they are full.

        Raises `StoreError`.
        """
        found = self._store.read(work.state.table_key, numbers)
        limit = self._store.member_limit
        full = [number for number, members in found.items() if len(members) >= limit]
        overflow, encoding = work.state.window.overflow, work.state.window.encoding
        if not full or overflow is None or encoding is None:
            return found
        slices = [which for number in full for which in encoding.overflow_sets(overflow, number)]
        united = {number: {members} for number, members in found.items()}
        for which, members in self._store.read(_overflow_name(work, overflow), slices).items():
            united[which // overflow.slices].add(members)
        return {number: frozenset[bytes]().union(*parts) for number, parts in united.items()}


def _until_now(work: Work) -> list[tuple[str, int]]:
    """The sets of the epochs that a work touches, and of those before."""
    encoding = work.state.window.encoding
    assert encoding is not None
    latest = max(work.members) // encoding.sets
    return [
        (work.state.table_key, number)
        for number in encoding.around(work.members)
        if number // encoding.sets <= latest
    ]


def _overflow_name(work: Work, overflow: Overflow) -> str:
    return work.state.table_key + overflow.suffix
