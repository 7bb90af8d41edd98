"""Runs the cases of whole rule sets, and keeps for each what came of it and how long it took."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sessionwarden.authoring.case_runs import CaseRun, run_case
from sessionwarden.authoring.cases import CaseFile
from sessionwarden.authoring.suite import RuleCases, Suite


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedRun:
    """A case that ran: where it is written, what came of it, and how long it took."""

    file: CaseFile
    run: CaseRun
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """What came of the cases of one rule."""

    cases: RuleCases
    runs: tuple[TimedRun, ...]

    @property
    def failed(self) -> tuple[TimedRun, ...]:
        """The cases that the engine does not agree with."""
        return tuple(timed for timed in self.runs if not timed.run.passed)


def run_suite(suite: Suite) -> list[RuleResult]:
    """Run every case by the engine that replay runs, in the order of the files."""
    return [_run(suite, cases) for cases in suite.rules]


def _run(suite: Suite, cases: RuleCases) -> RuleResult:
    runs = []
    for file, case in cases.cases:
        started = time.perf_counter()
        run = run_case(suite.catalog.ruleset, cases.rule, case)
        runs.append(TimedRun(file=file, run=run, seconds=time.perf_counter() - started))
    return RuleResult(cases=cases, runs=tuple(runs))
