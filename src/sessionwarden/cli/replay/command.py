"""`sessionwarden replay`: the same core as in the Lambdas, over a file, with no AWS.

Enters: logs, rules, perhaps a field mapping. Leaves: findings and a summary. Invariant: the same
lines in the same order give the same output; lateness is measured against the highest event time so
far, never against the wall clock, which only bounds the future.
"""

from __future__ import annotations

import gc
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Protocol

import click
import msgspec
from rich.console import Console

from sessionwarden.adapters.memory.windows import NO_LIMIT, MemoryWindowStore
from sessionwarden.cli.default_rules import default_rules_folder
from sessionwarden.cli.replay.report import (
    MAX_ROWS,
    Tally,
    counted,
    finding_line,
    finding_table,
    print_summary,
)
from sessionwarden.model.finding import Finding
from sessionwarden.replay.log_events import parsers, read_logs
from sessionwarden.replay.log_lines import LineReader, QuarantinedLine
from sessionwarden.replay.replayer import Replayer
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.compiler.compile import compile_rules

WORTH_TWO_READINGS = 1 << 22
"""Bytes of logs from which on loading numpy and reading twice cost less than an event for every line."""

MAX_JOBS = 64

FILE_WIDTH = 160
"""Columns of the table where no terminal sets them, so that keys stay on one line."""


@click.command()
@click.argument("logs", nargs=-1, type=click.Path(allow_dash=True))
@click.option(
    "--rules",
    "rules",
    default=default_rules_folder,
    show_default="rules",
    type=click.Path(path_type=Path),
    help="Rule file or folder.",
)
@click.option(
    "--fields", type=click.Path(path_type=Path), help="Field mapping (YAML) for logs in another format."
)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Exit with status 1 if any line was quarantined.")
@click.option(
    "--quarantine",
    type=click.Path(path_type=Path),
    help="Write quarantined lines with their reasons to this file.",
)
@click.option(
    "--jobs",
    default=1,
    show_default=True,
    type=click.IntRange(1, MAX_JOBS),
    help="Processes that read large logs; not those that are gzip, nor pipes, nor with --fields.",
)
def replay(
    logs: tuple[str, ...],
    rules: Path,
    fields: Path | None,
    output: str,
    strict: bool,
    quarantine: Path | None,
    jobs: int,
) -> None:
    """Run the rules over LOGS (plain or gzip; `-` or none for standard input) and print findings.

    Without --fields, lines are access logs in Sessionwarden's formats and the authorizer's decision
    lines. Nothing is sent anywhere and nobody is signed out.
    """
    ruleset = compile_rules([rules])
    parse, parse_batch = parsers(fields)
    report: Report = _JsonReport() if output == "json" else _TextReport()
    with ExitStack() as stack:
        stack.enter_context(_closed_pipe_is_the_end())
        stack.enter_context(_rare_collections())
        quarantined = stack.enter_context(_quarantine_file(quarantine, logs))
        reader = LineReader(parse, quarantined, parse_batch=parse_batch)
        run = replay_of(logs or ("-",), ruleset, reader, own_format=fields is None, jobs=jobs)
        for finding in run.findings():
            report.finding(finding)
        report.close(_facts(reader, run))
        if strict and reader.quarantined:
            sys.exit(1)


class Replay(Protocol):
    """One way to replay logs: the findings, and when they are all there what was dropped on the way."""

    @property
    def late(self) -> int: ...

    @property
    def refused(self) -> int: ...

    @property
    def failed(self) -> int: ...

    def findings(self) -> Iterator[Finding]: ...


class ReadOnce:
    """A replay that makes an event of every line. Any format, and pipes."""

    def __init__(self, logs: Sequence[str], ruleset: CompiledRuleset, reader: LineReader) -> None:
        self._batches = read_logs(reader, logs)
        self._replayer = Replayer(ruleset, MemoryWindowStore(member_limit=NO_LIMIT))

    @property
    def late(self) -> int:
        return self._replayer.late

    @property
    def refused(self) -> int:
        return self._replayer.refused

    @property
    def failed(self) -> int:
        return self._replayer.failed

    def findings(self) -> Iterator[Finding]:
        for events in self._batches:
            yield from self._replayer.feed(events)


