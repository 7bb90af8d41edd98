"""A window: what is counted for the rules that read it, and how that is stored.

Enters: compiled rules that count the same, inner rules first. Leaves: immutable windows. Invariant: rules
that share a window share its members, but each suppresses periods of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec

from sessionwarden.correlations.bounds import Condition
from sessionwarden.correlations.correlation_type import CorrelationType
from sessionwarden.correlations.member_encoding import MemberEncoding
from sessionwarden.correlations.registry import type_of
from sessionwarden.correlations.sampling import Sample, sample_of
from sessionwarden.correlations.time_grid import BUCKETS
from sessionwarden.correlations.values import ID_TEXT_LIMIT, EventHash, text_hash, usual_text_hash
from sessionwarden.detection.counting.crossings import Seen
from sessionwarden.detection.windows.group_key import KeyReader, key_reader, marker_digest, pool_scoped
from sessionwarden.model.event import Category, Event
from sessionwarden.model.finding import asks_to_act
from sessionwarden.model.rules import CompiledRule

REMINDERS_PER_TIMESPAN = 4
SHORTEST_REMINDER_MS = 10_000
"""Logs reach detection in seconds: reminders that come faster would find nothing new."""

SESSION_TAG_BYTES = 2
NO_SESSION_TAG = bytes(SESSION_TAG_BYTES)

EVERY_EVENT = Condition((), grows=True, least=1)
"""The condition of a rule on single events."""


class Cadence(NamedTuple):
    """How often a key's findings, or reminders of them, are emitted: once in each period of event time.

    `marker` names their suppression markers, and with the key and the period their ids.
    """

    marker: str
    period_ms: int
    reminds: bool = False


class WindowRule(NamedTuple):
    """A rule that reads a window. `cadences` are that of its findings and, if it can act, of reminders."""

    rule: CompiledRule
    cadences: tuple[Cadence, ...]
    condition: Condition


class Entry(NamedTuple):
    """One way into a window: events of a category that match, the fields of their key, and their step."""

    category: Category
    expression: Any
    fields: tuple[str, ...]
    step: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """What is counted of one key, for the rules that read it.

    A window of single events has neither `type` nor `encoding`, and stores no members. `sets` is the name
    that the partition keys of its sets begin with. `level` is 0 unless it counts matches of `inner_windows`;
    `is_counted` if other windows count the matches of its rules. Fewer than `least` members meet no rule, and
    `full_is_proof` if a full set proves that all rules were met. `scoped` are the positions of key values
    that are only unique within a user pool.
    """

    rules: tuple[WindowRule, ...]
    type: CorrelationType | None
    encoding: MemberEncoding | None
    sets: str
    group_by: tuple[str, ...]
    value_field: str | None
    steps: tuple[str, ...]
    sample: Sample | None
    entries: tuple[Entry, ...]
    inner_windows: tuple[Window, ...]
    scoped: frozenset[int]
    level: int
    lag_ms: int
    least: int
    full_is_proof: bool
    is_counted: bool

    @property
    def pooled(self) -> bool:
        """Whether a key has its pool as one more value."""
        return bool(self.scoped)

    @property
    def reaches_back_ms(self) -> int:
        """By how much an event behind a member may precede it: a match stands for a timespan of events."""
        return max((inner.reaches_back_ms + inner.timespan_ms for inner in self.inner_windows), default=0)

    @property
    def timespan_ms(self) -> int:
        """The timespan; 0 for single events."""
        return self.encoding.timespan_ms if self.encoding else 0

    @property
    def bucket_ms(self) -> int:
        """By how much the time of a match may precede the event that its interval ended at."""
        return -(-self.timespan_ms // BUCKETS)

    def reach(self, time: int) -> tuple[int, int]:
        """The first and the last time at which intervals end that an event at `time` can be in."""
        return self.encoding.grid.reach(time) if self.encoding else (time, time)

    def needed_until(self, number: int) -> int:
        """The last event time (epoch ms) for which the members of the set with that number matter."""
        assert self.encoding is not None
        return (number // self.encoding.sets + 2) * self.timespan_ms + self.lag_ms

    def read_key(self, entry: Entry) -> KeyReader:
        """A function from an event of the entry to its key, or `None` if the event does not count."""
        field, sample = self.value_field, self.sample
        read = key_reader(entry.fields, counted=field, pooled=self.pooled)
        if sample is not None:
            return lambda event: read(event) if sample(event) else None
        if self.type is None or field is None or type(self.type).accepts is CorrelationType.accepts:
            return read
        accepts = self.type.accepts
        return lambda event: read(event) if accepts(getattr(event, field)) else None

    def member(self, event: Event, step: int, event_hash: EventHash) -> tuple[int, bytes]:
        """The number of the set and the bytes of an event's member."""
        assert self.encoding is not None
        assert self.type is not None
        payload = self.type.payload(event, field=self.value_field, step=step, event_hash=event_hash)
        if self.encoding.tag_bytes:
            payload += session_tag(event.session)
        return self.encoding.member(event.time, payload, step)

    def seen(self, event: Event, step: int = 0) -> Seen:
        """The event as evidence. Where the same member comes often, one event is shown for each."""
        shown = event.id[:ID_TEXT_LIMIT]
        if self.type is None or not self.type.bucketed:
            return Seen(event.time, shown, shown)
        payload = self.type.payload(event, field=self.value_field, step=step, event_hash=_no_hash)
        return Seen(event.time, shown, payload)


def _no_hash(event: Event) -> bytes:
    raise AssertionError("a member that repeats does not name its event")


