"""One window evaluated in this process: what of a batch is new, and which periods that makes cross.

Enters: a key's events of a batch. Leaves: crossings of periods that are not suppressed. Invariant: the answer
is that of `crossings` over the same members, whose arithmetic decides here too. What is added is only a
reason not to ask: an interval that holds a member at `t` lies within `(t - W, t + W)`, and if there are fewer
members than the threshold in there, nothing can cross. That a crossing without a new member was found
earlier, and its slot suppressed, is what lets us look there alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter, lt
from typing import Any, NamedTuple, Protocol

from sessionwarden.detection.counting.aggregates import Distinct
from sessionwarden.detection.counting.crossings import (
    Crossing,
    Seen,
    anywhere,
    count_crossings,
    first_of_each_period,
    meetings,
    trigger_at,
    trigger_by_value,
)
from sessionwarden.detection.counting.time_grid import QUANTA, quantised
from sessionwarden.detection.key_log import IDS_KEPT, KeyLog
from sessionwarden.detection.windows.group_key import GroupKey, value_text
from sessionwarden.detection.windows.members import ID_TEXT_LIMIT
from sessionwarden.detection.windows.window import Reader, Window
from sessionwarden.model.event import Category, Event


class Crossed(NamedTuple):
    """A slot that must have a finding, the events at hand that count, what to show, and which crossed."""

    reader: Reader
    crossing: Crossing
    events: Sequence[Event]
    seen: Sequence[Seen]
    trigger: int | None


class WindowLog(Protocol):
    """The keys of one window."""

    window: Window
    keys: dict[GroupKey, KeyLog]

    def take(self, key: KeyLog, events: Sequence[Event]) -> list[Crossed]:
        """Add a key's events of one batch; the periods of theirs that cross and are not suppressed."""
        ...

    def forget(self, *, now_ms: int, accepted_ms: int) -> None:
        """Drop what no event of `accepted_ms` or later can need; `now_ms` is the time of the log."""
        ...


def window_log(window: Window) -> WindowLog:
    """The log for a window's kind."""
    if window.layout is None:
        return EventLog(window)
    return CountLog(window) if window.kind == "event_count" else ValueLog(window)


class _Log:
    def __init__(self, window: Window) -> None:
        self.window = window
        self.keys: dict[GroupKey, KeyLog] = {}
        self._timespan_ms = window.timespan_ms

    def forget(self, *, now_ms: int, accepted_ms: int) -> None:
        needed_ms = accepted_ms - self._timespan_ms
        oldest, idle = self.stored_time(needed_ms), self.stored_time(now_ms - 2 * self._timespan_ms)
        for name, key in list(self.keys.items()):
            times = key.times
            if times and times[0] < oldest:
                key.forget_members(before=oldest)
            if key.ids and times[-1] < idle:
                key.forget_ids(kept=0)
            if key.suppressed:
                key.forget_marks(before=needed_ms)
            if not times and not key.suppressed:
                del self.keys[name]

    def stored_time(self, time_ms: int) -> int:
        """The time of a member as `KeyLog` holds it."""
        return time_ms


class EventLog(_Log):
    """A rule on single events: the first of each slot, by time and id, is its finding."""

    def take(self, key: KeyLog, events: Sequence[Event]) -> list[Crossed]:
        crossed = []
        by_time = sorted(range(len(events)), key=lambda index: (events[index].time, events[index].id))
        for reader in self.window.readers:
            raised = set()
            for index in by_time:
                event = events[index]
                period = event.time // reader.cooldown_ms
                if period not in raised and (reader.mark, period) not in key.suppressed:
                    raised.add(period)
                    at = event.time
                    crossing = Crossing(period, at, at, at, 1, at - 1, at)
                    crossed.append(Crossed(reader, crossing, events, [_seen(event)], index))
        return crossed


class CountLog(_Log):
    """`event_count`: a member's time is in milliseconds, its token tells events apart."""

    def take(self, key: KeyLog, events: Sequence[Event]) -> list[Crossed]:
        first, last = _add_events(key, events)
        times = key.times
        if len(times) < self.window.least:
            return []
        start, end = 0, len(times)
        if not key.again:
            start, end = key.between(first - self._timespan_ms, last + self._timespan_ms)
            if end - start < self.window.least:
                return []
        return self._crossed(key, times[start:end], events)

    def _crossed(self, key: KeyLog, times: Sequence[int], events: Sequence[Event]) -> list[Crossed]:
        here: list[Seen] = []
        crossed = []
        for reader in self.window.readers:
            for crossing in count_crossings(
                times,
                span=self._timespan_ms,
                threshold=reader.condition.least,
                cooldown_ms=reader.cooldown_ms,
            ):
                if (reader.mark, crossing.period) in key.suppressed:
                    continue
                here = here or [_seen(event) for event in events]
                known = key.times[len(key.times) - len(key.ids) :]
                kept = [Seen(time, one, one) for time, one in zip(known, key.ids, strict=True)]
                trigger = trigger_at(crossing, here)
                crossed.append(Crossed(reader, crossing, events, [*kept, *here], trigger))
        return crossed


