"""A log that is read twice: first all of it as columns, then, as events, the rows that can matter.

Enters: logs that are files, in our own formats. Leaves: findings and counts, the same as of reading once.
Invariant: the closer look gets the batches of the first, less rows that are not wanted, at the same times.
What is remembered between the two, 5 bytes a line and 4 more for each kind of group key, lies in a temporary
file without a name: a log of a month must not have to fit into memory.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

import msgspec
import numpy as np

from sessionwarden.cli.log_files import Block, LogAgain, LogFileError, Unreadable, read_blocks
from sessionwarden.cli.log_lines import EVENTS_AT_ONCE, LineReader, own_formats, own_formats_at_once
from sessionwarden.detection.acceptance import LATE_MS, LogTime, Span
from sessionwarden.detection.replaying import Replayer
from sessionwarden.detection.survey import Notes, Survey, wanted_rows
from sessionwarden.model.columns import Columns, EventColumns, Integers, JoinedColumns, TextNumbers
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.sources.access_log_columns import ColumnReader

LENGTH_BYTES = 4


class Part(msgspec.Struct, frozen=True, array_like=True):
    """A block of a log, and how many events it has. `plain` if each of its lines is one."""

    log: int
    place: int
    length: int
    rows: int
    plain: bool


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """What a batch was made of, and the times that judge it."""

    parts: list[Part]
    spans: list[Span]


class Looked(NamedTuple):
    """A block that was looked at; `ends` are those of its lines, if it is plain."""

    part: Part
    columns: Columns
    ends: Integers


class ReadTwice:
    """A replay of `logs` by two readings. `reader` counts lines, and those that are quarantined."""

    def __init__(
        self, logs: Sequence[str], ruleset: CompiledRuleset, reader: LineReader, *, now_ms: int
    ) -> None:
        self._logs = logs
        self._reader = reader
        self._now_ms = now_ms
        self._numbering = TextNumbers(secrets.randbits(128))
        self._survey = Survey(ruleset, self._numbering)
        self._columns = ColumnReader(self._survey.fields, self._numbering, now_ms=now_ms)
        self._replayer = Replayer(ruleset)
        self._time = LogTime()
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
        with tempfile.TemporaryFile() as notes:
            broken = self._first_reading(notes)
            notes.seek(0)
            yield from self._second_reading(notes)
        if broken is not None:
            raise broken

    def _first_reading(self, notes: IO[bytes]) -> LogFileError | None:
        looked: list[Looked] = []
        broken = None
        try:
            for number, log in enumerate(self._logs):
                for one in self._look(number, log):
                    looked.append(one)
                    if sum(block.part.rows for block in looked) >= EVENTS_AT_ONCE:
                        self._note(looked, notes)
                        looked = []
        except LogFileError as error:
            broken = error
        if looked:
            self._note(looked, notes)
        return broken

    def _look(self, number: int, log: str) -> Iterator[Looked]:
        line = 1
        for place, block in read_blocks(log):
            columns = None if isinstance(block, Unreadable) else self._columns.read(block)
            if columns is not None:
                rows = lines = len(columns.times)
                self._reader.count(rows)
                part = Part(number, place, len(block), rows, True)
                yield Looked(part, columns, columns.ends)
            else:
                events = self._reader.read(block, file=log, first_line=line)
                lines = 1 if isinstance(block, Unreadable) else block.count(b"\n") + 1
                if events:
                    part = Part(number, place, len(block), len(events), False)
                    seen = EventColumns(events, self._survey.fields, self._numbering)
                    yield Looked(part, seen, np.zeros(len(events), np.int64))
            line += lines

    def _note(self, looked: Sequence[Looked], file: IO[bytes]) -> None:
        columns = JoinedColumns([block.columns for block in looked])
        spans = list(self._time.spans(columns.times.tolist()))
        for first, end, now_ms in spans:
            self.late += int(np.count_nonzero(columns.times[first:end] < now_ms - LATE_MS))
        notes = self._survey.note(columns, now_ms=self._time.reached_ms)
        self.refused += notes.refused
        ends = np.concatenate([block.ends for block in looked])
        _write(file, Batch([block.part for block in looked], spans), notes, ends)

    def _second_reading(self, file: IO[bytes]) -> Iterator[Finding]:
        may_fire = self._survey.may_fire()
        again = [LogAgain(log) for log in self._logs]
        try:
            for batch, notes, ends in _written(file, shapes=len(may_fire)):
                rows = wanted_rows(notes, may_fire)
                events = list(self._events(batch.parts, rows, ends, again))
                for first, end, now_ms in batch.spans:
                    start, stop = np.searchsorted(rows, (first, end)).tolist()
                    yield from self._replayer.feed_at(events[start:stop], now_ms=now_ms)
        finally:
            for log in again:
                log.close()

    def _events(
        self, parts: Sequence[Part], rows: Integers, ends: Integers, again: Sequence[LogAgain]
    ) -> Iterator[Event]:
        first = 0
        for part in parts:
            start, stop = np.searchsorted(rows, (first, first + part.rows)).tolist()
            wanted = (rows[start:stop] - first).tolist()
            log = again[part.log]
            if wanted and part.plain:
                own_ends = ends[first : first + part.rows].tolist()
                spans = [(own_ends[row - 1] + 1 if row else 0, own_ends[row]) for row in wanted]
                lines = [log.read(part.place + begin, end - begin) for begin, end in spans]
                yield from self._read(b"\n".join(lines), part, events=len(wanted))
            elif wanted:
                events = self._read(log.read(part.place, part.length), part, events=part.rows)
                yield from (events[row] for row in wanted)
            first += part.rows

    def _read(self, block: Block, part: Part, *, events: int) -> list[Event]:
        quietly = LineReader(
            own_formats(self._now_ms), lambda line: None, parse_batch=own_formats_at_once(self._now_ms)
        )
        found = quietly.read(block, file="", first_line=1)
        if len(found) != events:
            raise LogFileError(f"{self._logs[part.log]} has changed while it was read")
        return found


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Batch).decode


def _write(file: IO[bytes], batch: Batch, notes: Notes, ends: Integers) -> None:
    head = _encode(batch)
    try:
        file.write(len(head).to_bytes(LENGTH_BYTES, "big") + head)
        for column in (ends.astype(np.uint32), notes.wanted, *notes.keys):
            file.write(column.tobytes())
    except OSError as error:
        raise LogFileError(f"cannot keep notes of the log: {error.strerror}") from error


def _written(file: IO[bytes], *, shapes: int) -> Iterator[tuple[Batch, Notes, Integers]]:
    while length := file.read(LENGTH_BYTES):
        batch = _decode(file.read(int.from_bytes(length, "big")))
        rows = sum(part.rows for part in batch.parts)
        ends = np.frombuffer(file.read(4 * rows), np.uint32).astype(np.int64)
        wanted = np.frombuffer(file.read(rows), np.bool_)
        keys = [np.frombuffer(file.read(4 * rows), np.uint32) for _ in range(shapes)]
        yield batch, Notes(wanted, keys, 0), ends