def replay_of(
    logs: Sequence[str], ruleset: CompiledRuleset, reader: LineReader, *, own_format: bool, jobs: int = 1
) -> Replay:
    """The way that costs least for these logs. Both find the same."""
    if not own_format or not _are_large_files(logs):
        return ReadOnce(logs, ruleset, reader)
    # numpy takes a tenth of a second to load, and nothing else needs it
    from sessionwarden.replay.columnar.two_pass import ReadTwice

    replayer = Replayer(ruleset, MemoryWindowStore(member_limit=NO_LIMIT))
    return ReadTwice(logs, ruleset, reader, replayer, now_ms=time.time_ns() // 1_000_000, jobs=jobs)


def _are_large_files(logs: Sequence[str]) -> bool:
    try:
        found = [Path(log).stat() for log in logs if log != "-"]
    except OSError:
        return False
    regular = len(found) == len(logs) and all(stat.S_ISREG(one.st_mode) for one in found)
    return regular and sum(one.st_size for one in found) >= WORTH_TWO_READINGS


@contextmanager
def _quarantine_file(path: Path | None, logs: tuple[str, ...]) -> Iterator[Callable[[QuarantinedLine], None]]:
    if path is None:
        yield lambda line: None
        return
    if any(Path(log).exists() and path.exists() and path.samefile(log) for log in logs):
        raise click.UsageError("--quarantine names a log that is to be read")
    with path.open("wb") as file:
        yield lambda line: _write_line(file, line)


def _write_line(file: IO[bytes], line: QuarantinedLine) -> None:
    file.write(msgspec.json.encode(line) + b"\n")


@contextmanager
def _closed_pipe_is_the_end() -> Iterator[None]:
    """`replay ... | head` reads what it wants and goes: no failure, and nobody is left to tell."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # the interpreter flushes once more at exit; let that go nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Windows are many small arrays without cycles: looking for cycles among them would be lost time."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


class Report(Protocol):
    """Where findings go, and in the end the facts of the run."""

    def finding(self, finding: Finding) -> None: ...

    def close(self, facts: dict[str, str]) -> None: ...


class _JsonReport:
    """Findings as they come on standard output, the summary on standard error."""

    def __init__(self) -> None:
        self._tally = Tally()

    def finding(self, finding: Finding) -> None:
        self._tally.add(finding)
        sys.stdout.write(finding_line(finding) + "\n")

    def close(self, facts: dict[str, str]) -> None:
        print_summary(Console(stderr=True), facts | self._tally.facts())


class _TextReport:
    """A table of findings and the summary, once all is read."""

    def __init__(self) -> None:
        self._tally = Tally()
        self._shown: list[Finding] = []

    def finding(self, finding: Finding) -> None:
        self._tally.add(finding)
        if len(self._shown) < MAX_ROWS:
            self._shown.append(finding)

    def close(self, facts: dict[str, str]) -> None:
        console = Console()
        if not console.is_terminal:
            console.width = FILE_WIDTH
        if self._shown:
            console.print(finding_table(self._shown))
            unseen = self._tally.findings.total() - len(self._shown)
            console.print(f"... and {unseen:,} more: see --output json\n" if unseen else "")
        print_summary(console, facts | self._tally.facts())


def _facts(reader: LineReader, run: Replay) -> dict[str, str]:
    facts = {
        "lines": f"{reader.lines:,}",
        "events": f"{reader.events:,}",
        "quarantined": counted(reader.quarantined),
        "late": f"{run.late:,}",
    }
    if run.refused:
        facts["our refusals"] = f"{run.refused:,} (not counted against anybody)"
    if run.failed:
        facts["failed"] = f"{run.failed:,} (a rule raised on them)"
    return facts
