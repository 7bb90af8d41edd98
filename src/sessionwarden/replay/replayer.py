"""A log through the engine, with all state in this process and event time as the only clock.

Enters: a rule set, and events in the order of their log. Leaves: findings, and counts of what was dropped.
Nothing is sent anywhere. Replay, the cases beside rules and publishing see through it what Lambda would find.
"""

from __future__ import annotations

from collections.abc import Sequence

from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.detection.acceptance import LogTime
from sessionwarden.detection.engine import Engine
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.ruleset.compiled import CompiledRuleset

NO_LIMIT = 2**63
"""Members of a set: nothing is stored for long, so no set needs a limit."""

SWEEP_MS = 3_600_000
"""Time of the log between two looks for what no event that is still accepted can need."""


class Replayer:
    """Runs one rule set over one log. Raises `RulesetError` for a set that cannot be evaluated."""

    def __init__(self, ruleset: CompiledRuleset) -> None:
        self._store = MemoryWindowStore(member_limit=NO_LIMIT)
        self._engine = Engine(ruleset, self._store)
        self._swept_ms = 0
        self._time = LogTime()
        self.late = 0
        self.refused = 0
        self.failed = 0

    def feed(self, events: list[Event]) -> tuple[Finding, ...]:
        """The findings of the next events of the log."""
        findings: list[Finding] = []
        for batch, now_ms in self._time.batches(events):
            findings += self.feed_at(batch, now_ms=now_ms)
        return tuple(findings)

    def feed_at(self, events: Sequence[Event], *, now_ms: int) -> tuple[Finding, ...]:
        """The same, of events of a log that is known to have reached `now_ms` (epoch ms)."""
        outcome = self._engine.process(events, now_ms=now_ms)
        outcome.commit(outcome.findings)
        if now_ms - self._swept_ms > SWEEP_MS:
            self._store.expire(now=now_ms // 1000)
            self._swept_ms = now_ms
        self.late += outcome.late
        self.refused += outcome.refused
        self.failed += len(outcome.failures)
        return outcome.findings
