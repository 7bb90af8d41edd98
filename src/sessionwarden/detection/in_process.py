"""The engine of replay: the same rules, keys, crossings and finding ids, with all state in this process.

Enters: batches of events, and the time that the log has reached. Leaves: what `engine.Engine` over a store
leaves for the same batches; a property test holds the two together. Counts that are to reach a number, which
are nearly all rules, have logs of their own here; the other kinds run on `Engine` itself, over sets in this
process. Invariants: nothing is forgotten that an accepted event could still need; a finding whose slot was
not suppressed by `commit` is raised again when its events come again.
See docs/explanation/windows.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sessionwarden.detection.acceptance import LATE_MS, SKEW_MS, is_our_refusal
from sessionwarden.detection.batch import Failure, Outcome
from sessionwarden.detection.counting.condition import condition_of
from sessionwarden.detection.counting.sampling import Sample
from sessionwarden.detection.engine import Engine
from sessionwarden.detection.evidence import build_finding
from sessionwarden.detection.key_log import KeyLog
from sessionwarden.detection.storage.local_store import KeptSets
from sessionwarden.detection.window_log import Crossed, WindowLog, window_log
from sessionwarden.detection.windows.group_key import GroupKey, key_maker, raw_key_reader
from sessionwarden.detection.windows.window import Reader, build_windows
from sessionwarden.model.event import Category, Event
from sessionwarden.model.finding import Finding
from sessionwarden.ruleset.compiled import CompiledRule, CompiledRuleset
from sessionwarden.ruleset.filters import Filter, compile_filter
from sessionwarden.ruleset.matching.predicates import Predicate, compile_expression

SWEEP_MS = 3_600_000
"""How much time of the log passes between two looks for what can be forgotten."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """Windows that see the same events by the same keys: they are put into groups once."""

    read: Callable[[Event], Any]
    key: Callable[[Any], GroupKey | None]
    logs: list[WindowLog]


@dataclass(frozen=True, slots=True)
class Selected:
    """The events of one category that match, and who wants them."""

    matching: Filter
    matches: Predicate
    groupings: dict[tuple[str, ...], Grouping] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Raised:
    key: KeyLog
    reader: Reader
    period: int
    finding: Finding


NOTHING = Outcome(findings=(), failures=(), origins={}, late=0, future=0, refused=0)


@dataclass(slots=True)
class _Sorted:
    """A batch's events by category, less those that do not count."""

    by_source: dict[Category, list[Event]]
    late: int = 0
    future: int = 0
    refused: int = 0


Touched = dict[tuple[int, GroupKey], tuple[WindowLog, KeyLog, list[Event]]]


class InProcessEngine:
    """Evaluates one rule set, with `Engine`'s interface. Raises `RulesetError` as that does."""

    def __init__(self, ruleset: CompiledRuleset) -> None:
        counted, others = _with_logs(ruleset)
        self._logs = [window_log(window) for window in build_windows(counted)]
        self._selected = _share(self._logs)
        self._sets = KeptSets()
        self._others = Engine(others, self._sets) if others.rules else None
        self._ruleset_digest = ruleset.digest
        self._raised: dict[str, _Raised] = {}
        self._reached = self._swept = 0

    def process(self, events: Sequence[Event], *, now_ms: int) -> Outcome:
        """The findings of a batch. Emit them, then call `commit` with those that were accepted."""
        self._expect_again(self._raised)
        self._forget_now_and_then()
        self._reached = now_ms
        batch = _sort(events, now_ms=now_ms)
        others = self._others.process(events, now_ms=now_ms) if self._others else NOTHING
        failed: list[tuple[Event, Exception]] = []
        touched: Touched = {}
        for category, found in batch.by_source.items():
            for selected in self._selected.get(category, ()):
                _collect(selected, found, touched, failed)
        raised: dict[str, _Raised] = {}
        behind: dict[str, Sequence[Event]] = {}
        for log, key, its_events in touched.values():
            crossed = log.take(key, its_events)
            key.again = False
            for one in crossed:
                finding = self._finding(key, one)
                raised[finding.id] = _Raised(key, one.reader, one.crossing.period, finding)
                behind[finding.id] = one.events
        self._raised = raised
        findings = [*others.findings, *(one.finding for one in raised.values())]
        # once for the batch: an attack can make every one of its events a finding
        places = _places(events) if failed or behind else {}
        failures = [Failure(index, error) for event, error in failed for index in places[id(event)]]
        origins = {
            finding: tuple(sorted({index for event in its_events for index in places[id(event)]}))
            for finding, its_events in behind.items()
        }
        return Outcome(
            findings=tuple(sorted(findings, key=lambda one: (one.time, one.rule, one.id))),
            failures=(*others.failures, *failures),
            origins={**others.origins, **origins},
            late=batch.late,
            future=batch.future,
            refused=batch.refused,
        )

    def commit(self, findings: Sequence[Finding]) -> None:
        """Suppress the periods of findings that were emitted; `findings` are of the last `process`."""
        for finding in findings:
            raised = self._raised.pop(finding.id, None)
            if raised is not None:
                raised.key.suppressed |= {(raised.reader.mark, raised.period)}
        if self._others:
            self._others.commit(findings)

    def _finding(self, key: KeyLog, crossed: Crossed) -> Finding:
        return build_finding(
            ruleset_digest=self._ruleset_digest,
            reader=crossed.reader,
            state=key,
            crossing=crossed.crossing,
            seen=crossed.seen,
            trigger=None if crossed.trigger is None else crossed.events[crossed.trigger],
            latest=max(crossed.events, key=lambda event: (event.time, event.id)),
        )

    @staticmethod
    def _expect_again(uncommitted: Mapping[str, _Raised]) -> None:
        for raised in uncommitted.values():
            raised.key.again = True

    def _forget_now_and_then(self) -> None:
        # as of the last batch: this one may hold the other half of what just began
        if self._reached - self._swept <= SWEEP_MS or not self._swept:
            self._swept = self._swept or self._reached
            return
        for log in self._logs:
            log.forget(now_ms=self._reached, accepted_ms=self._reached - LATE_MS)
        self._sets.expire(now_ms=self._reached)
        self._swept = self._reached


