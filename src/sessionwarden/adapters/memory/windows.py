"""The window store of replay and tests: the same contract as DynamoDB's, in this process.

Invariant: what `add` acknowledged, every later `read` returns, up to `MEMBER_LIMIT` members a set.
It forgets nothing by itself, but what `expire` finds past its time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from sessionwarden.detection.storage.shared_log import SharedLogEpoch
from sessionwarden.ports import MEMBER_LIMIT

NOTHING: frozenset[bytes] = frozenset()


class MemoryWindowStore:
    """Sets, shared logs and marks in dictionaries. Reads hand out immutable sets: nobody can change the
    store.
    """

    def __init__(self, *, member_limit: int = MEMBER_LIMIT, shared_log_limit: int = MEMBER_LIMIT) -> None:
        self.member_limit = member_limit
        self.shared_log_limit = shared_log_limit
        self._lock = threading.Lock()
        self._sets: dict[tuple[str, int], frozenset[bytes]] = {}
        self._expiry: dict[tuple[str, int], int] = {}
        self._mark_expiry: dict[tuple[str, int], int] = {}

    def add(
        self,
        additions: Mapping[tuple[str, int], frozenset[bytes]],
        *,
        expires_at: Mapping[tuple[str, int], int],
    ) -> None:
        with self._lock:
            for place, members in additions.items():
                known = self._sets.get(place, NOTHING)
                if len(known) < self.member_limit:
                    self._sets[place] = known | members
                    self._expiry[place] = expires_at[place]

    def append(self, shared_log: str, epoch: int, members: frozenset[bytes], *, expires_at: int) -> bool:
        with self._lock:
            known = self._sets.get((shared_log, epoch), NOTHING)
            if members <= known:
                return True
            if len(known) >= self.shared_log_limit:
                return False
            self._sets[shared_log, epoch] = known | members
            self._expiry[shared_log, epoch] = expires_at
            return True

    def read(self, key: str, epochs: Iterable[int]) -> Mapping[int, frozenset[bytes]]:
        sets = self._sets
        return {epoch: sets[key, epoch] for epoch in epochs if (key, epoch) in sets}

    def read_shared_log(self, shared_log: str, epochs: Iterable[int]) -> Mapping[int, SharedLogEpoch]:
        return {epoch: SharedLogEpoch(found) for epoch, found in self.read(shared_log, epochs).items()}

    def suppressed(self, key: str, periods: Iterable[int]) -> frozenset[int]:
        return frozenset(period for period in periods if (key, period) in self._mark_expiry)

    def suppress(self, key: str, period: int, *, expires_at: int) -> None:
        self._mark_expiry[key, period] = expires_at

    def expire(self, *, now: int) -> None:
        """Forget what DynamoDB's TTL would have removed by `now` (epoch seconds)."""
        for place in [place for place, expires_at in self._expiry.items() if expires_at <= now]:
            del self._sets[place], self._expiry[place]
        for mark in [mark for mark, expires_at in self._mark_expiry.items() if expires_at <= now]:
            del self._mark_expiry[mark]
