"""One key of a batch, after all writes: find the crossings, build the findings.

Enters: what reached a key in this batch, and all members that are stored around them. Leaves: a finding or a
reminder for every period that has a crossing and no suppression marker, and the matches that windows
downstream count.
Invariant: the members that were read decide; the events at hand only explain. Callable from several threads,
for different keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sessionwarden.correlations.member_encoding import MemberEncoding, Members
from sessionwarden.correlations.registry import type_of
from sessionwarden.correlations.time_grid import bucketed
from sessionwarden.detection.batch import Raised, RuleMatch, Work
from sessionwarden.detection.counting.crossings import (
    Crossing,
    Groups,
    Meeting,
    Seen,
    anywhere,
    first_of_each_period,
    latest_start,
    meetings,
    near,
    trigger_at,
    trigger_by_value,
)
from sessionwarden.detection.evidence import FindingBuilder, Proof, newest
from sessionwarden.detection.windows.key_state import KeyState
from sessionwarden.detection.windows.suppression_markers import SuppressionMarkers
from sessionwarden.detection.windows.window import Cadence, WindowRule
from sessionwarden.model.event import Event
from sessionwarden.model.finding import SESSIONS_NAMED

RECENT_SEEN = 40
"""Events that are remembered of a key as evidence, before the oldest are forgotten."""

FOREVER = 2**63


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of one key. `full` if a set took no more members that could have mattered."""

    raised: list[Raised] = field(default_factory=list)
    matches: list[RuleMatch] = field(default_factory=list)
    full: bool = False


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Evaluates the keys of one rule set. A set with `member_limit` members takes no more."""

    markers: SuppressionMarkers
    member_limit: int
    ruleset_digest: str

    def evaluate(self, work: Work, stored: Members, events: Sequence[Event]) -> Evaluation:
        """What comes of one key. `stored` are all members around those of the work, `events` the batch's.

        Raises `StoreError` if suppression markers cannot be read.
        """
        if work.state.window.encoding is None:
            return Evaluation(list(self._single_events(work, events)))
        evaluation = Evaluation()
        arrived, matched = work.seen(events)
        evidence = [*work.state.recent, *arrived, *matched]
        if sum(map(len, stored.values())) >= work.state.window.least:
            evaluation = _Key(self, work, stored, events, arrived, evidence).evaluation()
        _remember(work, evidence)
        return evaluation

    def _single_events(self, work: Work, events: Sequence[Event]) -> Iterator[Raised]:
        """The first event of each period is its finding."""
        window = work.state.window
        arrived = [events[index] for index, _ in work.arrivals]
        arrived.sort(key=lambda event: (event.time, event.id))
        for rule in window.rules:
            build = FindingBuilder(self.ruleset_digest, work.state, rule.rule)
            told: set[int] = set()
            for cadence in rule.cadences:
                first: dict[int, Event] = {}
                for event in arrived:
                    first.setdefault(event.time // cadence.period_ms, event)
                for period in self.untold(work.state, cadence, first, told):
                    event, at = first[period], first[period].time
                    told.add(at)
                    crossing = Crossing(period, at, at, at, 1, at - 1, at)
                    proof = Proof(at - 1)
                    seen = [window.seen(event)]
                    finding = build.finding(cadence, crossing, seen, trigger=event, latest=event, proof=proof)
                    yield Raised(work.state, _periods_told(rule, cadence, at), finding)

    def untold(
        self, state: KeyState, cadence: Cadence, periods: Iterable[int], told: Iterable[int]
    ) -> list[int]:
        """The periods without a marker, but no reminder of what a finding at a time in `told` says now."""
        periods = set(periods)
        if cadence.reminds:
            periods -= {time // cadence.period_ms for time in told}
        return self.markers.unsuppressed(state, cadence, sorted(periods))


class _Key:
    """One key of a window that stores members, with the sets that were read of it.

    `_near` are ends of intervals that hold a member of this batch: those intervals have been read whole.
    `_whole` are those of them that reach into no full set.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        work: Work,
        stored: Members,
        events: Sequence[Event],
        arrived: Sequence[Seen],
        evidence: Sequence[Seen],
    ) -> None:
        window = work.state.window
        assert window.encoding is not None
        self._evaluator = evaluator
        self._work = work
        self._window = window
        self._encoding: MemberEncoding = window.encoding
        self._events = events
        self._arrived = arrived
        self._evidence = evidence
        self._stored = stored
        self._groups: Groups = self._encoding.groups(stored)
        time_step = self._encoding.time_step
        fresh = {time_step(number, one) for number, some in work.members.items() for one in some}
        self._near = near(fresh, self._encoding.grid.span)
        self._full = frozenset[int]() if window.full_is_proof else self._full_epochs(stored)

    def _full_epochs(self, stored: Members) -> frozenset[int]:
        limit, sets = self._evaluator.member_limit, self._encoding.sets
        return frozenset(number // sets for number, members in stored.items() if len(members) >= limit)

    def evaluation(self) -> Evaluation:
        """Judge the key by every rule of its window."""
        result = Evaluation(full=bool(self._full))
        for rule in self._window.rules:
            found = list(self._meetings(rule))
            if self._window.is_counted:
                result.matches.extend(self._matches(rule, found))
            if rule.rule.emits and found:
                told: set[int] = set()
                for cadence in rule.cadences:
                    result.raised.extend(self._raised(rule, cadence, found, told))
        return result

    def _meetings(self, rule: WindowRule) -> Iterator[Meeting]:
        judged: Callable[[int], bool] = self._whole
        if rule.condition.grows:
            # a part of an interval's members proves what all of them prove; of matches, few are judged
            judged = self._near if rule.rule.inner else anywhere
        span = self._encoding.grid.span
        aggregate = type_of(rule.rule).aggregate(rule.rule, span=span)
        return meetings(self._groups, span=span, aggregate=aggregate, condition=rule.condition, judged=judged)

    def _whole(self, time_step: int) -> bool:
        span = self._encoding.grid.span
        reaches = {time_step // span, (time_step - span + 1) // span}
        return self._near(time_step) and self._full.isdisjoint(reaches)

    def _matches(self, rule: WindowRule, found: Iterable[Meeting]) -> Iterator[RuleMatch]:
        grid = self._encoding.grid
        buckets = bucketed(grid.timespan_ms)
        # matches of other intervals were passed on by the process that brought their last member
        ends = {
            buckets.time_step(grid.start(one.time_step)): one.time_step
            for one in found
            if self._near(one.time_step)
        }
        for bucket, end in sorted(ends.items()):
            since = grid.start(end - grid.span + 1) - 1
            shown = newest(self._evidence, since=since, until=grid.until(end))
            ids = tuple(one.id for one in shown)
            yield RuleMatch(self._work.state, rule, bucket, buckets.start(bucket), ids)

    def _raised(
        self, rule: WindowRule, cadence: Cadence, found: Iterable[Meeting], told: set[int]
    ) -> Iterator[Raised]:
        """The findings, or reminders, of the periods without one; adds their times to `told`."""
        state = self._work.state
        measured = type_of(rule.rule).shows_value
        first = first_of_each_period(
            found, self._encoding.grid, period_ms=cadence.period_ms, measured=measured
        )
        crossings = {crossing.period: crossing for crossing in first}
        periods = self._evaluator.untold(state, cadence, crossings, told)
        if not periods:
            return
        behind = [self._events[index] for index in self._work.behind]
        latest = max(behind, key=lambda event: (event.time, event.id))
        build = FindingBuilder(self._evaluator.ruleset_digest, state, rule.rule)
        for period in periods:
            crossing = crossings[period]
            told.add(crossing.time)
            trigger, proof = self._trigger(rule, crossing), self._proof(rule, crossing)
            finding = build.finding(
                cadence, crossing, self._evidence, trigger=trigger, latest=latest, proof=proof
            )
            yield Raised(state, _periods_told(rule, cadence, crossing.time), finding)

    def _proof(self, rule: WindowRule, crossing: Crossing) -> Proof:
        """How few of the latest members of the crossing's interval meet the rule, and whose they all are."""
        grid = self._encoding.grid
        end = grid.time_step(crossing.time)
        first = end - grid.span + 1
        if rule.condition.grows:
            first = latest_start(
                [group for group in self._groups if end - grid.span < group[0] <= end],
                aggregate=type_of(rule.rule).aggregate(rule.rule, span=grid.span),
                condition=rule.condition,
            )
        since = grid.start(first) - 1 - self._window.reaches_back_ms
        if not self._encoding.tag_bytes:
            return Proof(since)
        tags = self._encoding.tags(self._stored, since=end - grid.span, until=end)
        return Proof(since, tags.total(), _named(tags, self._work.state.sessions))

    def _trigger(self, rule: WindowRule, crossing: Crossing) -> Event | None:
        """The event that crossed, if it is in this batch."""
        if self._encoding.repeats and rule.condition.grows:
            which = trigger_by_value(
                crossing,
                dict(self._groups),
                self._encoding.grid,
                threshold=rule.condition.least,
                seen=self._arrived,
            )
        else:
            which = trigger_at(crossing, self._arrived)
        return None if which is None else self._events[self._work.arrivals[which][0]]


def _periods_told(rule: WindowRule, cadence: Cadence, time: int) -> tuple[tuple[Cadence, int], ...]:
    """The periods that need no word any more: a finding stands for the reminder of its time too."""
    told = (one for one in rule.cadences if one == cadence or (one.reminds and not cadence.reminds))
    return tuple((one, time // one.period_ms) for one in told)


def _named(tags: Counter[bytes], sessions: Mapping[bytes, str]) -> tuple[tuple[str, int], ...]:
    """The sessions with the most members, of those that this process knows by name."""
    named = ((sessions[tag], number) for tag, number in tags.items() if tag in sessions)
    return tuple(sorted(named, key=lambda one: (-one[1], one[0]))[:SESSIONS_NAMED])


def _remember(work: Work, evidence: list[Seen]) -> None:
    forgotten = len(evidence) > RECENT_SEEN
    work.state.recent = newest(evidence, since=-1, until=FOREVER) if forgotten else evidence
