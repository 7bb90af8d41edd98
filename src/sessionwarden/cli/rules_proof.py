"""What must hold before a rule set goes live: its cases pass, and a log says whom it would touch.

Enters: a compiled set, the files it came from, logs. Leaves: the cases that fail, and an `Impact`. Nothing is
sent anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sessionwarden.cli.log_lines import LineReader
from sessionwarden.cli.replay import parsers, read_logs
from sessionwarden.detection.impact import Impact, ImpactCount
from sessionwarden.detection.in_process import InProcessEngine
from sessionwarden.ruleset.cases import Case, load_cases
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.files import rule_files


class Rehearsal(NamedTuple):
    """A set over some logs: whom it would have touched, and how much of the logs could be read."""

    impact: Impact
    events: int
    quarantined: int
    failed: int


def rehearse(ruleset: CompiledRuleset, logs: Sequence[str], fields: Path | None) -> Rehearsal:
    """Replay the logs, in the order given. Raises `InputFileError` for a wrong field mapping."""
    parse, parse_batch = parsers(fields)
    reader = LineReader(parse, lambda line: None, parse_batch=parse_batch)
    count = ImpactCount(ruleset)
    for events in read_logs(reader, logs):
        count.feed(events)
    return Rehearsal(count.impact(), reader.events, reader.quarantined.total(), count.replayer.failed)


def failing_cases(ruleset: CompiledRuleset, paths: Sequence[Path]) -> list[str]:
    """The cases beside the rules of `paths` that the real engine does not agree with, by file and name.

    Raises `InputFileError` for a file of cases that cannot be read.
    """
    failing = []
    for rule_file in rule_files(paths):
        beside = rule_file.with_suffix(f".cases{rule_file.suffix}")
        if not beside.exists():
            continue
        case_file = load_cases(beside)
        failing += [
            f"{beside}: {case.name}" for case in case_file.cases if not _agrees(ruleset, case_file.rule, case)
        ]
    return failing


def _agrees(ruleset: CompiledRuleset, rule: str, case: Case) -> bool:
    engine = InProcessEngine(ruleset)
    now_ms = max((event.time for event in case.events), default=0)
    outcome = engine.process(case.events, now_ms=now_ms)
    found = Counter(tuple(sorted(one.key.items())) for one in outcome.findings if one.rule == rule)
    expected = Counter(tuple(sorted(key.items())) for key in case.expectation.keys)
    if outcome.failures:
        return False
    return expected <= found if case.expectation.how == "at_least" else expected == found
