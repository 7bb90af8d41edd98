"""What must hold before a rule set goes live: its cases pass, and a log says whom it would touch.

Enters: a compiled set, the cases beside its rules, logs. Leaves: the cases that fail, and an `Impact`.
Nothing is sent anywhere.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sessionwarden.adapters.memory.windows import NO_LIMIT, MemoryWindowStore
from sessionwarden.authoring.suite import Suite
from sessionwarden.authoring.suite_runs import run_suite
from sessionwarden.authoring.words import line
from sessionwarden.replay.formats import format_of
from sessionwarden.replay.impact import Impact, ImpactCount
from sessionwarden.replay.log_files import Log
from sessionwarden.replay.log_lines import LineReader
from sessionwarden.replay.one_pass import read_logs
from sessionwarden.replay.replayer import Replayer
from sessionwarden.ruleset.compiled import CompiledRuleset


class Rehearsal(NamedTuple):
    """A set over some logs: whom it would have touched, and how much of the logs could be read."""

    impact: Impact
    events: int
    quarantined: int
    failed: int


def rehearse(ruleset: CompiledRuleset, logs: Sequence[str], fields: Path | None) -> Rehearsal:
    """Replay the logs, in the order given. Raises `InputFileError` for a wrong field mapping."""
    reader = LineReader(format_of(fields, now_ms=time.time_ns() // 1_000_000), lambda line: None)
    count = ImpactCount(Replayer(ruleset, MemoryWindowStore(member_limit=NO_LIMIT)))
    for events in read_logs(reader, [Log(log) for log in logs]):
        count.feed(events)
    return Rehearsal(count.impact(), reader.events, reader.quarantined.total(), count.replayer.failed)


def failing_cases(suite: Suite) -> list[str]:
    """The cases that the real engine does not agree with, by file and name, made printable."""
    return [
        line(f"{timed.file.file}: {timed.run.case.name}")
        for result in run_suite(suite)
        for timed in result.failed
    ]