class ValueLog(_Log):
    """`value_count`: a member's time is its quantum, its token is the hash of the value."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self._grid = quantised(self._timespan_ms)
        field = window.value_field
        assert field is not None
        self._field = field
        self._read = attrgetter(field)

    def stored_time(self, time_ms: int) -> int:
        return self._grid.tick(time_ms)

    def take(self, key: KeyLog, events: Sequence[Event]) -> list[Crossed]:
        span, read = self._timespan_ms, self._read
        pairs: dict[tuple[int, Any], Event] = {}
        for event in events:
            pairs[event.time * QUANTA // span, read(event)] = event
        fresh = [
            quantum
            for (quantum, value), event in pairs.items()
            if value is not None
            and key.insert(quantum, self._token(value), event.id[:ID_TEXT_LIMIT], event.time)
        ]
        if len(key.ids) > 2 * IDS_KEPT:
            key.forget_ids(kept=IDS_KEPT)
        start, end = 0, len(key.times)
        if not key.again:
            if not fresh or end < self.window.least:
                return []
            start, end = key.between(min(fresh) - QUANTA, max(fresh) + QUANTA)
        tokens = key.tokens[start:end]
        if len(tokens) < self.window.least or len(set(tokens)) < self.window.least:
            return []
        return self._crossed(key, key.by_time(start, end), events)

    def _crossed(
        self, key: KeyLog, groups: Sequence[tuple[int, Sequence[int]]], events: Sequence[Event]
    ) -> list[Crossed]:
        crossed = []
        counted = [event for event in events if self._read(event) is not None]
        here = [Seen(one.time, one.id[:ID_TEXT_LIMIT], self._token(self._read(one))) for one in counted]
        for reader in self.window.readers:
            condition = reader.condition
            found = meetings(groups, span=QUANTA, aggregate=Distinct(), condition=condition, judged=anywhere)
            for crossing in first_of_each_period(found, self._grid, cooldown_ms=reader.cooldown_ms):
                if (reader.mark, crossing.period) in key.suppressed:
                    continue
                seen = [*self._kept(key), *here]
                trigger = trigger_by_value(
                    crossing, dict(groups), self._grid, threshold=condition.least, seen=here
                )
                crossed.append(Crossed(reader, crossing, counted, seen, trigger))
        return crossed

    def _token(self, value: Any) -> int:
        # Python's hash of a text: SipHash under a key of this process, so nobody can aim for a collision
        return hash(value_text(self._field, value))

    def _kept(self, key: KeyLog) -> list[Seen]:
        first = len(key.times) - len(key.ids)
        return list(map(Seen, key.seen or (), key.ids, key.tokens[first:]))


def _add_events(key: KeyLog, events: Sequence[Event]) -> tuple[int, int]:
    """Add all of them; the earliest and the latest time among them."""
    if len(key.ids) > 2 * IDS_KEPT:
        key.forget_ids(kept=IDS_KEPT)
    added = [event.time for event in events]
    first, last = added[0], added[-1]
    if (not key.times or first > key.times[-1]) and all(map(lt, added, added[1:])):
        key.times.extend(added)
        key.tokens.extend([hash(event.id) ^ SALTS[event.source] for event in events])
        key.ids += [event.id[:ID_TEXT_LIMIT] for event in events]
        return first, last
    for event in events:
        token = hash(event.id) ^ SALTS[event.source]
        key.insert(event.time, token, event.id[:ID_TEXT_LIMIT], event.time)
    return min(added), max(added)


SALTS: dict[Category, int] = {
    "api_access": 0,
    "api_authorizer": hash("api_authorizer"),
    "identity": hash("identity"),
    "application": hash("application"),
}
"""The access log and the authorizer both write about one request: two events of one id."""


def _seen(event: Event) -> Seen:
    shown = event.id[:ID_TEXT_LIMIT]
    return Seen(event.time, shown, shown)
