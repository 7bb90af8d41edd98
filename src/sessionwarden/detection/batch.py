"""A batch between the engine's steps, and what came of it.

Enters: events, and firings as they are found. Leaves: for each level the keys that have work to do, and at
last an `Outcome`. Invariant: each key knows every event of the batch that had a part in it, so that those
and no others are delivered again when something fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sessionwarden.detection.evaluation import Fired
from sessionwarden.detection.windows.chains import Feed
from sessionwarden.detection.windows.group_key import GroupKey
from sessionwarden.detection.windows.key_state import KeyState
from sessionwarden.detection.windows.window import Window
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding


@dataclass(frozen=True, slots=True)
class Failure:
    """One event of a batch that must be delivered again, by its index, and why."""

    index: int
    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a batch.

    `findings` are in order of time, rule and key. `origins` tells for each finding id the indices of
    the batch's events behind it: if it cannot be emitted, those must be delivered again. `late`,
    `future` and `refused` (our own refusals, seen in the access log) count dropped events, `full` the
    keys of which a set takes no more members that could matter, `dropped_keys` new keys beyond what
    their window admits.
    """

    findings: tuple[Finding, ...]
    failures: tuple[Failure, ...]
    origins: Mapping[str, tuple[int, ...]]
    late: int
    future: int
    refused: int
    full: int = 0
    dropped_keys: int = 0


@dataclass(slots=True)
class Work:
    """One key of a batch: its events with their steps, firings with the events behind them, members.

    `dropped` if sets of its own were too many for its window: what would lie there is left out.
    """

    state: KeyState
    arrivals: list[tuple[int, int]] = field(default_factory=list)
    firings: list[tuple[Feed, Fired]] = field(default_factory=list)
    behind: set[int] = field(default_factory=set)
    members: dict[int, set[bytes]] = field(default_factory=dict)
    error: Exception | None = None
    dropped: bool = False

    @property
    def due(self) -> bool:
        """Whether there is anything to write or to judge, and nothing went wrong with it."""
        if self.error is not None:
            return False
        return bool(self.members) if self.state.window.layout else not self.dropped

    @property
    def indices(self) -> list[int]:
        """Of all the batch's events that had a part in this key."""
        return sorted(self.behind)

    def add(self, place: int, member: bytes) -> None:
        """One member, unless it was committed."""
        if (place, member) not in self.state.committed:
            self.members.setdefault(place, set()).add(member)


Works = dict[KeyState, Work]


@dataclass(slots=True)
class Batch:
    """A batch between the engine's steps. `levels` hold its keys, in the order of evaluation."""

    events: Sequence[Event]
    levels: list[Works]
    failures: list[Failure] = field(default_factory=list)
    late: int = 0
    future: int = 0
    refused: int = 0
    full: int = 0
    dropped_keys: int = 0

    def work(self, window: Window, key: GroupKey, time: int) -> Work | None:
        """The work of a key, unless nothing at `time` can matter to it any more."""
        state = window.states.get(key) or window.state(key)
        if state.is_suppressed(time):
            return None
        works = self.levels[window.level]
        return works.get(state) or works.setdefault(state, Work(state))

    def close(self, level: int) -> None:
        """A level is done: its keys are known from now on, but for those of which nothing was served."""
        for work in self.levels[level].values():
            self.dropped_keys += work.dropped and work.error is None
            if work.dropped and not work.due:
                work.state.window.drop(work.state)
            else:
                work.state.known = True

    def pass_on(self, fired: Fired, behind: set[int]) -> None:
        """Let the windows that count a firing have it, with the indices of the events behind it."""
        for feed in fired.state.window.feeds[fired.reader.rule.id]:
            work = self.work(feed.window, feed.key(fired.state.key), fired.time)
            if work is not None:
                work.firings.append((feed, fired))
                work.behind |= behind
