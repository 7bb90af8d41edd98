"""What a process remembers of one key of a window: which slots are burnt, what was seen and settled.

Invariant: all of it only saves calls or shows evidence, and can be forgotten at any time. A key whose
firings other rules count is never left out for its burnt slots: those rules still need its members.
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

SETTLED_MEMBERS = 256
BURNT_SLOTS = 64
"""What is remembered of one key, before it is forgotten and costs a read again."""

NOTHING_BURNT: frozenset[tuple[str, int]] = frozenset()
"""Shared by all keys that have not fired, which is nearly all: an empty set of their own is 216 bytes."""


class Key:
    """One key of one window, and which of its cooldown slots are known to be burnt."""

    __slots__ = ("_digest", "burnt", "key", "window")

    def __init__(self, window: Window, key: GroupKey) -> None:
        self.window = window
        self.key = key
        self._digest: str | None = None
        self.burnt = NOTHING_BURNT

    @property
    def digest(self) -> str:
        """Names the key. Most keys of a replay never need it, and it costs more than their events."""
        if self._digest is None:
            self._digest = key_digest(self.key)
        return self._digest

    def mark_key(self, reader: Reader) -> str:
        """The partition key of one rule's marks."""
        return f"{reader.mark}#{self.digest}"

    def is_burnt(self, time: int) -> bool:
        """Whether every slot of every rule that a member of `time` could still matter for is burnt."""
        if not self.burnt or self.window.feeds:
            return False
        first, last = self.window.reach(time)
        return all(
            (reader.mark, slot) in self.burnt
            for reader in self.window.readers
            for slot in range(first // reader.cooldown_ms, last // reader.cooldown_ms + 1)
        )


class KeyState(Key):
    """One key that lives in a store."""

    __slots__ = ("_shelf_owner", "known", "recent", "settled", "table_key")

    def __init__(self, window: Window, key: GroupKey) -> None:
        super().__init__(window, key)
        # the partition key of the sets
        self.table_key = f"{window.sets}#{self.digest}"
        # whether it was served before: not while the batch that brought it waits to be admitted
        self.known = False
        self.recent: list[Seen] = []
        self.settled: set[tuple[int, bytes]] = set()
        self._shelf_owner = b""

    @property
    def shelf_owner(self) -> bytes:
        """Names the key on a shelf. Asked for twice in a batch, and often in the next one."""
        if not self._shelf_owner:
            self._shelf_owner = text_hash(self.table_key, size=OWNER_BYTES)
        return self._shelf_owner

    def remember_burnt(self, reader: Reader, slots: Iterable[int]) -> None:
        """Slots that are known to be marked."""
        known = self.burnt if len(self.burnt) <= BURNT_SLOTS else NOTHING_BURNT
        self.burnt = known | {(reader.mark, slot) for slot in slots}

    def settle(self, members: Mapping[int, set[bytes]]) -> None:
        """Members that were written, evaluated and emitted: seeing them again can change nothing."""
        layout = self.window.layout
        if layout is None or not layout.repeats or self.window.feeds:
            return
        if len(self.settled) > SETTLED_MEMBERS:
            self.settled.clear()
        self.settled.update((place, member) for place, found in members.items() for member in found)
