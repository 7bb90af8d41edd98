"""Limits how many new keys a window serves, so that an attacker who invents keys cannot run up the bill.

It concerns keys that cost calls of their own: a write and a read, or a read of suppression markers.
Invariants: a key that this process remembers is always served. Among new keys, those with the most events in
the batch come first, because an attack worth finding repeats its key and invented keys come once. Of those
that are left, the ones whose sets are stored are served as well: what is watched for hours gives way to
nothing that is a second old. Budgets are per window, so that a flood of addresses uses up no budget of users.
A key that is not served is not counted in that batch: this fails open, and a metric counts it.
docs/explanation/windows.md#bounds
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from threading import Lock

from sessionwarden.detection.batch import Work
from sessionwarden.detection.windows.window import Window

NEW_KEYS_PER_MINUTE = 6_000
"""New keys of one window in one process, where clients can invent keys. All may come at once, so that a
new process, which remembers no key, is ready for 1,000 requests a second of ordinary visitors by itself."""

VERIFIED_FACTOR = 10
"""Factor of the budget where each key needs an account."""

LOOKS_FACTOR = 10
"""How many more keys than that the store is asked for, whether it knows them: it costs a tenth."""

NOT_INVENTED = frozenset(
    {"user", "username", "session", "token", "client", "pool", "identity", "api_id", "stage", "route"}
)
"""Fields of verified identity, and fields whose values only the API's owner chooses."""

MINUTE_MS = 60_000


class Admission:
    """Serves all keys that are known, and `new_keys_per_minute` others per window.

    `None` is no limit. `salt` (at most 64 bytes) decides between equals: it must be a secret of the
    process, or clients could choose keys that win. Several threads may call it, each for other windows.
    """

    def __init__(self, *, new_keys_per_minute: int | None = None, salt: bytes = b"") -> None:
        self._per_minute = new_keys_per_minute
        self._salt = salt
        self._buckets: dict[Window, _Bucket] = {}
        self._looks: dict[Window, _Bucket] = {}
        self._now_ms = 0
        self._lock = Lock()

    def begin(self, *, now_ms: int) -> None:
        """Begin a batch at `now_ms`. The time since the last batch only adds to the budgets."""
        self._now_ms = now_ms

    def serve(self, works: Iterable[Work]) -> None:
        """Set `dropped` of works that are not served. A work that comes again is charged only once."""
        if self._per_minute is None:
            return
        new: dict[Window, list[Work]] = {}
        for work in works:
            if not (work.state.known or work.dropped):
                new.setdefault(work.state.window, []).append(work)
        for window, some in new.items():
            served = self._take(self._buckets, window, len(some), factor=1)
            for rank, work in enumerate(sorted(some, key=self._rank) if served < len(some) else some):
                work.state.known = rank < served
                work.dropped = rank >= served

    def to_look_for(self, works: Sequence[Work]) -> list[Work]:
        """Those of the dropped works of one window that the store may be asked for, at a small price."""
        ranked = sorted(works, key=self._rank)
        return ranked[: self._take(self._looks, ranked[0].state.window, len(ranked), factor=LOOKS_FACTOR)]

    @staticmethod
    def serve_again(work: Work) -> None:
        """Serve a dropped key that the store knows: this process forgot it, or another one has served it."""
        work.dropped = False
        work.state.known = work.state.lasting = True

    def _take(self, buckets: dict[Window, _Bucket], window: Window, wanted: int, *, factor: int) -> int:
        with self._lock:
            bucket = buckets.get(window)
            if bucket is None:
                factor *= VERIFIED_FACTOR if needs_an_account(window) else 1
                bucket = buckets[window] = _Bucket((self._per_minute or 0) * factor, now_ms=self._now_ms)
            return bucket.take(wanted, now_ms=self._now_ms)

    def _rank(self, work: Work) -> tuple[int, bytes]:
        # drawn anew in each batch: a key that loses once does not lose for good
        drawn = f"{self._now_ms}#{work.state.digest}"
        return -len(work.behind), blake2b(drawn.encode(), key=self._salt).digest()


class _Bucket:
    """The budget of a window: tokens that come evenly, in whole numbers. One is `MINUTE_MS` of credit."""

    def __init__(self, per_minute: int, *, now_ms: int) -> None:
        self._per_minute = per_minute
        self._credit = per_minute * MINUTE_MS
        self._at_ms = now_ms

    def take(self, wanted: int, *, now_ms: int) -> int:
        """Remove up to `wanted` tokens, as many as there are; returns their number."""
        passed_ms = max(0, now_ms - self._at_ms)
        # follow a clock that is put back: one wrong leap ahead would otherwise stop all refilling until then
        self._at_ms = now_ms
        self._credit = min(self._credit + passed_ms * self._per_minute, self._per_minute * MINUTE_MS)
        taken = min(wanted, self._credit // MINUTE_MS)
        self._credit -= taken * MINUTE_MS
        return taken


def needs_an_account(window: Window) -> bool:
    """Whether each key of the window needs an account, because clients choose none of its fields."""
    fields = {field for entry in window.entries for field in entry.fields}
    return fields <= NOT_INVENTED and all(needs_an_account(inner) for inner in window.inner_windows)
