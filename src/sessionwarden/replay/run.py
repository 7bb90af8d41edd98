"""Replays logs in the way that costs least: in two passes where they are large and can be read again.

Invariant: the findings do not depend on the way. Logs that can be read only once, and compressed ones, are
spooled to a temporary file first, unless the operator forbids it or they do not fit.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from sessionwarden.model.finding import Finding
from sessionwarden.replay.log_files import Log
from sessionwarden.replay.log_lines import LineReader
from sessionwarden.replay.one_pass import OnePass
from sessionwarden.replay.replayer import Replayer
from sessionwarden.replay.spool import spooled_logs
from sessionwarden.ruleset.compiled import CompiledRuleset

WORTH_TWO_PASSES = 1 << 22
"""Bytes of logs from which on loading numpy and reading twice cost less than an event for every line."""


class Replay(Protocol):
    """A replay of logs: the findings, and when they are all there, what was dropped on the way."""

    @property
    def late(self) -> int: ...

    @property
    def refused(self) -> int: ...

    @property
    def failed(self) -> int: ...

    def findings(self) -> Iterator[Finding]: ...


@contextmanager
def replay_of(
    logs: Sequence[str],
    ruleset: CompiledRuleset,
    reader: LineReader,
    replayer: Replayer,
    *,
    spool_bytes: int,
    jobs: int = 1,
) -> Iterator[Replay]:
    """The way that costs least for these logs. `spool_bytes` of 0 forbids temporary copies of logs."""
    with ExitStack() as files:
        found = spooled_logs([Log(log) for log in logs], files, limit_bytes=spool_bytes)
        if _size(found) < WORTH_TWO_PASSES:
            yield OnePass(found, reader, replayer)
            return
        # numpy takes a tenth of a second to load, and small logs do without
        from sessionwarden.replay.passes.two_passes import TwoPasses, fields_read

        # an id that depends on the number of its line is not known to the process that scans a range
        if reader.format.derives_ids and "id" in fields_read(ruleset):
            yield OnePass(found, reader, replayer)
        else:
            yield TwoPasses(found, ruleset, reader, replayer, jobs=jobs)


def did_not_fit(replay: Replay) -> bool:
    """Whether logs are replayed in one pass because they did not fit into the temporary file."""
    return isinstance(replay, OnePass) and any(log.spooled and log.spooled.rest for log in replay.logs)


def _size(logs: Sequence[Log]) -> int:
    """The bytes of the logs; 0 if one of them cannot be read twice."""
    sizes = [_size_of(log) for log in logs]
    return sum(sizes) if all(sizes) else 0


def _size_of(log: Log) -> int:
    if log.spooled is not None:
        return 0 if log.spooled.rest else max(log.spooled.size, 1)
    try:
        found = Path(log.name).stat()
    except OSError:  # reading it will say so
        return 0
    return max(found.st_size, 1) if stat.S_ISREG(found.st_mode) else 0