def window_of(
    rules: Sequence[CompiledRule],
    inner_windows: Sequence[Window],
    *,
    is_counted: bool,
    acting: bool = False,
) -> Window:
    """The window of rules that count the same; `inner_windows` are those of their inner rules, in order.

    With `acting`, findings may be acted upon: rules that ask for it remind of a finding while it goes on, and
    the sessions of a user are told apart.
    """
    rule = rules[0]
    correlation = type_of(rule) if rule.is_correlation else None
    readers = tuple(_window_rule(one, correlation, acting=acting) for one in rules)
    steps = tuple(dict.fromkeys(rule.steps))
    entries = _entries(rule, steps)
    encoding = None
    if correlation is not None:
        inner_timespans = [window.timespan_ms for window in inner_windows]
        encoding = correlation.encoding(rule, inner_timespans=inner_timespans)
        if acting and _tells_sessions_apart(rule, correlation):
            encoding = replace(encoding, suffix=f"{encoding.suffix}u", tag_bytes=SESSION_TAG_BYTES)
    return Window(
        rules=readers,
        type=correlation,
        encoding=encoding,
        sets=_sets_name(rule, encoding, inner_windows),
        group_by=rule.group_by,
        value_field=rule.value_field,
        steps=steps,
        sample=sample_of(rule),
        entries=entries,
        inner_windows=tuple(inner_windows),
        scoped=_scoped_positions(rule, entries, inner_windows),
        level=1 + max((window.level for window in inner_windows), default=-1),
        lag_ms=max((window.lag_ms + window.bucket_ms for window in inner_windows), default=0),
        least=min(one.condition.least for one in readers),
        full_is_proof=correlation is not None
        and all(correlation.proves_when_full(one.condition) for one in readers),
        is_counted=is_counted,
    )


def _window_rule(rule: CompiledRule, correlation: CorrelationType | None, *, acting: bool) -> WindowRule:
    marker = marker_digest(rule=rule.id, window=rule.window)
    findings = Cadence(marker, max(rule.response.cooldown_ms, 1))
    reminders = Cadence(f"{marker}r", reminder_ms(rule.timespan_ms), reminds=True)
    reminded = acting and asks_to_act(rule.response) and reminders.period_ms < findings.period_ms
    return WindowRule(
        rule,
        (findings, reminders) if reminded else (findings,),
        correlation.condition(rule) if correlation else EVERY_EVENT,
    )


def reminder_ms(timespan_ms: int) -> int:
    """How often enforcement is reminded of a key that goes on: four times in a timespan, at most.

    An act covers the events before it. So a reminder must come soon after the events behind it have met the
    rule anew, and few must be sent of a key that nothing can be done about.
    """
    return max(timespan_ms // REMINDERS_PER_TIMESPAN, SHORTEST_REMINDER_MS)


def _tells_sessions_apart(rule: CompiledRule, correlation: CorrelationType) -> bool:
    """Whether a user's sessions share a key whose members are events, each of its own."""
    of_a_user = "user" in rule.group_by and "session" not in rule.group_by
    return of_a_user and not (correlation.bucketed or rule.inner or rule.steps)


def session_tag(session: str | None) -> bytes:
    """What members of a session end in. Two sessions of one user share it once in 65,536 times."""
    return NO_SESSION_TAG if session is None else usual_text_hash(session)[:SESSION_TAG_BYTES]


def _entries(rule: CompiledRule, steps: Sequence[str]) -> tuple[Entry, ...]:
    """For each category, key and step, the expression that matches if any of its selections does."""
    found: dict[tuple[Category, tuple[str, ...], int], list[Any]] = {}
    for selection in rule.selections:
        step = steps.index(selection.rule) if steps else 0
        entry = selection.category, selection.fields or rule.group_by, step
        found.setdefault(entry, []).append(selection.expression)
    return tuple(
        Entry(category, same[0] if len(same) == 1 else ["or", *same], fields, step)
        for (category, fields, step), same in found.items()
    )


def _scoped_positions(
    rule: CompiledRule, entries: Collection[Entry], inner_windows: Sequence[Window]
) -> frozenset[int]:
    """Which values of the key are only unique within a pool, by any way into the window."""
    scoped = {
        position for entry in entries for position, field in enumerate(entry.fields) if pool_scoped((field,))
    }
    for inner, window in zip(rule.inner, inner_windows, strict=True):
        for position, name in enumerate(inner.fields or rule.group_by):
            if window.group_by.index(name) in window.scoped:
                scoped.add(position)
    return frozenset(scoped)


def _sets_name(rule: CompiledRule, encoding: MemberEncoding | None, inner_windows: Sequence[Window]) -> str:
    """The name that partition keys of sets begin with: the window's digest, and how members are to be read.

    It covers steps, inner rules and a sampling rate as well. Members of a sequence are numbers of steps, and
    matches depend on the bounds that they met: sets of another meaning must not be found under the same key.
    """
    if encoding is None:
        return rule.window
    if rule.sampled_one_in > 1:
        return f"{rule.window}{encoding.suffix}s{rule.sampled_one_in}"
    if not rule.steps and not rule.inner:
        return rule.window + encoding.suffix
    sources = [
        next(one.rule for one in window.rules if one.rule.id == inner.rule)
        for inner, window in zip(rule.inner, inner_windows, strict=True)
    ]
    inner = [
        [window.sets, source.kind, source.bounds, source.percentile]
        for source, window in zip(sources, inner_windows, strict=True)
    ]
    meaning = msgspec.json.encode([rule.steps, inner], order="sorted").decode()
    return f"{rule.window}{encoding.suffix}{text_hash(meaning).hex()}"
