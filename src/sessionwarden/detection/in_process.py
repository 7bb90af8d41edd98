"""The engine of replay: the same rules, keys, crossings and finding ids, with all state in this process.

Enters: batches of events, and the time that the log has reached. Leaves: what `engine.Engine` over a store
leaves for the same batches; a property test holds the two together. Invariants: nothing is forgotten that
an accepted event could still need; a finding whose slot was not burnt by `settle` is raised again with the
next event of its key. It leaves out what only a store needs: hashes to write, calls that fail.
See docs/explanation/windows.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sessionwarden.detection.engine import LATE_MS, SKEW_MS, Failure, Outcome
from sessionwarden.detection.evidence import build_finding
from sessionwarden.detection.key_log import KeyLog
from sessionwarden.detection.keys import GroupKey, KeyReader, key_reader
from sessionwarden.detection.window_log import Crossed, WindowLog, window_log
from sessionwarden.detection.windows import Reader, Watch, build_windows
from sessionwarden.model.event import Category, Event
from sessionwarden.model.finding import Finding
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.predicates import Predicate

SWEEP_MS = 3_600_000
"""How much time of the log passes between two looks for what can be forgotten."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """Windows that see the same events by the same keys: they are put into groups once."""

    read_key: KeyReader
    logs: list[WindowLog]


@dataclass(frozen=True, slots=True)
class Selected:
    """The events of one category that match, and who wants them."""

    matches: Predicate
    groupings: dict[tuple[str, ...], Grouping] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Raised:
    key: KeyLog
    reader: Reader
    slot: int
    finding: Finding


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
        windows, watches = build_windows(ruleset)
        self._logs = {window: window_log(window) for window in windows}
        self._selected = {category: _share(found, self._logs) for category, found in watches.items()}
        self._ruleset_digest = ruleset.digest
        self._raised: dict[str, _Raised] = {}
        self._reached = self._swept = 0

    def process(self, events: Sequence[Event], *, now_ms: int) -> Outcome:
        """The findings of a batch. Emit them, then call `settle` with those that were accepted."""
        self._expect_again(self._raised)
        self._forget_now_and_then()
        self._reached = now_ms
        batch = _sort(events, now_ms=now_ms)
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
                raised[finding.id] = _Raised(key, one.reader, one.crossing.slot, finding)
                behind[finding.id] = one.events
        self._raised = raised
        findings = sorted(
            (one.finding for one in raised.values()), key=lambda one: (one.time, one.rule, one.id)
        )
        return Outcome(
            findings=tuple(findings),
            failures=tuple(
                Failure(index, error) for event, error in failed for index in _indices([event], events)
            ),
            origins={finding: _indices(its_events, events) for finding, its_events in behind.items()},
            late=batch.late,
            future=batch.future,
            refused=batch.refused,
        )

    def settle(self, findings: Sequence[Finding]) -> None:
        """Burn the slots of findings that were emitted; `findings` are of the last `process`."""
        for finding in findings:
            raised = self._raised.pop(finding.id, None)
            if raised is not None:
                raised.key.burnt.add((raised.reader.mark, raised.slot))

    def _finding(self, key: KeyLog, crossed: Crossed) -> Finding:
        return build_finding(
            ruleset_digest=self._ruleset_digest,
            reader=crossed.reader,
            state=key,
            crossing=crossed.crossing,
            seen=crossed.seen,
            culprit=None if crossed.culprit is None else crossed.events[crossed.culprit],
            latest=max(crossed.events, key=lambda event: (event.time, event.id)),
        )

    @staticmethod
    def _expect_again(unsettled: Mapping[str, _Raised]) -> None:
        for raised in unsettled.values():
            raised.key.again = True

    def _forget_now_and_then(self) -> None:
        # as of the last batch: this one may hold the other half of what just began
        if self._reached - self._swept <= SWEEP_MS or not self._swept:
            self._swept = self._swept or self._reached
            return
        for log in self._logs.values():
            log.forget(now_ms=self._reached, accepted_ms=self._reached - LATE_MS)
        self._swept = self._reached


def _share(watches: Sequence[Watch], logs: Mapping[object, WindowLog]) -> list[Selected]:
    selections: dict[int, Selected] = {}
    for matches, window in watches:
        selected = selections.setdefault(id(matches), Selected(matches))
        grouping = selected.groupings.get(window.group_by)
        if grouping is None:
            grouping = Grouping(key_reader(window.group_by), [])
            selected.groupings[window.group_by] = grouping
        grouping.logs.append(logs[window])
    return list(selections.values())


def _sort(events: Sequence[Event], *, now_ms: int) -> _Sorted:
    batch = _Sorted(defaultdict(list))
    by_source = batch.by_source
    oldest, newest_allowed = now_ms - LATE_MS, now_ms + SKEW_MS
    for event in events:
        if event.time < oldest:
            batch.late += 1
        elif event.time > newest_allowed:
            batch.future += 1
        elif event.decision == "deny" and event.source == "api_access":
            # our own refusal: counting it would extend the deny of whoever is already denied
            batch.refused += 1
        else:
            by_source[event.source].append(event)
    return batch


def _collect(
    selected: Selected, events: Sequence[Event], touched: Touched, failed: list[tuple[Event, Exception]]
) -> None:
    found = _matching(selected.matches, events, failed)
    for grouping in selected.groupings.values():
        groups = _groups(found, grouping.read_key)
        for log in grouping.logs:
            _touch(log, groups, touched)


def _matching(
    matches: Predicate, events: Sequence[Event], failed: list[tuple[Event, Exception]]
) -> list[Event]:
    try:
        return list(filter(matches, events))
    except Exception:  # a rule that raises on one event must not stop the others: find out which
        return _matching_one_by_one(matches, events, failed)


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


def _groups(events: Sequence[Event], read_key: KeyReader) -> dict[GroupKey, list[Event]]:
    groups: defaultdict[GroupKey, list[Event]] = defaultdict(list)
    for event in events:
        key = read_key(event)
        if key is not None:
            groups[key].append(event)
    return groups


def _touch(log: WindowLog, groups: Mapping[GroupKey, list[Event]], touched: Touched) -> None:
    keys, number = log.keys, id(log)
    for name, events in groups.items():
        key = keys.get(name)
        if key is None:
            keys[name] = key = KeyLog(log.window, name)
        elif key.burnt:
            events = [event for event in events if not key.is_burnt(event.time)]
            if not events:
                continue
        place = number, name
        if place in touched:  # a window over two categories
            events = touched[place][2] + events
        touched[place] = log, key, events


def _indices(wanted: Sequence[Event], events: Sequence[Event]) -> tuple[int, ...]:
    them = {id(event) for event in wanted}
    return tuple(index for index, event in enumerate(events) if id(event) in them)
