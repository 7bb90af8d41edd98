"""`sessionwarden replay`: the same core as in the Lambdas, over a file, with no AWS.

Enters: logs, rules, perhaps a field mapping. Leaves: findings and a summary. Invariant: the same
lines in the same order give the same output; lateness is measured against the highest event time so
far, never against the wall clock, which only bounds the future.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Protocol

import click
import msgspec
from rich.console import Console

from sessionwarden.cli.log_files import LogFileError, Unreadable, read_blocks
from sessionwarden.cli.log_lines import (
    BatchParser,
    LineReader,
    Parser,
    QuarantinedLine,
    mapped_format,
    one_by_one,
    own_formats,
    own_formats_at_once,
)
from sessionwarden.cli.replay_report import (
    MAX_ROWS,
    Tally,
    counted,
    finding_line,
    finding_table,
    print_summary,
)
from sessionwarden.detection.replaying import Replayer
from sessionwarden.errors import InputFileError, Mistake
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.ruleset.compile import compile_rules
from sessionwarden.sources.field_mapping import load_mapping

EVENTS_AT_ONCE = 4_096
"""A key's events are looked at together. With 16,384 the events leave the cache, and cost a third more."""

FILE_WIDTH = 160
"""Columns of the table where no terminal sets them, so that keys stay on one line."""


@click.command()
@click.argument("logs", nargs=-1, type=click.Path(allow_dash=True))
@click.option(
    "--rules",
    "rules",
    default="rules",
    show_default=True,
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
def replay(
    logs: tuple[str, ...],
    rules: Path,
    fields: Path | None,
    output: str,
    strict: bool,
    quarantine: Path | None,
) -> None:
    """Run the rules over LOGS (plain or gzip; `-` or none for standard input) and print findings.

    Without --fields, lines are access logs in Sessionwarden's formats and the authorizer's decision
    lines. Nothing is sent anywhere and nobody is signed out.
    """
    replayer = Replayer(compile_rules([rules]))
    parse, parse_batch = parsers(fields)
    report: Report = _JsonReport() if output == "json" else _TextReport()
    with ExitStack() as stack:
        stack.enter_context(_closed_pipe_is_the_end())
        stack.enter_context(_rare_collections())
        quarantined = stack.enter_context(_quarantine_file(quarantine, logs))
        reader = LineReader(parse, quarantined, parse_batch=parse_batch)
        for events in read_logs(reader, logs or ("-",)):
            for finding in replayer.feed(events):
                report.finding(finding)
        report.close(_facts(reader, replayer))
        if strict and reader.quarantined:
            sys.exit(1)


def parsers(fields: Path | None) -> tuple[Parser, BatchParser]:
    """How lines are read: in our own formats, or as the mapping file `fields` says."""
    now_ms = time.time_ns() // 1_000_000
    if fields is None:
        return own_formats(now_ms), own_formats_at_once(now_ms)
    try:
        text = fields.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputFileError([Mistake(str(fields), 0, 0, "", f"cannot be read: {error}")]) from error
    return mapped_format(load_mapping(text, file=str(fields)), now_ms), one_by_one


def read_logs(reader: LineReader, logs: Sequence[str]) -> Iterator[list[Event]]:
    """The events of the logs, in their order, many at a time.

    Raises `LogFileError` if a log cannot be read to its end, after the events before that.
    """
    events: list[Event] = []
    try:
        for log in logs:
            first_line = 1
            for block in read_blocks(log):
                events += reader.read(block, file=log, first_line=first_line)
                first_line += 1 if isinstance(block, Unreadable) else block.count(b"\n") + 1
                if len(events) >= EVENTS_AT_ONCE:
                    yield events
                    events = []
    except LogFileError:
        yield events
        raise
    yield events


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


def _facts(reader: LineReader, replayer: Replayer) -> dict[str, str]:
    facts = {
        "lines": f"{reader.lines:,}",
        "events": f"{reader.events:,}",
        "quarantined": counted(reader.quarantined),
        "late": f"{replayer.late:,}",
    }
    if replayer.refused:
        facts["our refusals"] = f"{replayer.refused:,} (not counted against anybody)"
    if replayer.failed:
        facts["failed"] = f"{replayer.failed:,} (a rule raised on them)"
    return facts
