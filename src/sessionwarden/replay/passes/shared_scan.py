"""Scans the ranges of logs in this process, or in several that share the work, in the order of the logs.

Invariant: what comes out does not depend on the number of processes. What a process sends at once is bounded,
and only a few ranges may be ahead of the one that is next.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial

from sessionwarden.replay.formats import LogFormat
from sessionwarden.replay.log_files import WHOLE, LogFileError
from sessionwarden.replay.passes.scan import LogRange, Scan, Scanner
from sessionwarden.ruleset.compiled import CompiledRuleset

MOST_BAD = 20_000
"""Bad lines that a process sends at once; a range of 16 MiB can hold millions."""


def scans(
    ranges: Sequence[LogRange], ruleset: CompiledRuleset, log_format: LogFormat, *, secret: int, jobs: int
) -> Iterator[tuple[LogRange, Scan]]:
    """All scans, in the order of the ranges, by so many processes. Raises `LogFileError` if one is killed."""
    scanner = Scanner(ruleset, log_format, secret=secret)
    if jobs == 1 or not any(map(_can_be_shared, ranges)):
        yield from ((some, scan) for some in ranges for scan in scanner.scan(some))
        return
    arguments = ruleset, log_format, secret
    processes = ProcessPoolExecutor(jobs, initializer=_prepare, initargs=arguments)
    try:
        yield from _in_order(processes, scanner, ranges, ahead=2 * jobs)
    except BrokenProcessPool as error:
        raise LogFileError("a process that read the logs was killed; try --jobs 1") from error
    finally:
        processes.shutdown(cancel_futures=True)


def _can_be_shared(some: LogRange) -> bool:
    """Whether another process can scan it. What a log that is one range leaves might not fit into memory."""
    if some.of == WHOLE:
        return False
    # only a forked process has the temporary file open
    return some.log.spooled is None or multiprocessing.get_start_method() == "fork"


def _in_order(
    processes: ProcessPoolExecutor, scanner: Scanner, ranges: Iterable[LogRange], *, ahead: int
) -> Iterator[tuple[LogRange, Scan]]:
    begun: deque[tuple[LogRange, Callable[[], Iterable[Scan]]]] = deque()
    for some in ranges:
        if _can_be_shared(some):
            begun.append((some, partial(_result, processes.submit(_scan, some), scanner, some)))
        else:
            begun.append((some, partial(scanner.scan, some)))
        if len(begun) > ahead:
            first, found = begun.popleft()
            yield from ((first, scan) for scan in found())
    for rest, found in begun:
        yield from ((rest, scan) for scan in found())


def _result(future: Future[list[Scan] | None], scanner: Scanner, some: LogRange) -> Iterable[Scan]:
    found = future.result()
    return scanner.scan(some) if found is None else found


_scanner: Scanner | None = None
"""The scanner of a process that shares the first pass."""


def _prepare(ruleset: CompiledRuleset, log_format: LogFormat, secret: int) -> None:
    global _scanner
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command gets it too, and ends its processes
    _scanner = Scanner(ruleset, log_format, secret=secret)


def _scan(some: LogRange) -> list[Scan] | None:
    """All of a range, or `None` if more of it is bad than may be held and sent at once."""
    assert _scanner is not None
    found, bad = [], 0
    for scan in _scanner.scan(some):
        found.append(scan)
        bad += len(scan.bad)
        if bad > MOST_BAD:
            return None
    return found
