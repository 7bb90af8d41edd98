"""The cache of keys: what a process remembers of the keys of a window that it has seen lately.

Enters: keys of a window. Leaves: for each, which periods are suppressed, which events were seen, and which
members were committed. Invariant: all of it only saves calls or shows evidence, and can be forgotten at any
time. A key whose matches other rules count is never left out for its suppressed periods: those rules still
need its members.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from sessionwarden.correlations.values import GroupKey, key_digest, text_hash
from sessionwarden.detection.counting.crossings import Seen
from sessionwarden.detection.windows.window import Cadence, Window, session_tag

OWNER_BYTES = 10
"""Of the hash that names a member's key on a shared log. To take a member for another key's, 2^80 tries."""

COMMITTED_MEMBERS = 256
SUPPRESSED_PERIODS = 64
"""Members and periods of one key that are remembered, before they are forgotten and cost a read again."""

SESSIONS_REMEMBERED = 64
"""Sessions of one user that are remembered by their tags, to name them in findings."""

KEYS_REMEMBERED = 8_192
KEY_CHARACTERS_REMEMBERED = 2_000_000
"""Size of the cache of one window, in keys and in characters of their text; up to twice that between two
sweeps."""

NO_SESSIONS: Mapping[bytes, str] = MappingProxyType({})
NOTHING_SUPPRESSED: frozenset[tuple[str, int]] = frozenset()
"""Shared by all keys without a finding, which is nearly all: an empty set of their own is 216 bytes. Likewise
`NO_SESSIONS`."""


class KeyState:
    """One key of one window. `known` once admission has served it, in an earlier batch or in this one."""

    __slots__ = (
        "_digest",
        "_log_owner",
        "_table_key",
        "committed",
        "key",
        "known",
        "recent",
        "sessions",
        "suppressed",
        "window",
    )

    def __init__(self, window: Window, key: GroupKey) -> None:
        self.window = window
        self.key = key
        self.known = False
        self.suppressed = NOTHING_SUPPRESSED
        self.recent: list[Seen] = []
        self.sessions = NO_SESSIONS
        self.committed: set[tuple[int, bytes]] = set()
        self._digest = ""
        self._table_key = ""
        self._log_owner = b""

    @property
    def digest(self) -> str:
        """Names the key. It costs more than the event of a key that never needs it."""
        if not self._digest:
            self._digest = key_digest(self.key)
        return self._digest

    @property
    def table_key(self) -> str:
        """The partition key of the key's own sets."""
        if not self._table_key:
            self._table_key = f"{self.window.sets}#{self.digest}"
        return self._table_key

    @property
    def log_owner(self) -> bytes:
        """Names the key on a shared log."""
        if not self._log_owner:
            self._log_owner = text_hash(self.table_key, size=OWNER_BYTES)
        return self._log_owner

    def marker_key(self, cadence: Cadence) -> str:
        """The partition key of the suppression markers of a rule's findings, or of its reminders."""
        return f"{cadence.marker}#{self.digest}"

    def is_suppressed(self, time: int) -> bool:
        """Whether every period of every rule for which a member at `time` could matter is suppressed."""
        if not self.suppressed or self.window.is_counted:
            return False
        reach = self.window.reach(time)
        return all(self._suppressed(cadence, *reach) for cadence in self._cadences())

    def is_told(self, time: int) -> bool:
        """Whether the key's findings are suppressed, and reminders at `time`: the next one comes soon."""
        if not self.suppressed or self.window.is_counted:
            return False
        reach = self.window.reach(time)
        return all(
            self._suppressed(cadence, *((time, time) if cadence.reminds else reach))
            for cadence in self._cadences()
        )

    def _cadences(self) -> Iterator[Cadence]:
        return (cadence for rule in self.window.rules for cadence in rule.cadences)

    def _suppressed(self, cadence: Cadence, first: int, last: int) -> bool:
        """Whether all periods from that of one time to that of another are suppressed."""
        periods = range(first // cadence.period_ms, last // cadence.period_ms + 1)
        return all((cadence.marker, period) in self.suppressed for period in periods)

    def remember_suppressed(self, cadence: Cadence, periods: Iterable[int]) -> None:
        """Remember periods that have a suppression marker."""
        known = self.suppressed if len(self.suppressed) <= SUPPRESSED_PERIODS else NOTHING_SUPPRESSED
        self.suppressed = known | {(cadence.marker, period) for period in periods}

    def remember_session(self, session: str) -> None:
        """Remember which session a tag stands for."""
        tag = session_tag(session)
        if tag in self.sessions:
            return
        known = self.sessions if len(self.sessions) < SESSIONS_REMEMBERED else NO_SESSIONS
        self.sessions = {**known, tag: session}

    def commit(self, members: Mapping[int, set[bytes]]) -> None:
        """Remember members that were written, evaluated and emitted: they can change nothing any more."""
        encoding = self.window.encoding
        if encoding is None or not encoding.repeats or self.window.is_counted:
            return
        if len(self.committed) > COMMITTED_MEMBERS:
            self.committed.clear()
        self.committed.update((number, member) for number, found in members.items() for member in found)


class KeyCache:
    """The states of a window's keys that were seen lately. A flood of keys forgets, and fills no memory."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.states: dict[GroupKey, KeyState] = {}
        self.characters = 0
        self._older: dict[GroupKey, KeyState] = {}

    def state(self, key: GroupKey) -> KeyState:
        """What is remembered of a key, or a fresh state."""
        state = self.states.get(key)
        if state is None:
            state = self._older.pop(key, None) or KeyState(self.window, key)
            self.states[key] = state
            self.characters += _characters(key)
        return state

    def drop(self, state: KeyState) -> None:
        """Forget a key that admission did not serve: such keys must not crowd out others."""
        if self.states.pop(state.key, None) is not None:
            self.characters -= _characters(state.key)

    def sweep(self) -> None:
        """Keep the keys seen lately. Never called within a batch."""
        if len(self.states) > KEYS_REMEMBERED or self.characters > KEY_CHARACTERS_REMEMBERED:
            self._older, self.states = self.states, {}
            self.characters = 0


def _characters(key: GroupKey) -> int:
    return sum(len(str(value)) for value in key)
