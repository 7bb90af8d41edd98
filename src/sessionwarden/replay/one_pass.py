"""Replays logs in one pass: an event for every line. Any format, pipes, and logs too small for two passes.

Invariant: the batches depend on the lines alone. A line that cannot be read costs itself, and the reader
counts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.replay.log_files import Log, LogFileError, Unreadable, read_blocks
from sessionwarden.replay.log_lines import EVENTS_AT_ONCE, LineReader
from sessionwarden.replay.replayer import Replayer


class OnePass:
    """A replay that makes an event of every line."""

    def __init__(self, logs: Sequence[Log], reader: LineReader, replayer: Replayer) -> None:
        self.logs = logs
        self._batches = read_logs(reader, logs)
        self._replayer = replayer

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
        """All findings, in the order of the log.

        Raises `LogFileError` if a log cannot be read to its end, after the findings before that.
        """
        for events in self._batches:
            yield from self._replayer.feed(events)


def read_logs(reader: LineReader, logs: Sequence[Log]) -> Iterator[list[Event]]:
    """The events of the logs, in their order, many at a time.

    Raises `LogFileError` if a log cannot be read to its end, after the events before that.
    """
    events: list[Event] = []
    try:
        for log in logs:
            first_line = 1
            for _, block in read_blocks(log):
                events += reader.read(block, file=log.name, first_line=first_line)
                first_line += 1 if isinstance(block, Unreadable) else block.count(b"\n") + 1
                if len(events) >= EVENTS_AT_ONCE:
                    yield events
                    events = []
    except LogFileError:
        yield events
        raise
    yield events
