"""Runs the rules over a log's events: the engine of the Lambdas, with event time as its only clock.

Replay, the cases beside rules and the check before publishing all find through it what a deployment would
have found. Nothing is sent anywhere. Invariant: a store without a member limit forgets nothing that an
accepted event can still need, and memory follows the last day of the log, not its length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sessionwarden.detection.acceptance import LogTime
from sessionwarden.detection.engine import Engine
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.ports import WindowStore
from sessionwarden.ruleset.compiled import CompiledRuleset

SWEEP_MS = 3_600_000
"""How much time of the log passes before the store is asked again to forget what is over."""


class ExpiringWindowStore(WindowStore, Protocol):
    """A window store that forgets when it is asked to, because no time to live runs beside a log."""

    def expire(self, *, now: int) -> None:
        """Forget what is over at `now` (epoch seconds)."""
        ...


class Replayer:
    """Runs one rule set over one log, in the order of its lines.

    The store is the caller's, and must be empty. Raises `RulesetError` for a set that cannot be evaluated.
    """

    def __init__(self, ruleset: CompiledRuleset, store: ExpiringWindowStore) -> None:
        self._engine = Engine(ruleset, store)
        self._store = store
        self._time = LogTime()
        self._swept_ms = 0
        self.late = 0
        self.refused = 0
        self.failed = 0

    def feed(self, events: Sequence[Event]) -> tuple[Finding, ...]:
        """The findings of the next events of the log."""
        findings: list[Finding] = []
        for batch, now_ms in self._time.batches(events):
            findings += self.feed_at(batch, now_ms=now_ms)
        return tuple(findings)

    def feed_at(self, events: Sequence[Event], *, now_ms: int) -> tuple[Finding, ...]:
        """The same, where the log is known to have reached `now_ms` (epoch ms) with these events."""
        self._sweep(now_ms)
        outcome = self._engine.process(events, now_ms=now_ms)
        outcome.commit(outcome.findings)
        self.late += outcome.late
        self.refused += outcome.refused
        self.failed += len(outcome.failures)
        return outcome.findings

    def _sweep(self, now_ms: int) -> None:
        if now_ms - self._swept_ms > SWEEP_MS:
            self._store.expire(now=now_ms // 1000)
            self._swept_ms = now_ms
