"""A window store in this process, for the rules of a replay that have no log of their own.

The same sets and marks as in a table, without its limit on members: `detection.engine` cannot tell the
difference. Invariant: what no accepted event can need any more is dropped by `expire`, and nothing else is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

NO_LIMIT = 2**63
Place = tuple[str, int]


class KeptSets:
    """`ports.WindowStore` of one process that reads one log; not for several threads."""

    member_limit = NO_LIMIT

    def __init__(self) -> None:
        self._sets: defaultdict[Place, set[bytes]] = defaultdict(set)
        self._sets_until: dict[Place, int] = {}
        self._marks_until: dict[Place, int] = {}

    def add(self, additions: Mapping[Place, frozenset[bytes]], *, expires_at: Mapping[Place, int]) -> None:
        for place, members in additions.items():
            self._sets[place] |= members
        self._sets_until |= expires_at

    def read(self, key: str, epochs: Iterable[int]) -> Mapping[int, frozenset[bytes]]:
        return {epoch: frozenset(self._sets[key, epoch]) for epoch in epochs if (key, epoch) in self._sets}

    def suppressed(self, key: str, periods: Iterable[int]) -> frozenset[int]:
        return frozenset(period for period in periods if (key, period) in self._marks_until)

    def suppress(self, key: str, period: int, *, expires_at: int) -> None:
        self._marks_until[key, period] = expires_at

    def expire(self, *, now_ms: int) -> None:
        """Drop what is past its time when the log has reached `now_ms`."""
        for place in [place for place, until in self._sets_until.items() if until * 1000 <= now_ms]:
            del self._sets[place], self._sets_until[place]
        for mark in [mark for mark, until in self._marks_until.items() if until * 1000 <= now_ms]:
            del self._marks_until[mark]
