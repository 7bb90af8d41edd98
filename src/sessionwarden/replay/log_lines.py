"""Turns the lines of a log into events, and counts what was no event.

Invariant: every line is counted exactly once: as an event, as blank, or as quarantined under a
reason. The wall clock bounds event times from above; the order of lines decides nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import msgspec

from sessionwarden.errors import SourceError
from sessionwarden.model.event import Event
from sessionwarden.replay.formats import LogFormat
from sessionwarden.replay.log_files import Block, Line, Unreadable, lines_of
from sessionwarden.sources.redaction import redacted

EVENTS_AT_ONCE = 4_096
"""Events of a batch. A key's events of one batch are evaluated together; of 16,384, each costs a third more,
because they leave the cache."""

PIECE_BYTES = 1 << 16
"""Bytes of lines that are parsed at once: what is made of them stays in a core's cache."""

SMALL_PIECE_BYTES = 1 << 14
"""Bytes that are parsed at once where a line is malformed, because it makes all lines of its piece slow."""

MAX_SAMPLE_CHARS = 1_000


class QuarantinedLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the quarantine file; `text` is its beginning."""

    file: str
    line: int
    reason: str
    text: str


class LineReader:
    """Turns blocks of lines into events and keeps the counts."""

    def __init__(self, log_format: LogFormat, quarantine: Callable[[QuarantinedLine], None]) -> None:
        self.format = log_format
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
        """Count lines that were read as columns, each of them an event."""
        self.lines += events
        self.events += events

    def refuse(self, line: QuarantinedLine) -> None:
        """Quarantine a line that this reader or the one of another process could not read."""
        self.quarantined[line.reason] += 1
        self._quarantine(line)

    def _in_pieces(self, block: bytes, size: int, *, file: str, first_line: int) -> list[Event]:
        """Pieces of about `size` bytes at once, those that are not all sound in smaller ones."""
        events: list[Event] = []
        for piece in _pieces(block, size):
            found = self.format.parse_block(piece)
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
        return self.format.parse_line(line, self.lines)

    def _refuse(self, line: Line, *, file: str, number: int, reason: str) -> None:
        text = "" if isinstance(line, Unreadable) else redacted(line[:MAX_SAMPLE_CHARS])
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
