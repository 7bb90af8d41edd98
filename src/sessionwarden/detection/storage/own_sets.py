"""Sets of a key's own, in the window store, for the keys that admission serves.

Enters: the work of keys. Leaves: members written and read. Invariant: a new key costs calls of its own only
after admission has served it. This is the one place where admission is charged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sessionwarden.correlations.member_encoding import Members
from sessionwarden.detection.acceptance import expiry
from sessionwarden.detection.batch import Work
from sessionwarden.detection.storage.admission import Admission
from sessionwarden.ports import WindowStore


class OwnSets:
    """Writes and reads sets that belong to one key each."""

    def __init__(self, store: WindowStore, admission: Admission) -> None:
        self._store = store
        self._admission = admission

    def served(self, works: Iterable[Work]) -> list[Work]:
        """Those of the works that may have sets of their own; the others are marked as `dropped`."""
        asking = list(works)
        self._admission.serve(asking)
        return [work for work in asking if not work.dropped]

    def write(self, work: Work, members: Mapping[int, set[bytes]]) -> None:
        """Add members to the sets of a served key. Raises `StoreError`."""
        key, window = work.state.table_key, work.state.window
        additions = {(key, number): frozenset(found) for number, found in members.items()}
        if additions:
            expires_at = {address: expiry(window.needed_until(address[1])) for address in additions}
            self._store.add(additions, expires_at=expires_at)

    def read(self, work: Work, numbers: Iterable[int]) -> Members:
        """The members that are stored in the sets with these numbers. Raises `StoreError`."""
        return self._store.read(work.state.table_key, numbers)
