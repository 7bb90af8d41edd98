"""The engine: events in, findings out, over a window store that keeps all lasting state.

A batch is collected (which events count for which keys), then goes through levels: windows of events first,
then those that count firings of rules on them. On each level all members of all keys are written before
any key is read. Then the caller emits the findings, and only then calls `commit`, which suppresses their
suppressed periods. Invariant: writes come before reads and marks after emission, so a crash between any two
steps costs a repetition, never a finding. What is guaranteed, and why: docs/explanation/windows.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Protocol, TypeVar

from sessionwarden.detection.acceptance import LATE_MS, SKEW_MS, expiry, is_our_refusal
from sessionwarden.detection.batch import Batch, Failure, Outcome, Work
from sessionwarden.detection.counting.member_encoding import Members
from sessionwarden.detection.evaluation import Arrived, Evaluation, Evaluator, Raised
from sessionwarden.detection.storage.admission import Admission
from sessionwarden.detection.storage.placement import Group, Sets
from sessionwarden.detection.windows.members import EventHash, event_hash
from sessionwarden.detection.windows.window import build_watches, build_windows
from sessionwarden.errors import StoreError
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.ports import SharedLogStore, WindowStore
from sessionwarden.ruleset.compiled import CompiledRuleset

KEYS_REMEMBERED = 8_192
KEY_CHARACTERS_REMEMBERED = 2_000_000
"""What this process remembers per window: so many keys, of so much text, and as much again for a while."""

T = TypeVar("T")
R = TypeVar("R")


class Runner(Protocol):
    """Calls a function for every item, in order or at once: `map`, or a thread pool's `map`."""

    def __call__(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterable[R]: ...


def one_by_one(function: Callable[[T], R], items: Iterable[T], /) -> Iterable[R]:
    """The runner of tests: no threads."""
    return map(function, items)


class Engine:
    """Evaluates one rule set over one store. One engine serves one batch at a time.

    Raises `RulesetError` when the rule set cannot be evaluated. `run` may use threads to call the
    store for several keys at once. With `shared logs`, keys of short windows share sets there. Without an
    `admission`, every new key is served. What the engine remembers between batches only saves work.
    """

    def __init__(
        self,
        ruleset: CompiledRuleset,
        store: WindowStore,
        *,
        run: Runner = one_by_one,
        shared_logs: SharedLogStore | None = None,
        admission: Admission | None = None,
    ) -> None:
        self._evaluator = Evaluator(store, ruleset_digest=ruleset.digest)
        self._windows = build_windows(ruleset)
        self._levels = 1 + max((window.level for window in self._windows), default=0)
        self._watches = build_watches(self._windows)
        self._store = store
        self._admission = admission or Admission()
        self._sets = Sets(store, shared_logs, self._admission)
        self._run = run
        self._raised: dict[str, Raised] = {}
        self._evaluated: list[Work] = []

    def process(self, events: Sequence[Event], *, now_ms: int) -> Outcome:
        """All steps. Emit the findings, then call `commit` with those that were accepted."""
        batch = self.collect(events, now_ms=now_ms)
        self._raised, self._evaluated = {}, []
        origins: dict[str, tuple[int, ...]] = {}
        for level in range(self._levels):
            self.write(batch, level)
            self._evaluate(batch, level, origins)
            batch.close(level)
        return self._outcome(batch, origins)

    def collect(self, events: Sequence[Event], *, now_ms: int) -> Batch:
        """Which events count for which keys. Touches no store."""
        for window in self._windows:
            window.forget(keys=KEYS_REMEMBERED, characters=KEY_CHARACTERS_REMEMBERED)
        self._admission.begin(now_ms=now_ms)
        batch = Batch(events, [{} for _ in range(self._levels)])
        oldest, newest_allowed = now_ms - LATE_MS, now_ms + SKEW_MS
        for index, event in enumerate(events):
            if event.time < oldest:
                batch.late += 1
            elif event.time > newest_allowed:
                batch.future += 1
            elif is_our_refusal(event):
                batch.refused += 1
            else:
                self._collect_event(batch, index, event)
        return batch

    def _collect_event(self, batch: Batch, index: int, event: Event) -> None:
        watching = self._watches.get(event.source)
        for matches, read_key, window, step in watching.possible(event) if watching else ():
            try:
                key = read_key(event) if matches(event) else None
            except Exception as error:  # a rule that raises on this event must not stop the batch
                batch.failures.append(Failure(index, error))
                continue
            if key is not None and (work := batch.work(window, key, event.time)):
                work.arrivals.append((index, step))
                work.behind.add(index)

    def write(self, batch: Batch, level: int = 0) -> None:
        """All members of a level's keys, before any is read. What one call writes, fails together."""
        event_hash = _remembering_hash()
        works = batch.levels[level].values()
        for work in works:
            if work.state.window.layout:
                work.error = _fill(batch, work, event_hash)
        groups = self._sets.admitted(work for work in works if work.due)
        for group, error in zip(groups, self._run(self._write_group, groups), strict=True):
            for work in group.works:
                work.error = error

    def _write_group(self, group: Group) -> Exception | None:
        try:
            self._sets.write(group)
        except Exception as error:  # poison in one key must not keep the others from being watched
            return error
        return None

    def _evaluate(self, batch: Batch, level: int, origins: dict[str, tuple[int, ...]]) -> None:
        """One consistent read per group of a level: findings, and firings for the levels above."""
        works = batch.levels[level].values()
        groups = self._sets.groups(work for work in works if work.due)
        reading = [work for group in groups for work in group.works]
        results = chain.from_iterable(self._run(lambda group: self._evaluate_group(batch, group), groups))
        for work, result in zip(reading, results, strict=True):
            if isinstance(result, Exception):
                work.error = result
                continue
            batch.full += result.full
            for raised in result.raised:
                self._raised[raised.finding.id] = raised
                origins[raised.finding.id] = tuple(work.indices)
            for fired in result.fired:
                batch.pass_on(fired, work.behind)
        self._evaluated += [work for work in reading if work.error is None]
        batch.failures += [
            Failure(index, work.error) for work in works if work.error for index in work.indices
        ]

    def _evaluate_group(self, batch: Batch, group: Group) -> list[Evaluation | Exception]:
        try:
            read = self._sets.read(group)
        except Exception as error:  # as for writes
            return [error for _ in group.works]
        return [self._evaluate_key(batch, work, read) for work in group.works]

    def _evaluate_key(
        self, batch: Batch, work: Work, read: Callable[[Work], Members]
    ) -> Evaluation | Exception:
        try:
            found = read(work) if work.members else {}
            return self._evaluator.evaluate(work.state, _arrived(batch, work), work.members, found)
        except Exception as error:  # as for writes
            return error

    def _outcome(self, batch: Batch, origins: Mapping[str, tuple[int, ...]]) -> Outcome:
        findings = (raised.finding for raised in self._raised.values())
        return Outcome(
            findings=tuple(sorted(findings, key=lambda one: (one.time, one.rule, one.id))),
            failures=tuple(batch.failures),
            origins=origins,
            late=batch.late,
            future=batch.future,
            refused=batch.refused,
            full=batch.full,
            dropped_keys=batch.dropped_keys,
        )

    def commit(self, findings: Sequence[Finding]) -> None:
        """Suppress the periods of findings that were emitted; `findings` are of the last `process`.

        Raises `StoreError` after trying all of them. Nothing is lost then: the finding may be
        raised once more, under the same id.
        """
        emitted = {finding.id for finding in findings}
        failed: StoreError | None = None
        for raised in self._raised.values():
            if raised.finding.id in emitted:
                try:
                    self._suppress(raised)
                except StoreError as error:
                    failed = error
        uncommitted = {
            id(raised.state) for raised in self._raised.values() if raised.finding.id not in emitted
        }
        for work in self._evaluated:
            if id(work.state) not in uncommitted:
                work.state.commit(work.members)
        self._raised, self._evaluated = {}, []
        if failed:
            raise failed

    def _suppress(self, raised: Raised) -> None:
        state, reader, period = raised.state, raised.reader, raised.period
        window = state.window
        expires_at = expiry((period + 1) * reader.cooldown_ms + 2 * window.timespan_ms + window.lag_ms)
        self._store.suppress(state.mark_key(reader), period, expires_at=expires_at)
        state.remember_suppressed(reader, (period,))


def _remembering_hash() -> EventHash:
    """`event_hash`, once for each event of a batch: many keys may count it."""
    known: dict[int, bytes] = {}
    return lambda event: known.get(id(event)) or known.setdefault(id(event), event_hash(event))


def _fill(batch: Batch, work: Work, event_hash: EventHash) -> Exception | None:
    window = work.state.window
    try:
        for index, step in work.arrivals:
            work.add(*window.member(batch.events[index], step, event_hash))
        for feed, fired in work.firings:
            work.add(*feed.member(fired.state.key, quantum=fired.quantum, time=fired.time))
    except Exception as error:  # as for writes
        return error
    return None


def _arrived(batch: Batch, work: Work) -> Arrived:
    window, events = work.state.window, batch.events
    shown = {
        (feed.seen(fired.state.key, time=fired.time, event=event)): None
        for feed, fired in work.firings
        for event in fired.shown
    }
    return Arrived(
        events=[events[index] for index, _ in work.arrivals],
        here=[window.seen(events[index], step) for index, step in work.arrivals],
        fired=list(shown),
        behind=[events[index] for index in work.indices],
    )
