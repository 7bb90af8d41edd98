"""The command `sessionwarden replay`: runs rules over logs with the engine of the Lambdas, without AWS.

Invariant: the same lines in the same order give the same output. Lateness is measured against the highest
event time so far, never against the wall clock, which only bounds the future.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import click
import msgspec

from sessionwarden.adapters.memory.windows import NO_LIMIT, MemoryWindowStore
from sessionwarden.cli.default_rules import default_rules_folder
from sessionwarden.cli.replay.report import JsonReport, Report, TextReport, counted
from sessionwarden.replay.formats import format_of
from sessionwarden.replay.log_lines import LineReader, QuarantinedLine
from sessionwarden.replay.replayer import Replayer
from sessionwarden.replay.run import Replay, did_not_fit, replay_of
from sessionwarden.replay.spool import LIMIT_MIB, MIB
from sessionwarden.ruleset.compiler.compile import compile_rules

MAX_JOBS = 64


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
    help="Processes that share the reading of large logs.",
)
@click.option(
    "--spool-limit",
    "spool_mib",
    default=LIMIT_MIB,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="MIB",
    help="What pipes and gzip files may take of the temporary folder; beyond it, logs are read in one pass.",
)
@click.option("--no-spool", is_flag=True, help="Write no copy of a log to the temporary folder.")
def replay(
    logs: tuple[str, ...],
    rules: Path,
    fields: Path | None,
    output: str,
    strict: bool,
    quarantine: Path | None,
    jobs: int,
    spool_mib: int,
    no_spool: bool,
) -> None:
    """Run the rules over LOGS (plain or gzip; `-` or none for standard input) and print findings.

    Without --fields, lines are access logs in Sessionwarden's formats and the authorizer's decision
    lines. Nothing is sent anywhere and no user is signed out.
    """
    ruleset = compile_rules([rules])
    log_format = format_of(fields, now_ms=time.time_ns() // 1_000_000)
    report: Report = JsonReport() if output == "json" else TextReport()
    with ExitStack() as stack:
        stack.enter_context(_closed_pipe_is_the_end())
        stack.enter_context(_rare_collections())
        quarantined = stack.enter_context(_quarantine_file(quarantine, logs))
        reader = LineReader(log_format, quarantined)
        replayer = Replayer(ruleset, MemoryWindowStore(member_limit=NO_LIMIT))
        spool_bytes = 0 if no_spool else spool_mib * MIB
        names = logs or ("-",)
        run = stack.enter_context(
            replay_of(names, ruleset, reader, replayer, spool_bytes=spool_bytes, jobs=jobs)
        )
        for finding in run.findings():
            report.finding(finding)
        report.close(_facts(reader, run, spool_mib=spool_mib))
        if strict and reader.quarantined:
            sys.exit(1)


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
    """`replay ... | head` reads what it wants and goes: that is no failure."""
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


def _facts(reader: LineReader, run: Replay, *, spool_mib: int) -> dict[str, str]:
    facts = {
        "lines": f"{reader.lines:,}",
        "events": f"{reader.events:,}",
        "quarantined": counted(reader.quarantined),
        "late": f"{run.late:,}",
    }
    if run.refused:
        facts["our refusals"] = f"{run.refused:,} (not counted against any user)"
    if run.failed:
        facts["failed"] = f"{run.failed:,} (a rule raised on them)"
    if did_not_fit(run):
        facts["spooling"] = f"no room within {spool_mib:,} MiB: read in one pass, which is slower"
    return facts
