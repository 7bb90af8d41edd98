"""Replays logs in two passes: all lines as columns, then, as events, the rows that can matter.

Enters: logs that can be read again. Leaves: findings and counts, the same as of one pass. Invariant: the
second pass gets the batches that one pass would make, without the rows that cannot matter, at the same times.
What is remembered between the passes lies in a temporary file: a log of a month need not fit into memory.
Several processes can share the first pass.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

import msgspec
import numpy as np

from sessionwarden.detection.acceptance import LATE_MS, LogTime
from sessionwarden.errors import SourceError
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.replay.columns.columns import TextNumbers
from sessionwarden.replay.formats import LogFormat
from sessionwarden.replay.log_files import Log, LogFileError, LogSlices, ranges_of
from sessionwarden.replay.log_lines import EVENTS_AT_ONCE, LineReader
from sessionwarden.replay.passes import notes_file
from sessionwarden.replay.passes.notes_file import BlockInfo, BlockNotes
from sessionwarden.replay.passes.prefilter import Prefilter, candidate_rows
from sessionwarden.replay.passes.scan import LogRange, Scan
from sessionwarden.replay.passes.shared_scan import scans
from sessionwarden.replay.replayer import Replayer
from sessionwarden.ruleset.compiled import CompiledRuleset


def fields_read(ruleset: CompiledRuleset) -> frozenset[str]:
    """The event fields that the first pass reads."""
    return Prefilter(ruleset, TextNumbers(0)).fields


class TwoPasses:
    """A replay of `logs` in two passes, the first by `jobs` processes.

    `reader` counts lines, and quarantines.
    """

    def __init__(
        self,
        logs: Sequence[Log],
        ruleset: CompiledRuleset,
        reader: LineReader,
        replayer: Replayer,
        *,
        jobs: int = 1,
    ) -> None:
        self._logs = logs
        self._ruleset = ruleset
        self._reader = reader
        self._format = reader.format
        self._replayer = replayer
        self._jobs = jobs
        self._secret = secrets.randbits(128)
        self._prefilter = Prefilter(ruleset, TextNumbers(self._secret))
        self.late = 0
        self.refused = 0

    @property
    def failed(self) -> int:
        """Events on which a rule raised."""
        return self._replayer.failed

    def findings(self) -> Iterator[Finding]:
        """All findings, in the order of the log.

        Raises `LogFileError` if a log cannot be read to its end, after the findings before that.
        """
        with notes_file.kept() as notes:
            broken = self._first_pass(notes)
            notes.seek(0)
            yield from self._second_pass(notes)
        if broken is not None:
            raise LogFileError(broken)

    def _first_pass(self, notes: IO[bytes]) -> str | None:
        line, log, reached = 0, 0, 0
        for some, scan in self._scans():
            line = line if some.number == log else 0
            for bad in scan.bad:
                self._reader.refuse(msgspec.structs.replace(bad, line=line + bad.line))
            scan = scan.behind(self._reader.lines)
            self._reader.lines += scan.lines
            self._reader.events += scan.events
            line, log = line + scan.text_lines, some.number
            if scan.group is not None:
                reached = max(reached, int(scan.group.times.max()))
                notes_file.write(notes, scan.group)
            self._prefilter.merge(scan.counted, reached_ms=reached)
            if scan.broken is not None:
                return scan.broken
        return None

    def _scans(self) -> Iterator[tuple[LogRange, Scan]]:
        ranges = [
            LogRange(number, log, some) for number, log in enumerate(self._logs) for some in ranges_of(log)
        ]
        return scans(ranges, self._ruleset, self._format, secret=self._secret, jobs=self._jobs)

    def _second_pass(self, file: IO[bytes]) -> Iterator[Finding]:
        may_fire = self._prefilter.may_fire()
        slices = [LogSlices(log) for log in self._logs]
        time = LogTime()
        try:
            for batch in _batches(notes_file.read(file, shapes=self._prefilter.shapes)):
                rows: list[int] = []
                events: list[Event] = []
                first = 0
                for some in batch:
                    candidates = candidate_rows(some.notes, may_fire).tolist()
                    events += self._events(some, candidates, slices[some.block.log]) if candidates else ()
                    rows += [first + row for row in candidates]
                    first += some.block.rows
                yield from self._replayed(batch, rows, events, time)
        finally:
            for log in slices:
                log.close()

    def _replayed(
        self, batch: Sequence[BlockNotes], rows: Sequence[int], events: Sequence[Event], time: LogTime
    ) -> Iterator[Finding]:
        times = np.concatenate([some.times for some in batch])
        refused = np.concatenate([some.notes.refused for some in batch])
        for first, end, now_ms in time.spans(times.tolist()):
            late = times[first:end] < now_ms - LATE_MS
            self.late += int(np.count_nonzero(late))
            self.refused += int(np.count_nonzero(refused[first:end] & ~late))
            start, stop = np.searchsorted(rows, (first, end)).tolist()
            yield from self._replayer.feed_at(events[start:stop], now_ms=now_ms)

    def _events(self, some: BlockNotes, rows: Sequence[int], log: LogSlices) -> list[Event]:
        block = some.block
        if not block.plain:
            events = self._events_of(log.read(block.place, block.length), block)
            return [events[row] for row in rows]
        ends = some.ends.tolist()
        spans = [(ends[row - 1] + 1 if row else 0, ends[row]) for row in rows]
        lines = [log.read(block.place + begin, end - begin) for begin, end in spans]
        events = _plain_events(self._format, lines, [block.lines + row + 1 for row in rows])
        if len(events) != len(rows):
            raise self._changed(block)
        return events

    def _events_of(self, lines: bytes, block: BlockInfo) -> list[Event]:
        reader = LineReader(self._format, lambda line: None)
        reader.lines = block.lines
        events = reader.read(lines, file="", first_line=1)
        if len(events) != block.rows:
            raise self._changed(block)
        return events

    def _changed(self, block: BlockInfo) -> LogFileError:
        return LogFileError(f"{self._logs[block.log].name} has changed while it was read")


def _plain_events(log_format: LogFormat, lines: Sequence[bytes], numbers: Sequence[int]) -> list[Event]:
    """The events of lines that have one each; fewer if the lines are not what they were."""
    events = log_format.parse_block(b"\n".join(lines))
    if events is not None:
        return events
    try:
        found = [
            log_format.parse_line(line.decode(), number) for line, number in zip(lines, numbers, strict=True)
        ]
    except (SourceError, UnicodeDecodeError):
        return []
    return [event for event in found if event is not None]


def _batches(blocks: Iterable[BlockNotes]) -> Iterator[list[BlockNotes]]:
    """The blocks, as many together as make a batch of events."""
    batch: list[BlockNotes] = []
    rows = 0
    for some in blocks:
        batch.append(some)
        rows += some.block.rows
        if rows >= EVENTS_AT_ONCE:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch
