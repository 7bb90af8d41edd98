"""The engine: events in, findings out, over a window store that keeps all lasting state.

A batch goes through three steps: `collect` (which events count for which keys), `write` (all members
of all keys), `evaluate` (one consistent read per key). Then the caller emits the findings, and only
then calls `settle`, which burns their cooldown slots. Invariant: writes come before reads and marks
after emission, so a crash between any two steps costs a repetition, never a finding.
What is guaranteed, and why: docs/explanation/windows.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from sessionwarden.detection.acceptance import LATE_MS, SKEW_MS, is_our_refusal
from sessionwarden.detection.evaluation import Evaluator, Raised
from sessionwarden.detection.windows import KeyState, build_watches, build_windows, event_hash
from sessionwarden.errors import StoreError
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.ports import WindowStore
from sessionwarden.ruleset.compiled import CompiledRuleset

KEPT_MS = LATE_MS + 3_600_000
"""How long sets and marks outlive the last event time that can need them."""

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
    `future` and `refused` (our own refusals, seen in the access log) count dropped events.
    """

    findings: tuple[Finding, ...]
    failures: tuple[Failure, ...]
    origins: Mapping[str, tuple[int, ...]]
    late: int
    future: int
    refused: int


@dataclass(slots=True)
class _Work:
    """One key of a batch: its events, and the members that they become."""

    state: KeyState
    indices: list[int]
    members: dict[int, set[bytes]] = field(default_factory=dict)
    error: Exception | None = None


@dataclass(slots=True)
class Batch:
    """A batch between the engine's steps."""

    events: Sequence[Event]
    works: list[_Work] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    late: int = 0
    future: int = 0
    refused: int = 0


