"""Lines of a log in, events out, with a count of all that was not an event.

Invariant: every line is counted exactly once: as an event, as blank, or as quarantined under a
reason. The wall clock bounds event times from above; the order of lines decides nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import msgspec

from sessionwarden.errors import SourceError
from sessionwarden.model.event import Event
from sessionwarden.replay.log_files import Block, Line, Unreadable, lines_of
from sessionwarden.sources.access_log.block import parse_access_block
from sessionwarden.sources.access_log.line import parse_access_line
from sessionwarden.sources.authorizer_log import is_decision_line, parse_decision_line
from sessionwarden.sources.mapped_json import FieldMapping, parse_mapped_line

Parser = Callable[[str, int], Event | None]
"""Takes a line and its number from 1, which tells identical lines apart."""

BatchParser = Callable[[bytes], list[Event] | None]
"""The event of each line of a block, or `None`: then they are to be read one by one."""

EVENTS_AT_ONCE = 4_096
"""A key's events are looked at together. With 16,384 the events leave the cache, and cost a third more."""

PIECE_BYTES = 1 << 16
"""What is made of a piece stays in a core's cache; of a megabyte it would not."""

SMALL_PIECE_BYTES = 1 << 14
"""All of its lines become slow to read if one of them is malformed."""

MAX_SAMPLE_CHARS = 1_000


class QuarantinedLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the quarantine file; `text` is its beginning."""

    file: str
    line: int
    reason: str
    text: str


def own_formats(now_ms: int) -> Parser:
    """Reads access-log lines and the authorizer's decision lines, mixed."""

    def parse(line: str, number: int) -> Event | None:
        if is_decision_line(line):
            return parse_decision_line(line, now_ms=now_ms)
        return parse_access_line(line, now_ms=now_ms)

    return parse


def own_formats_at_once(now_ms: int) -> BatchParser:
    """Reads access-log lines that are all sound, much faster."""
    return lambda block: parse_access_block(block, now_ms=now_ms)


def one_by_one(block: bytes) -> None:
    """The batch parser of formats that have none."""


def mapped_format(mapping: FieldMapping, now_ms: int) -> Parser:
    """Reads lines under an operator's mapping."""
    return lambda line, number: parse_mapped_line(line, mapping, position=number, now_ms=now_ms)


class LineReader:
    """Turns blocks of lines into events and keeps the counts."""

    def __init__(
        self,
        parse: Parser,
        quarantine: Callable[[QuarantinedLine], None],
        *,
        parse_batch: BatchParser = one_by_one,
    ) -> None:
        self._parse = parse
        self._parse_batch = parse_batch
        self._quarantine = quarantine
        self.lines = 0
        self.events = 0
        self.quarantined: Counter[str] = Counter()

    def read(self, block: Block, *, file: str, first_line: int) -> list[Event]:
        """The events of a block whose first line has the number `first_line` in `file`."""
        if isinstance(block, Unreadable):
            events = self._one_by_one([block], file=file, first_line=first_line)
        else:
            events = self._in_pieces(block, PIECE_BYTES, file=file, first_line=first_line)
        self.events += len(events)
        return events

    def count(self, events: int) -> None:
        """Count lines that somebody else has read, each of them an event."""
        self.lines += events
        self.events += events

    def refuse(self, line: QuarantinedLine) -> None:
        """Quarantine a line, whoever read it."""
        self.quarantined[line.reason] += 1
        self._quarantine(line)

    def _in_pieces(self, block: bytes, size: int, *, file: str, first_line: int) -> list[Event]:
        """Pieces of about `size` bytes at once, those that are not all sound in smaller ones."""
        events: list[Event] = []
        for piece in _pieces(block, size):
            found = self._parse_batch(piece)
            if found is not None:
                self.lines += len(found)
                first_line += len(found)
            else:
                place = first_line
                first_line += piece.count(b"\n") + 1
                if size > SMALL_PIECE_BYTES:
                    found = self._in_pieces(piece, SMALL_PIECE_BYTES, file=file, first_line=place)
                else:
                    found = self._one_by_one(lines_of(piece), file=file, first_line=place)
            events += found
        return events

    def _one_by_one(self, lines: Sequence[Line], *, file: str, first_line: int) -> list[Event]:
        events = []
        for number, line in enumerate(lines, first_line):
            try:
                event = self._event(line)
            except SourceError as error:
                self._refuse(line, file=file, number=number, reason=error.reason)
                continue
            if event is not None:
                events.append(event)
        return events

    def _event(self, line: Line) -> Event | None:
        if isinstance(line, Unreadable):
            self.lines += 1
            raise SourceError(line.reason)
        line = line.removesuffix("\r")
        if not line:
            return None
        self.lines += 1
        return self._parse(line, self.lines)

    def _refuse(self, line: Line, *, file: str, number: int, reason: str) -> None:
        text = "" if isinstance(line, Unreadable) else line[:MAX_SAMPLE_CHARS]
        self.refuse(QuarantinedLine(file=file, line=number, reason=reason, text=text))


def _pieces(block: bytes, size: int) -> Iterator[bytes]:
    """Whole lines, in pieces of about that many bytes."""
    start = 0
    while len(block) - start > size:
        end = block.find(b"\n", start + size)
        if end < 0:
            break
        yield block[start:end]
        start = end + 1
    yield block[start:]
