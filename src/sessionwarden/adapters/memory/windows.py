"""Stores windows in the memory of one process: for replay, for the cases beside rules, and for tests.

It promises what the store in DynamoDB promises (`ports.WindowStore`, `ports.SharedLogStore`; one contract
suite holds both). Invariant: what `add` acknowledged, every later `read` returns, up to `member_limit`
members a set. It forgets nothing by itself: a caller that reads a long log calls `expire`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Collection, Iterable, Mapping

from sessionwarden.detection.storage.shared_log import SharedLogEpoch
from sessionwarden.ports import MEMBER_LIMIT

NO_LIMIT = sys.maxsize
"""The `member_limit` of a process that reads a whole log: no member is lost to a full set."""

NO_MEMBERS: frozenset[bytes] = frozenset()


class MemoryWindowStore:
    """Sets, shared logs and suppression markers in dictionaries; several threads may call it.

    Reads return immutable sets, so that no caller can change the store.
    """

    def __init__(self, *, member_limit: int = MEMBER_LIMIT, shared_log_limit: int = MEMBER_LIMIT) -> None:
        self.member_limit = member_limit
        self.shared_log_limit = shared_log_limit
        self._lock = threading.Lock()
        self._sets: dict[tuple[str, int], frozenset[bytes]] = {}
        self._expiry: dict[tuple[str, int], int] = {}
        self._marker_expiry: dict[tuple[str, int], int] = {}

    def add(
        self,
        additions: Mapping[tuple[str, int], frozenset[bytes]],
        *,
        expires_at: Mapping[tuple[str, int], int],
        limit: int | None = None,
    ) -> Mapping[tuple[str, int], frozenset[bytes]]:
        limit = limit or self.member_limit
        left = {}
        with self._lock:
            for address, members in additions.items():
                known = self._sets.get(address, NO_MEMBERS)
                if len(known) < limit:
                    self._sets[address] = known | members
                    self._expiry[address] = expires_at[address]
                elif missing := members - known:
                    left[address] = missing
        return left

    def append(self, shared_log: str, epoch: int, members: frozenset[bytes], *, expires_at: int) -> bool:
        with self._lock:
            known = self._sets.get((shared_log, epoch), NO_MEMBERS)
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

    def existing(self, sets: Collection[tuple[str, int]]) -> frozenset[tuple[str, int]]:
        return frozenset(address for address in sets if address in self._sets)

    def suppressed(self, key: str, periods: Iterable[int]) -> frozenset[int]:
        return frozenset(period for period in periods if (key, period) in self._marker_expiry)

    def suppress(self, key: str, period: int, *, expires_at: int) -> None:
        self._marker_expiry[key, period] = expires_at

    def expire(self, *, now: int) -> None:
        """Forget what DynamoDB's time to live would have removed by `now` (epoch seconds)."""
        with self._lock:
            for address in [address for address, expires_at in self._expiry.items() if expires_at <= now]:
                del self._sets[address], self._expiry[address]
            for marker in [at for at, expires_at in self._marker_expiry.items() if expires_at <= now]:
                del self._marker_expiry[marker]
