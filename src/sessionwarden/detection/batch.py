"""A batch between the engine's steps, and the outcome that the caller ends it with.

Enters: events, and matches as they are found. Leaves: for each level the keys that have work to do, and at
last an `Outcome`. Invariant: each key knows every event of the batch that had a part in it, so that those
and no others are delivered again when something fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sessionwarden.correlations.values import EventHash, GroupKey
from sessionwarden.detection.counting.crossings import Seen
from sessionwarden.detection.windows.downstream import Downstream
from sessionwarden.detection.windows.key_state import KeyCache, KeyState
from sessionwarden.detection.windows.suppression_markers import SuppressionMarkers
from sessionwarden.detection.windows.window import Cadence, Window, WindowRule
from sessionwarden.errors import StoreError
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding


@dataclass(frozen=True, slots=True)
class Failure:
    """One event of a batch that must be delivered again, by its index, and why."""

    index: int
    error: Exception


@dataclass(frozen=True, slots=True)
class Raised:
    """A finding or a reminder, and the periods to suppress once it was emitted."""

    state: KeyState
    periods: tuple[tuple[Cadence, int], ...]
    finding: Finding


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """An interval that ended in a bucket of its rule met the rule: what windows downstream count.

    `time` is the start of the bucket (epoch ms), `shown` are ids of those of its events that are at hand.
    """

    state: KeyState
    rule: WindowRule
    bucket: int
    time: int
    shown: tuple[str, ...]


@dataclass(slots=True)
class Work:
    """One key of a batch: its events with their steps, the matches that it counts, and their members.

    `behind` are the indices of all events that had a part in it. `told` if enforcement was told just now that
    the key goes on: its members are written, and need not be judged. `dropped` if admission did not serve the
    key: what would lie in sets of its own is left out.
    """

    state: KeyState
    arrivals: list[tuple[int, int]] = field(default_factory=list)
    matches: list[tuple[Downstream, RuleMatch]] = field(default_factory=list)
    behind: set[int] = field(default_factory=set)
    members: dict[int, set[bytes]] = field(default_factory=dict)
    error: Exception | None = None
    told: bool = True
    dropped: bool = False

    @property
    def due(self) -> bool:
        """Whether there is anything to write or to judge, and nothing went wrong with it."""
        if self.error is not None:
            return False
        return bool(self.members) if self.state.window.encoding else not self.dropped

    @property
    def indices(self) -> tuple[int, ...]:
        """All the batch's events that had a part in this key, in order."""
        return tuple(sorted(self.behind))

    def fill(self, events: Sequence[Event], event_hash: EventHash) -> None:
        """Make members of what arrived, without those that were committed before."""
        window = self.state.window
        if window.encoding is None:
            return
        for index, step in self.arrivals:
            self._add(*window.member(events[index], step, event_hash))
            if window.encoding.tag_bytes and (session := events[index].session):
                self.state.remember_session(session)
        for downstream, match in self.matches:
            self._add(*downstream.member(match.state.key, bucket=match.bucket, time=match.time))

    def _add(self, number: int, member: bytes) -> None:
        if (number, member) not in self.state.committed:
            self.members.setdefault(number, set()).add(member)

    def seen(self, events: Sequence[Event]) -> tuple[list[Seen], list[Seen]]:
        """The evidence at hand: one entry for each arrival, and those for the matches."""
        window = self.state.window
        arrived = [window.seen(events[index], step) for index, step in self.arrivals]
        matched = {
            downstream.seen(match.state.key, time=match.time, event=event): None
            for downstream, match in self.matches
            for event in match.shown
        }
        return arrived, list(matched)


@dataclass(slots=True)
class Batch:
    """A batch between the engine's steps. `levels` hold its keys, in the order of evaluation."""

    events: Sequence[Event]
    caches: Mapping[Window, KeyCache]
    levels: list[dict[KeyState, Work]]
    failures: list[Failure] = field(default_factory=list)
    raised: dict[str, Raised] = field(default_factory=dict)
    origins: dict[str, tuple[int, ...]] = field(default_factory=dict)
    evaluated: list[Work] = field(default_factory=list)
    late: int = 0
    future: int = 0
    refused: int = 0
    full: int = 0
    dropped_keys: int = 0

    def work(self, window: Window, key: GroupKey, time: int) -> Work | None:
        """The work of a key, unless nothing at `time` can matter to it any more."""
        state = self.caches[window].state(key)
        if state.is_suppressed(time):
            return None
        works = self.levels[window.level]
        work = works.get(state) or works.setdefault(state, Work(state))
        work.told = work.told and state.is_told(time)
        return work

    def pass_on(self, match: RuleMatch, downstream: Sequence[Downstream], behind: set[int]) -> None:
        """Hand a match to the windows that count it, with the indices of the events behind it."""
        for one in downstream:
            work = self.work(one.window, one.key(match.state.key), match.time)
            if work is not None:
                work.matches.append((one, match))
                work.behind |= behind

    def close(self, level: int) -> None:
        """End a level: its keys are known from now on, except those that admission did not serve."""
        for work in self.levels[level].values():
            self.failures += [Failure(index, work.error) for index in work.indices if work.error]
            self.dropped_keys += work.dropped and work.error is None
            if work.dropped and not work.due:
                self.caches[work.state.window].drop(work.state)
            else:
                work.state.known = True

    def outcome(self, markers: SuppressionMarkers) -> Outcome:
        """What came of the batch, for the caller to emit and to commit."""
        findings = (raised.finding for raised in self.raised.values())
        return Outcome(
            findings=tuple(sorted(findings, key=lambda one: (one.time, one.rule, one.id))),
            failures=tuple(self.failures),
            origins=self.origins,
            late=self.late,
            future=self.future,
            refused=self.refused,
            full=self.full,
            dropped_keys=self.dropped_keys,
            _raised=self.raised,
            _evaluated=tuple(self.evaluated),
            _markers=markers,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a batch: emit its findings, then call `commit` with those that were accepted.

    `findings` are in order of time, rule and id. `origins` names for each finding id the indices of the
    batch's events behind it: if the finding cannot be emitted, those must be delivered again. `late`,
    `future` and `refused` (our own refusals, seen in the access log) count dropped events; `full` counts the
    keys with a full set that drops members which could matter, `dropped_keys` new keys beyond what their
    window admits.
    """

    findings: tuple[Finding, ...]
    failures: tuple[Failure, ...]
    origins: Mapping[str, tuple[int, ...]]
    late: int
    future: int
    refused: int
    full: int
    dropped_keys: int
    _raised: Mapping[str, Raised] = field(repr=False)
    _evaluated: Sequence[Work] = field(repr=False)
    _markers: SuppressionMarkers = field(repr=False)

    def commit(self, emitted: Sequence[Finding]) -> None:
        """End the batch: suppress the periods of the findings that were emitted.

        Raises `StoreError` after it has tried all of them. Nothing is lost then: the finding may be raised
        once more, under the same id.
        """
        accepted = {finding.id for finding in emitted}
        failed: StoreError | None = None
        uncommitted: set[KeyState] = set()
        for name, raised in self._raised.items():
            if name not in accepted:
                uncommitted.add(raised.state)
                continue
            try:
                for cadence, period in raised.periods:
                    self._markers.suppress(raised.state, cadence, period)
            except StoreError as error:
                failed = error
        for work in self._evaluated:
            if work.state not in uncommitted:
                work.state.commit(work.members)
        if failed:
            raise failed
