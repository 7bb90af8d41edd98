"""Random histories of detection, played against the engine.

A history is a set of events, deliveries of them (shuffled, repeated, cut into batches, spread over two
evaluators), faults at numbered operations, and a schedule that decides, operation by operation, which
evaluator goes next.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from random import Random
from typing import TypeVar

from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.detection.engine import Engine
from sessionwarden.detection.storage.admission import Admission
from sessionwarden.detection.storage.shared_log import SharedLogEpoch
from sessionwarden.errors import StoreError
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.ports import MEMBER_LIMIT
from sessionwarden.ruleset.compiled import CompiledRuleset
from tests.support.detection import START
from tests.support.histories.rules import SPANS, random_events, random_rules

T = TypeVar("T")
MAX_DELIVERIES = 200


@dataclass(frozen=True)
class History:
    rules: CompiledRuleset
    events: tuple[Event, ...]
    deliveries: tuple[tuple[tuple[Event, ...], ...], ...]
    faults: tuple[Mapping[int, str], ...]
    refusals: tuple[frozenset[int], ...]
    schedule: tuple[int, ...]
    shared_log_limit: int = 0
    """Of 0, every key has sets of its own."""
    member_limit: int = MEMBER_LIMIT
    """Of few, sets are full soon."""


def random_history(random: Random) -> History:
    span = random.choice(SPANS)
    rules = random_rules(random, span)
    happened = tuple(random_events(random, count=random.randint(1, 20), span=span))
    deliveries: list[list[tuple[Event, ...]]] = [[], []] if random.random() < 0.8 else [[]]
    for batch in _batches(random, happened):
        random.choice(deliveries).append(batch)
    faults = tuple(_random_faults(random) for _ in deliveries)
    refusals = tuple(frozenset(random.choices(range(8), k=random.choice((0, 0, 2)))) for _ in deliveries)
    schedule = tuple(_random_turns(random, len(deliveries)))
    shared_log_limit = random.choice((0, 1, 4, MEMBER_LIMIT, MEMBER_LIMIT))
    member_limit = random.choice((1, 2, 4, MEMBER_LIMIT, MEMBER_LIMIT, MEMBER_LIMIT))
    return History(
        rules,
        happened,
        tuple(map(tuple, deliveries)),
        faults,
        refusals,
        schedule,
        shared_log_limit,
        member_limit,
    )


def _batches(random: Random, happened: Sequence[Event]) -> Iterable[tuple[Event, ...]]:
    sent = [*happened, *(random.choice(happened) for _ in range(random.randint(0, 8)))]
    if random.random() < 0.8:
        random.shuffle(sent)
    else:
        sent.sort(key=lambda one: one.time)
    while sent:
        size = random.randint(1, 6)
        yield tuple(sent[:size])
        sent = sent[size:]


def _random_faults(random: Random) -> Mapping[int, str]:
    kinds = ("refused", "lost answer", "crash before", "crash after")
    return {random.randint(0, 60): random.choice(kinds) for _ in range(random.choice((0, 0, 1, 4, 8)))}


def _random_turns(random: Random, actors: int) -> Iterator[int]:
    """Who acts next, over and over: often for one operation, sometimes for a whole batch."""
    for _ in range(random.randint(4, 16)):
        yield from [random.randrange(actors)] * random.choice((1, 1, 2, 5, 20))
    yield from range(actors)


class Crash(BaseException):
    """The process ends here: nothing in it may catch this."""


class Turns:
    """Lets one evaluator act at a time, in the order of the schedule."""

    def __init__(self, schedule: Sequence[int], actors: int) -> None:
        self._order = cycle(schedule)
        self._alive = set(range(actors))
        self._gates = [threading.Lock() for _ in range(actors)]
        # an actor that goes on needs no gate: it alone writes and reads its own entry
        self._goes_on = [False] * actors
        self.changes = 0
        for gate in self._gates:
            gate.acquire()
        self._pass_on(None)

    def _pass_on(self, current: int | None) -> None:
        if not self._alive:
            return
        chosen = next(actor for actor in self._order if actor in self._alive)
        if chosen == current:
            self._goes_on[chosen] = True
            return
        self.changes += 1
        self._gates[chosen].release()

    def _wait(self, actor: int) -> None:
        if self._goes_on[actor]:
            self._goes_on[actor] = False
            return
        assert self._gates[actor].acquire(timeout=30)

    def act(self, actor: int, action: Callable[[], T]) -> T:
        self._wait(actor)
        try:
            return action()
        finally:
            self._pass_on(actor)

    def leave(self, actor: int) -> None:
        self._wait(actor)
        self._alive.discard(actor)
        self._pass_on(None)


class Evaluator:
    """One process: an engine that may crash, its queue, and the store as it reaches it."""

    def __init__(
        self, number: int, history: History, store: MemoryWindowStore, emitted: list[Finding], turns: Turns
    ) -> None:
        self.number = number
        self.history = history
        self.queue = deque(history.deliveries[number])
        self.faults = dict(history.faults[number])
        self.refusals = history.refusals[number]
        self.emissions = 0
        self.rules = history.rules
        self.shared = store
        self.emitted = emitted
        self.turns = turns
        self.operations = 0
        self.problems: list[BaseException] = []
        self.engine = self._start()

    def _start(self) -> Engine:
        shared_logs = self if self.history.shared_log_limit else None
        # never met: under its cap, admission changes nothing
        admission = Admission(new_keys_per_minute=len(self.history.events), salt=b"salt")
        return Engine(self.rules, self, shared_logs=shared_logs, admission=admission)

    @property
    def member_limit(self) -> int:
        return self.shared.member_limit

    @property
    def shared_log_limit(self) -> int:
        return self.shared.shared_log_limit

    def run(self) -> None:
        try:
            for _ in range(MAX_DELIVERIES):
                if not self.queue:
                    return
                self._deliver(self.queue.popleft())
            raise AssertionError("deliveries do not end, though faults do")
        except BaseException as problem:  # a thread's failure must reach the test
            self.problems.append(problem)
        finally:
            self.turns.leave(self.number)

    def _deliver(self, batch: tuple[Event, ...]) -> None:
        try:
            outcome = self.engine.process(batch, now_ms=START + 10_000)
            again = {failure.index for failure in outcome.failures}
            delivered = []
            for finding in outcome.findings:
                try:
                    self._guarded(partial(self._emit, finding))
                    delivered.append(finding)
                except StoreError:
                    again.update(outcome.origins[finding.id])
            with suppress(StoreError):  # a period that is not suppressed costs a repetition
                outcome.commit(delivered)
        except Crash:
            self.engine = self._start()
            again = set(range(len(batch)))
        if again:
            self.queue.append(tuple(batch[index] for index in sorted(again)))

    def _emit(self, finding: Finding) -> None:
        self.emissions += 1
        if self.emissions in self.refusals:
            raise StoreError("refused")
        self.emitted.append(finding)

    def _guarded(self, action: Callable[[], T]) -> T:
        def act() -> T:
            fault = self.faults.pop(self.operations, None)
            self.operations += 1
            if fault == "refused":
                raise StoreError(fault)
            if fault == "crash before":
                raise Crash
            result = action()
            if fault == "lost answer":
                raise StoreError(fault)
            if fault == "crash after":
                raise Crash
            return result

        return self.turns.act(self.number, act)

    def add(
        self,
        additions: Mapping[tuple[str, int], frozenset[bytes]],
        *,
        expires_at: Mapping[tuple[str, int], int],
        limit: int | None = None,
    ) -> Mapping[tuple[str, int], frozenset[bytes]]:
        # one set at a time, as DynamoDB would: a crash can come between two sets of a key
        left: dict[tuple[str, int], frozenset[bytes]] = {}
        for place, members in additions.items():
            add = partial(self.shared.add, {place: members}, expires_at=expires_at, limit=limit)
            left |= self._guarded(add)
        return left

    def append(self, shared_log: str, epoch: int, members: frozenset[bytes], *, expires_at: int) -> bool:
        return self._guarded(lambda: self.shared.append(shared_log, epoch, members, expires_at=expires_at))

    def read_shared_log(self, shared_log: str, epochs: Iterable[int]) -> Mapping[int, SharedLogEpoch]:
        return {epoch: SharedLogEpoch(found) for epoch, found in self.read(shared_log, epochs).items()}

    def read(self, key: str, epochs: Iterable[int]) -> Mapping[int, frozenset[bytes]]:
        # one item at a time: a Query is no snapshot of several items
        found: dict[int, frozenset[bytes]] = {}
        for epoch in epochs:
            found |= self._guarded(partial(self.shared.read, key, [epoch]))
        return found

    def existing(self, sets: Collection[tuple[str, int]]) -> frozenset[tuple[str, int]]:
        return self._guarded(lambda: self.shared.existing(sets))

    def suppressed(self, key: str, periods: Iterable[int]) -> frozenset[int]:
        return self._guarded(lambda: self.shared.suppressed(key, periods))

    def suppress(self, key: str, period: int, *, expires_at: int) -> None:
        self._guarded(lambda: self.shared.suppress(key, period, expires_at=expires_at))


@dataclass(frozen=True)
class Played:
    """What was emitted, in order, once every delivery was dealt with; and what it took."""

    emitted: list[Finding]
    operations: int
    changes: int


def play(history: History) -> Played:
    """Deliver everything, to as many evaluators as there are queues."""
    store = MemoryWindowStore(member_limit=history.member_limit, shared_log_limit=history.shared_log_limit)
    emitted: list[Finding] = []
    turns = Turns(history.schedule, len(history.deliveries))
    evaluators = [
        Evaluator(number, history, store, emitted, turns) for number in range(len(history.deliveries))
    ]
    threads = [threading.Thread(target=evaluator.run) for evaluator in evaluators[1:]]
    for thread in threads:
        thread.start()
    evaluators[0].run()
    for thread in threads:
        thread.join()
    for evaluator in evaluators:
        for problem in evaluator.problems:
            raise problem
    return Played(emitted, sum(one.operations for one in evaluators), turns.changes)
