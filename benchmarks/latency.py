"""How long after its log line an abused session is refused, in the local stack: p50 and p95.

    .venv/bin/python benchmarks/latency.py --runs 200

Each run is a user and a session of their own. Its five log lines, which cross a threshold of a shipped
rule, are written with one `PutLogEvents`; from then on the session asks for the guarded route until it is
refused. The parts are taken from the clocks of whoever did them, all of this machine: the queue that
receives the finding's copy from the bus, the deny's acknowledgement in the enforcement event, the caller.

Warm: the first runs are not counted. What AWS adds is not in here: docs/explanation/latency.md
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import quantiles
from typing import Any, NamedTuple

from sessionwarden.errors import LocalStackError
from sessionwarden.local.demo.load import REFUSED
from sessionwarden.local.demo.mailboxes import Mailbox, listen_to_bus
from sessionwarden.local.demo.sample_attacker import SampleAttacker
from sessionwarden.local.demo.stack import LocalStack, Step, running_local_stack
from sessionwarden.local.demo.traffic import AccessLog, Answer

RUNS = 200
WARM_UP_RUNS = 5
REFUSAL_SECONDS = 30.0
# asking without a pause would take the processor from the functions that are measured
PAUSE_SECONDS = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Where a run is played, and who listens. The mailboxes are of `Finding` and `Enforcement`."""

    stack: LocalStack
    log: AccessLog
    findings: Mailbox
    enforcements: Mailbox


class Run(NamedTuple):
    """Milliseconds after `PutLogEvents` was called, and how often the session was let in meanwhile."""

    finding: int
    deny: int
    refused: int
    let_in: int


class Silent:
    """Progress that nobody watches."""

    @contextmanager
    def step(self, text: str) -> Iterator[Step]:
        """One line of progress."""
        yield self

    def update(self, text: str) -> None:
        """Say how far it is: to nobody."""


def course_of(stack: LocalStack) -> Course:
    """Listen to the bus of a fresh stack."""
    bus = stack.outputs["EventBus"]
    return Course(
        stack=stack,
        log=AccessLog(stack.emulator, stack.access_log_groups),
        findings=listen_to_bus(stack.emulator, bus, detail_type="Finding"),
        enforcements=listen_to_bus(stack.emulator, bus, detail_type="Enforcement"),
    )


def measure(course: Course) -> Run:
    """One session from its last log line to its first refusal.

    Raises `LocalStackError` if the finding, the deny or the refusal does not come within 30 s.
    """
    attacker = SampleAttacker(course.stack)
    lines = attacker.abuse()
    course.log.write(lines)
    answers = _ask_until_refused(course.stack, attacker)
    written = course.log.written_at[lines[-1].id]
    # rules that observe may tell of the same user; only one denies
    done = course.enforcements.wait_for(
        lambda message: (
            message.body["detail"]["decision"]["user"] == attacker.user
            and bool(_denies(message.body["detail"]))
        ),
        "the deny",
    ).body["detail"]
    finding = course.findings.wait_for(
        lambda message: bool(message.body["detail"]["id"] == done["decision"]["id"]), "its finding"
    )
    return Run(
        finding=finding.sent_at - written,
        deny=_denies(done)[0] - written,
        refused=answers[-1].answered_at - written,
        let_in=len(answers) - 1,
    )


def _ask_until_refused(stack: LocalStack, attacker: SampleAttacker) -> list[Answer]:
    answers: list[Answer] = []
    deadline = time.monotonic() + REFUSAL_SECONDS
    visitor = attacker.visitor()
    try:
        while not answers or answers[-1].status != REFUSED:
            if time.monotonic() > deadline:
                raise LocalStackError(f"not refused within {REFUSAL_SECONDS:.0f} s")
            time.sleep(PAUSE_SECONDS)
            answers.append(visitor.request(stack.guarded))
    finally:
        visitor.close()
    return answers


def _denies(enforcement: Any) -> list[int]:
    """When denies were acknowledged, epoch ms."""
    return [int(result["time"]) for result in enforcement["results"] if result["action"] == "deny"]


def table(runs: Sequence[Run]) -> str:
    """p50 and p95 of each part, of at least two runs."""
    rows = {
        "finding on the bus": [run.finding for run in runs],
        "deny in force (DynamoDB has acknowledged it)": [run.deny for run in runs],
        "first refused request, answered": [run.refused for run in runs],
    }
    lines = [
        f"{len(runs)} runs, warm, Python {sys.version.split()[0]}; ms after PutLogEvents",
        f"{'':<46}{'p50':>7}{'p95':>7}{'max':>7}",
    ]
    for name, values in rows.items():
        centiles = quantiles(values, n=100, method="inclusive")
        lines.append(f"{name:<46}{centiles[49]:>7.0f}{centiles[94]:>7.0f}{max(values):>7}")
    return "\n".join(lines)


def main() -> None:
    """Start the local stack, measure, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=RUNS, help="at least 2")
    parser.add_argument("--warm-up", type=int, default=WARM_UP_RUNS, help="runs before those that count")
    arguments = parser.parse_args()
    with running_local_stack(Silent()) as stack:
        course = course_of(stack)
        for _ in range(arguments.warm_up):
            measure(course)
        print(table([measure(course) for _ in range(max(2, arguments.runs))]))


if __name__ == "__main__":
    main()