class Engine:
    """Evaluates one rule set over one store. One engine serves one batch at a time.

    Raises `RulesetError` when the rule set cannot be evaluated. `run` may use threads to call the
    store for several keys at once. What the engine remembers between batches only saves work.
    """

    def __init__(self, ruleset: CompiledRuleset, store: WindowStore, *, run: Runner = one_by_one) -> None:
        self._evaluator = Evaluator(store, ruleset_digest=ruleset.digest)
        self._windows = build_windows(ruleset)
        self._watches = build_watches(self._windows)
        self._store = store
        self._run = run
        self._raised: dict[str, Raised] = {}
        self._evaluated: list[_Work] = []

    def process(self, events: Sequence[Event], *, now_ms: int) -> Outcome:
        """All three steps. Emit the findings, then call `settle` with those that were accepted."""
        batch = self.collect(events, now_ms=now_ms)
        self.write(batch)
        return self.evaluate(batch)

    def collect(self, events: Sequence[Event], *, now_ms: int) -> Batch:
        """Which events count for which keys. Touches no store."""
        for window in self._windows:
            window.forget(keys=KEYS_REMEMBERED, characters=KEY_CHARACTERS_REMEMBERED)
        batch = Batch(events)
        works: dict[KeyState, _Work] = {}
        oldest, newest_allowed = now_ms - LATE_MS, now_ms + SKEW_MS
        for index, event in enumerate(events):
            if event.time < oldest:
                batch.late += 1
            elif event.time > newest_allowed:
                batch.future += 1
            elif is_our_refusal(event):
                batch.refused += 1
            else:
                self._collect_event(batch, works, index, event)
        batch.works = list(works.values())
        return batch

    def _collect_event(self, batch: Batch, works: dict[KeyState, _Work], index: int, event: Event) -> None:
        for matches, window in self._watches.get(event.source, ()):
            try:
                key = window.read_key(event) if matches(event) else None
            except Exception as error:  # a rule that raises on this event must not stop the batch
                batch.failures.append(Failure(index, error))
                continue
            if key is None:
                continue
            state = window.states.get(key) or window.state(key)
            if state.is_burnt(event.time):
                continue
            work = works.get(state)
            if work is None:
                works[state] = _Work(state, [index])
            else:
                work.indices.append(index)

    def write(self, batch: Batch) -> None:
        """All members of all keys, before anything is read. A key whose write fails, fails alone."""
        hashes: dict[int, bytes] = {}
        writing = [work for work in batch.works if work.state.window.layout]
        errors = self._run(lambda work: self._write_key(batch, work, hashes), writing)
        for work, error in zip(writing, errors, strict=True):
            work.error = error

    def _write_key(self, batch: Batch, work: _Work, hashes: dict[int, bytes]) -> Exception | None:
        layout, key = work.state.window.layout, work.state.table_key
        assert layout is not None
        try:
            self._place_members(batch, work, hashes)
            additions = {(key, epoch): frozenset(members) for epoch, members in work.members.items()}
            if additions:
                expires_at = {place: _expiry((place[1] + 2) * layout.timespan_ms) for place in additions}
                self._store.add(additions, expires_at=expires_at)
        except Exception as error:  # poison in one key must not keep the others from being watched
            return error
        return None

    def _place_members(self, batch: Batch, work: _Work, hashes: dict[int, bytes]) -> None:
        window = work.state.window
        assert window.layout is not None
        for index in work.indices:
            event = batch.events[index]
            if window.value_field is not None:
                digest = window.value_hash(event)
            else:
                digest = hashes.get(index) or hashes.setdefault(index, event_hash(event))
            epoch, member = window.layout.member(event.time, digest)
            if (epoch, member) not in work.state.settled:
                work.members.setdefault(epoch, set()).add(member)

    def evaluate(self, batch: Batch) -> Outcome:
        """One consistent read per key; the findings of every slot that is not burnt."""
        reading = [
            work
            for work in batch.works
            if work.error is None and (work.members or not work.state.window.layout)
        ]
        raised: dict[str, Raised] = {}
        origins: dict[str, tuple[int, ...]] = {}
        for work, result in zip(
            reading, self._run(lambda work: self._evaluate_key(batch, work), reading), strict=True
        ):
            if isinstance(result, Exception):
                work.error = result
            else:
                for one in result:
                    raised[one.finding.id] = one
                    origins[one.finding.id] = tuple(work.indices)
        self._raised = raised
        self._evaluated = [work for work in reading if work.error is None]
        failures = batch.failures + [
            Failure(index, work.error) for work in batch.works if work.error for index in work.indices
        ]
        findings = sorted(
            (one.finding for one in raised.values()), key=lambda one: (one.time, one.rule, one.id)
        )
        return Outcome(
            findings=tuple(findings),
            failures=tuple(failures),
            origins=origins,
            late=batch.late,
            future=batch.future,
            refused=batch.refused,
        )

    def _evaluate_key(self, batch: Batch, work: _Work) -> list[Raised] | Exception:
        events = [batch.events[index] for index in work.indices]
        try:
            return self._evaluator.evaluate(work.state, events, work.members)
        except Exception as error:  # as for writes
            return error

    def settle(self, findings: Sequence[Finding]) -> None:
        """Burn the slots of findings that were emitted; `findings` are of the last `evaluate`.

        Raises `StoreError` after trying all of them. Nothing is lost then: the finding may be
        raised once more, under the same id.
        """
        emitted = {finding.id for finding in findings}
        failed: StoreError | None = None
        for raised in self._raised.values():
            if raised.finding.id in emitted:
                try:
                    self._burn(raised)
                except StoreError as error:
                    failed = error
        unsettled = {id(raised.state) for raised in self._raised.values() if raised.finding.id not in emitted}
        for work in self._evaluated:
            if id(work.state) not in unsettled:
                work.state.settle(work.members)
        self._raised, self._evaluated = {}, []
        if failed:
            raise failed

    def _burn(self, raised: Raised) -> None:
        state, reader, slot = raised.state, raised.reader, raised.slot
        layout = state.window.layout
        span = layout.timespan_ms if layout else 0
        expires_at = _expiry((slot + 1) * reader.cooldown_ms + 2 * span)
        self._store.burn(state.mark_key(reader), slot, expires_at=expires_at)
        state.remember_burnt(reader, (slot,))


def _expiry(last_needed_ms: int) -> int:
    return (last_needed_ms + KEPT_MS) // 1000
