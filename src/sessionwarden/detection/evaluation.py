"""One key of a batch, after all writes: read, find crossings, build findings.

Enters: what reached a key in this batch, and the members that it became. Leaves: a finding for every
suppressed period that has a crossing and no mark, and the firings that other windows count. Invariant: what
was read decides; events at hand only explain. Callable from several threads, for different keys.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sessionwarden.detection.counting.aggregates import aggregate_of
from sessionwarden.detection.counting.condition import NUMBERS
from sessionwarden.detection.counting.crossings import (
    Crossing,
    Groups,
    Meeting,
    Seen,
    anywhere,
    first_of_each_period,
    meetings,
    near,
    trigger_at,
    trigger_by_value,
)
from sessionwarden.detection.counting.member_encoding import Layout, Members
from sessionwarden.detection.counting.time_grid import quantised
from sessionwarden.detection.evidence import build_finding, newest
from sessionwarden.detection.windows.key_state import KeyState
from sessionwarden.detection.windows.window import Reader
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.ports import WindowStore

RECENT_SEEN = 40
"""Events remembered of a key as evidence, before the oldest are forgotten."""

FOREVER = 2**63


class Arrived(NamedTuple):
    """What reached a key in a batch: `events` as `here`, and what firings of inner rules show.

    `behind` are all events of the batch that had a part in it; of single events, only they are used.
    """

    events: Sequence[Event]
    here: Sequence[Seen]
    fired: Sequence[Seen]
    behind: Sequence[Event]


class Raised(NamedTuple):
    """A finding, and the slot to suppress once it was emitted."""

    state: KeyState
    reader: Reader
    period: int
    finding: Finding


class Fired(NamedTuple):
    """An interval that ended in a quantum of its rule met it: what other windows count.

    `time` is the start of the quantum (epoch ms), `shown` are ids of the interval's events at hand.
    """

    state: KeyState
    reader: Reader
    quantum: int
    time: int
    shown: tuple[str, ...]


class Evaluation(NamedTuple):
    """What came of one key. `full` if a set took no more members that could have mattered."""

    raised: list[Raised]
    fired: list[Fired]
    full: bool = False


class _Read(NamedTuple):
    """The sets of a key as they were read, and which intervals may be judged by them.

    `near` are intervals that hold a member of this batch: those have been read whole. `whole` are
    those of them that reach into no full set.
    """

    groups: Groups
    near: Callable[[int], bool]
    whole: Callable[[int], bool]
    full: bool


class Evaluator:
    """Evaluates keys against a store. `ruleset_digest` goes into every finding."""

    def __init__(self, store: WindowStore, *, ruleset_digest: str) -> None:
        self._store = store
        self._ruleset_digest = ruleset_digest

    def evaluate(
        self, state: KeyState, arrived: Arrived, members: Mapping[int, Collection[bytes]], stored: Members
    ) -> Evaluation:
        """What comes of one key. `members` are this batch's, by set, `stored` all that is stored around them.

        Raises `StoreError` if marks cannot be read.
        """
        layout = state.window.layout
        if layout is None:
            return Evaluation(self._single_events(state, arrived.events), [])
        read = self._read(state, layout, members, stored)
        raised: list[Raised] = []
        fired: list[Fired] = []
        if read is not None:
            for reader in state.window.readers:
                found = list(_meetings(reader, layout, read))
                fired += _firings(state, reader, layout, read, found, arrived)
                raised += self._findings(state, reader, layout, found, read, arrived)
        _remember(state, arrived)
        return Evaluation(raised, fired, full=read is not None and read.full)

    def _read(
        self, state: KeyState, layout: Layout, members: Mapping[int, Collection[bytes]], found: Members
    ) -> _Read | None:
        """The sets around the batch's members, unless they hold too few to matter to any rule."""
        if sum(map(len, found.values())) < state.window.least:
            return None
        fresh = {layout.tick(place, member) for place, some in members.items() for member in some}
        is_near = near(fresh, layout.grid.span)
        full = () if state.window.bounded else self._full_epochs(found, layout)
        return _Read(layout.groups(found), is_near, _whole(is_near, layout, full), bool(full))

    def _full_epochs(self, found: Members, layout: Layout) -> Collection[int]:
        limit = self._store.member_limit
        return {place // layout.sets for place, members in found.items() if len(members) >= limit}

    def _single_events(self, state: KeyState, events: Sequence[Event]) -> list[Raised]:
        by_time = sorted(events, key=lambda event: (event.time, event.id))
        raised = []
        for reader in state.window.readers:
            first: dict[int, Event] = {}
            for event in by_time:
                first.setdefault(event.time // reader.cooldown_ms, event)
            for period in self._unsuppressed(state, reader, first):
                event = first[period]
                at = event.time
                crossing = Crossing(period, at, at, at, 1, at - 1, at)
                seen = [state.window.seen(event)]
                finding = self._finding(state, reader, crossing, seen, trigger=event, latest=event)
                raised.append(Raised(state, reader, period, finding))
        return raised

    def _findings(
        self,
        state: KeyState,
        reader: Reader,
        layout: Layout,
        found: Iterable[Meeting],
        read: _Read,
        arrived: Arrived,
    ) -> Iterator[Raised]:
        if not reader.rule.emits:
            return
        crossings = {
            crossing.period: crossing
            for crossing in first_of_each_period(
                found, layout.grid, cooldown_ms=reader.cooldown_ms, measured=reader.rule.kind in NUMBERS
            )
        }
        unsuppressed = self._unsuppressed(state, reader, crossings)
        if not unsuppressed:
            return
        latest = max(arrived.behind, key=lambda event: (event.time, event.id))
        seen = [*state.recent, *arrived.here, *arrived.fired]
        for period in unsuppressed:
            index = _trigger(reader, layout, crossings[period], read.groups, arrived.here)
            trigger = None if index is None else arrived.events[index]
            finding = self._finding(state, reader, crossings[period], seen, trigger=trigger, latest=latest)
            yield Raised(state, reader, period, finding)

    def _finding(
        self,
        state: KeyState,
        reader: Reader,
        crossing: Crossing,
        seen: Sequence[Seen],
        *,
        trigger: Event | None,
        latest: Event,
    ) -> Finding:
        return build_finding(
            ruleset_digest=self._ruleset_digest,
            reader=reader,
            state=state,
            crossing=crossing,
            seen=seen,
            trigger=trigger,
            latest=latest,
        )

    def _unsuppressed(self, state: KeyState, reader: Reader, periods: Iterable[int]) -> list[int]:
        unknown = [period for period in periods if (reader.mark, period) not in state.suppressed]
        if not unknown:
            return []
        suppressed = self._store.suppressed(state.mark_key(reader), unknown)
        state.remember_suppressed(reader, suppressed)
        return [period for period in unknown if period not in suppressed]


def _meetings(reader: Reader, layout: Layout, read: _Read) -> Iterator[Meeting]:
    span = layout.grid.span
    judged = read.whole
    if reader.condition.grows:
        # what a part of an interval's members proves, all of them prove; of firings, few are looked at
        judged = read.near if reader.rule.inner else anywhere
    aggregate = aggregate_of(reader.rule, span=span)
    return meetings(read.groups, span=span, aggregate=aggregate, condition=reader.condition, judged=judged)


def _whole(is_near: Callable[[int], bool], layout: Layout, full: Collection[int]) -> Callable[[int], bool]:
    if not full:
        return is_near
    span = layout.grid.span
    return lambda tick: is_near(tick) and not {tick // span, (tick - span + 1) // span} & set(full)


def _firings(
    state: KeyState,
    reader: Reader,
    layout: Layout,
    read: _Read,
    found: Iterable[Meeting],
    arrived: Arrived,
) -> Iterator[Fired]:
    if reader.rule.id not in state.window.feeds:
        return
    quanta = quantised(layout.timespan_ms)
    seen = [*state.recent, *arrived.here, *arrived.fired]
    # firings of other intervals were passed on by whoever brought their last member
    ends = {quanta.tick(layout.grid.start(one.tick)): one.tick for one in found if read.near(one.tick)}
    for quantum, tick in sorted(ends.items()):
        since = layout.grid.start(tick - layout.grid.span + 1) - 1
        shown = newest(seen, since=since, until=layout.grid.until(tick))
        yield Fired(state, reader, quantum, quanta.start(quantum), tuple(one.id for one in shown))


def _trigger(
    reader: Reader, layout: Layout, crossing: Crossing, groups: Groups, here: Sequence[Seen]
) -> int | None:
    if not (layout.repeats and reader.condition.grows):
        return trigger_at(crossing, here)
    return trigger_by_value(crossing, dict(groups), layout.grid, threshold=reader.condition.least, seen=here)


def _remember(state: KeyState, arrived: Arrived) -> None:
    state.recent += [*arrived.here, *arrived.fired]
    if len(state.recent) > RECENT_SEEN:
        state.recent = newest(state.recent, since=-1, until=FOREVER)
