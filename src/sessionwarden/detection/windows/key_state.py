"""What a process remembers of one key of a window: which periods are suppressed, what was seen and committed.

Invariant: all of it only saves calls or shows evidence, and can be forgotten at any time. A key whose
firings other rules count is never left out for its suppressed periods: those rules still need its members.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from sessionwarden.detection.counting.crossings import Seen
from sessionwarden.detection.storage.shared_log import OWNER_BYTES
from sessionwarden.detection.windows.group_key import GroupKey, key_digest
from sessionwarden.detection.windows.members import text_hash

if TYPE_CHECKING:
    from sessionwarden.detection.windows.window import Reader, Window

COMMITTED_MEMBERS = 256
SUPPRESSED_SLOTS = 64
"""What is remembered of one key, before it is forgotten and costs a read again."""

NOTHING_SUPPRESSED: frozenset[tuple[str, int]] = frozenset()
"""Shared by all keys that have not fired, which is nearly all: an empty set of their own is 216 bytes."""


class Key:
    """One key of one window, and which of its suppressed periods are known to be suppressed."""

    __slots__ = ("_digest", "key", "suppressed", "window")

    def __init__(self, window: Window, key: GroupKey) -> None:
        self.window = window
        self.key = key
        self._digest: str | None = None
        self.suppressed = NOTHING_SUPPRESSED

    @property
    def digest(self) -> str:
        """Names the key. Most keys of a replay never need it, and it costs more than their events."""
        if self._digest is None:
            self._digest = key_digest(self.key)
        return self._digest

    def mark_key(self, reader: Reader) -> str:
        """The partition key of one rule's marks."""
        return f"{reader.mark}#{self.digest}"

    def is_suppressed(self, time: int) -> bool:
        """Whether every slot of every rule that a member of `time` could still matter for is suppressed."""
        if not self.suppressed or self.window.feeds:
            return False
        first, last = self.window.reach(time)
        return all(
            (reader.mark, period) in self.suppressed
            for reader in self.window.readers
            for period in range(first // reader.cooldown_ms, last // reader.cooldown_ms + 1)
        )


class KeyState(Key):
    """One key that lives in a store."""

    __slots__ = ("_log_owner", "committed", "known", "recent", "table_key")

    def __init__(self, window: Window, key: GroupKey) -> None:
        super().__init__(window, key)
        # the partition key of the sets
        self.table_key = f"{window.sets}#{self.digest}"
        # whether it was served before: not while the batch that brought it waits to be admitted
        self.known = False
        self.recent: list[Seen] = []
        self.committed: set[tuple[int, bytes]] = set()
        self._log_owner = b""

    @property
    def log_owner(self) -> bytes:
        """Names the key on a shared log. Asked for twice in a batch, and often in the next one."""
        if not self._log_owner:
            self._log_owner = text_hash(self.table_key, size=OWNER_BYTES)
        return self._log_owner

    def remember_suppressed(self, reader: Reader, periods: Iterable[int]) -> None:
        """Slots that are known to be marked."""
        known = self.suppressed if len(self.suppressed) <= SUPPRESSED_SLOTS else NOTHING_SUPPRESSED
        self.suppressed = known | {(reader.mark, period) for period in periods}

    def commit(self, members: Mapping[int, set[bytes]]) -> None:
        """Members that were written, evaluated and emitted: seeing them again can change nothing."""
        layout = self.window.layout
        if layout is None or not layout.repeats or self.window.feeds:
            return
        if len(self.committed) > COMMITTED_MEMBERS:
            self.committed.clear()
        self.committed.update((place, member) for place, found in members.items() for member in found)
