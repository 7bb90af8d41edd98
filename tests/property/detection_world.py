"""Random histories of detection, played against the engine, and an oracle that is slow and obvious.

A history is a set of events, deliveries of them (shuffled, repeated, cut into batches, spread over two
evaluators), faults at numbered operations, and a schedule that decides, operation by operation, which
evaluator goes next.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, cycle
from random import Random
from typing import Any, TypeVar

from sessionwarden.adapters.memory import MemoryWindowStore
from sessionwarden.detection.engine import Engine
from sessionwarden.errors import StoreError
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.ruleset.compiled import CompiledRule, CompiledRuleset
from tests.detection_kit import START, event, rule, ruleset, selection, single

T = TypeVar("T")
SPANS = (7, 32, 40, 100, 1000)
MAX_DELIVERIES = 200
Fired = tuple[str, str, int]
"""Rule, user, cooldown slot."""


@dataclass(frozen=True)
class History:
    rules: CompiledRuleset
    events: tuple[Event, ...]
    deliveries: tuple[tuple[tuple[Event, ...], ...], ...]
    faults: tuple[Mapping[int, str], ...]
    refusals: tuple[frozenset[int], ...]
    schedule: tuple[int, ...]


def random_history(random: Random) -> History:
    span = random.choice(SPANS)
    rules = _random_rules(random, span)
    happened = tuple(_random_event(random, number, span) for number in range(random.randint(1, 24)))
    deliveries: list[list[tuple[Event, ...]]] = [[], []] if random.random() < 0.8 else [[]]
    for batch in _batches(random, happened):
        random.choice(deliveries).append(batch)
    faults = tuple(_random_faults(random) for _ in deliveries)
    refusals = tuple(frozenset(random.choices(range(8), k=random.choice((0, 0, 2)))) for _ in deliveries)
    schedule = tuple(random.randrange(len(deliveries)) for _ in range(random.randint(1, 40)))
    return History(rules, happened, tuple(map(tuple, deliveries)), faults, refusals, schedule)


def _random_rules(random: Random, span: int) -> CompiledRuleset:
    def cooldown() -> int:
        return random.choice(
            (span // 3 + 1, span, span + span // 3, span + span // 2, 2 * span, 3 * span, 1000 * span)
        )

    chosen = [
        rule("count", timespan_ms=span, threshold=random.randint(1, 4), cooldown_ms=cooldown()),
        rule(
            "values",
            kind="value_count",
            value_field="route",
            timespan_ms=span,
            threshold=random.randint(1, 3),
            cooldown_ms=cooldown(),
        ),
        # shares the window of the first rule, not its threshold nor its slots
        rule(
            "stricter",
            window="window-of-count",
            timespan_ms=span,
            threshold=random.randint(2, 5),
            cooldown_ms=cooldown(),
        ),
        single(cooldown_ms=cooldown(), selections=(selection(["number", "status", [500]]),)),
    ]
    return ruleset(*chosen)


def _random_event(random: Random, number: int, span: int) -> Event:
    # a few ids and sources repeat: the same id seen by two sources is two events, at one time it is one
    source = random.choice(("api_access", "api_access", "api_authorizer"))
    return event(
        number if random.random() < 0.9 else 0,
        at=random.randint(0, 5 * span),
        source=source,
        user=random.choice(("alice", "alice", "alice", "bob")),
        route=random.choice((None, "GET /a", "GET /b", "GET /c")),
        status=random.choice((200, 200, 500)),
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


class Crash(BaseException):
    """The process ends here: nothing in it may catch this."""


class Turns:
    """Lets one evaluator act at a time, in the order of the schedule."""

    def __init__(self, schedule: Sequence[int], actors: int) -> None:
        self._order = chain(schedule, cycle(range(actors)))
        self._alive = set(range(actors))
        self._gates = [threading.Semaphore(0) for _ in range(actors)]
        self._pass_on()

    def _pass_on(self) -> None:
        if self._alive:
            self._gates[next(actor for actor in self._order if actor in self._alive)].release()

    def act(self, actor: int, action: Callable[[], T]) -> T:
        assert self._gates[actor].acquire(timeout=30)
        try:
            return action()
        finally:
            self._pass_on()

    def leave(self, actor: int) -> None:
        assert self._gates[actor].acquire(timeout=30)
        self._alive.discard(actor)
        self._pass_on()


class Evaluator:
    """One process: an engine that may crash, its queue, and the store as it reaches it."""

    def __init__(
        self, number: int, history: History, store: MemoryWindowStore, emitted: list[Finding], turns: Turns
    ) -> None:
        self.number = number
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
        self.engine = Engine(self.rules, self)

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
            with suppress(StoreError):  # a slot that is not burnt costs a repetition
                self.engine.settle(delivered)
        except Crash:
            self.engine = Engine(self.rules, self)
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
    ) -> None:
        # one set at a time, as DynamoDB would: a crash can come between two sets of a key
        for place, members in additions.items():
            self._guarded(partial(self.shared.add, {place: members}, expires_at=expires_at))

    def read(self, key: str, epochs: Iterable[int]) -> Mapping[int, frozenset[bytes]]:
        # one item at a time: a Query is no snapshot of several items
        found: dict[int, frozenset[bytes]] = {}
        for epoch in epochs:
            found |= self._guarded(partial(self.shared.read, key, [epoch]))
        return found

    def burnt(self, key: str, slots: Iterable[int]) -> frozenset[int]:
        return self._guarded(lambda: self.shared.burnt(key, slots))

    def burn(self, key: str, slot: int, *, expires_at: int) -> None:
        self._guarded(lambda: self.shared.burn(key, slot, expires_at=expires_at))


def play(history: History) -> list[Finding]:
    """Everything that was emitted, in order, once every delivery has been dealt with."""
    store, emitted = MemoryWindowStore(), list[Finding]()
    turns = Turns(history.schedule, len(history.deliveries))
    evaluators = [
        Evaluator(number, history, store, emitted, turns) for number in range(len(history.deliveries))
    ]
    threads = [threading.Thread(target=evaluator.run) for evaluator in evaluators]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for evaluator in evaluators:
        for problem in evaluator.problems:
            raise problem
    return emitted


def oracle(history: History) -> set[Fired]:
    """Which slots must have a finding, straight from the definitions, over all events at once."""
    return {fired for one in history.rules.rules for fired in _fires(one, history.events)}


def _fires(one: CompiledRule, happened: Sequence[Event]) -> set[Fired]:
    cooldown = one.response.cooldown_ms
    mine = [seen for seen in happened if seen.source == "api_access"]
    if one.kind == "event":
        return {(one.id, str(seen.user), seen.time // cooldown) for seen in mine if seen.status == 500}
    if one.kind == "event_count":
        return {
            (one.id, str(last.user), last.time // cooldown)
            for last in mine
            if len(events_in(mine, last, one.timespan_ms)) >= one.threshold
        }
    return {
        (one.id, str(last.user), _quantised(last.time, one.timespan_ms) // cooldown)
        for last in mine
        if last.route and len(values_in(mine, last, one.timespan_ms)) >= one.threshold
    }


def events_in(happened: Sequence[Event], last: Event, span: int) -> set[Any]:
    """The distinct events of `(t - span, t]` for the user and the time `t` of `last`."""
    return {
        (seen.id, seen.time)
        for seen in happened
        if seen.user == last.user and last.time - span < seen.time <= last.time
    }


def values_in(happened: Sequence[Event], last: Event, span: int) -> set[Any]:
    """The distinct values of the 32 quanta that end with the one of `last`."""
    end = last.time * 32 // span
    return {
        seen.route
        for seen in happened
        if seen.user == last.user and seen.route and end - 32 < seen.time * 32 // span <= end
    }


def _quantised(time: int, span: int) -> int:
    """The first millisecond of the quantum of `time`, found by looking for it."""
    quantum = time * 32 // span
    first = quantum * span // 32 - 1
    while first * 32 < quantum * span:
        first += 1
    return first