def _share(logs: Iterable[WindowLog]) -> Mapping[Category, Sequence[Selected]]:
    """Each expression once, for all windows that select by it."""
    shared: dict[Category, dict[bytes, Selected]] = {}
    for log in logs:
        group_by, pooled = log.window.group_by, log.window.pooled
        for category, expression, _, _ in log.window.entries:
            name = msgspec.json.encode(expression)
            selections = shared.setdefault(category, {})
            if name not in selections:
                selections[name] = Selected(compile_filter(expression), compile_expression(expression))
            groupings = selections[name].groupings
            if group_by not in groupings:
                groupings[group_by] = Grouping(
                    raw_key_reader(group_by, pooled=pooled), key_maker(group_by, pooled=pooled), []
                )
            groupings[group_by].logs.append(log)
    return {category: tuple(selections.values()) for category, selections in shared.items()}


def _with_logs(ruleset: CompiledRuleset) -> tuple[CompiledRuleset, CompiledRuleset]:
    """The rules whose windows have logs here, and the others."""
    served = {inner.rule for rule in ruleset.rules for inner in rule.inner}
    counted: list[CompiledRule] = []
    others: list[CompiledRule] = []
    for rule in ruleset.rules:
        plain = rule.emits and not rule.inner and not any(one.fields for one in rule.selections)
        known = rule.kind in ("event", "event_count", "value_count") and condition_of(rule).grows
        (counted if plain and known and rule.id not in served else others).append(rule)
    return (
        msgspec.structs.replace(ruleset, rules=tuple(counted)),
        msgspec.structs.replace(ruleset, rules=tuple(others)),
    )


def _sort(events: Sequence[Event], *, now_ms: int) -> _Sorted:
    batch = _Sorted(defaultdict(list))
    by_source = batch.by_source
    oldest, newest_allowed = now_ms - LATE_MS, now_ms + SKEW_MS
    for event in events:
        if event.time < oldest:
            batch.late += 1
        elif event.time > newest_allowed:
            batch.future += 1
        elif is_our_refusal(event):
            batch.refused += 1
        else:
            by_source[event.source].append(event)
    return batch


def _collect(
    selected: Selected, events: Sequence[Event], touched: Touched, failed: list[tuple[Event, Exception]]
) -> None:
    try:
        found = selected.matching(events)
    except Exception:  # a rule that raises on one event must not stop the others: find out which
        found = _matching_one_by_one(selected.matches, events, failed)
    for grouping in selected.groupings.values():
        groups = _groups(found, grouping)
        for log in grouping.logs:
            _touch(log, _looked_at(groups, log.window.sample), touched)


def _matching_one_by_one(
    matches: Predicate, events: Sequence[Event], failed: list[tuple[Event, Exception]]
) -> list[Event]:
    found = []
    for event in events:
        try:
            if matches(event):
                found.append(event)
        except Exception as error:
            failed.append((event, error))
    return found


def _groups(events: Sequence[Event], grouping: Grouping) -> dict[GroupKey, list[Event]]:
    by_raw: defaultdict[Any, list[Event]] = defaultdict(list)
    for raw, event in zip(map(grouping.read, events), events, strict=True):
        by_raw[raw].append(event)
    groups: dict[GroupKey, list[Event]] = {}
    for raw, found in by_raw.items():
        key = grouping.key(raw)
        if key is not None:  # two addresses can be of one network
            groups[key] = groups[key] + found if key in groups else found
    return groups


def _looked_at(
    groups: Mapping[GroupKey, list[Event]], sample: Sample | None
) -> Mapping[GroupKey, list[Event]]:
    if sample is None:
        return groups
    found = ((key, [event for event in events if sample(event)]) for key, events in groups.items())
    return {key: events for key, events in found if events}


def _touch(log: WindowLog, groups: Mapping[GroupKey, list[Event]], touched: Touched) -> None:
    keys, number = log.keys, id(log)
    for name, events in groups.items():
        key = keys.get(name)
        if key is None:
            keys[name] = key = KeyLog(log.window, name)
        elif key.suppressed:
            events = [event for event in events if not key.is_suppressed(event.time)]
            if not events:
                continue
        place = number, name
        if place in touched:  # a window over two categories
            events = touched[place][2] + events
        touched[place] = log, key, events


def _places(events: Sequence[Event]) -> Mapping[int, Sequence[int]]:
    """Where each event is, by its identity."""
    places: defaultdict[int, list[int]] = defaultdict(list)
    for index, event in enumerate(events):
        places[id(event)].append(index)
    return places
