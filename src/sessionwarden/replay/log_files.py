"""Reads logs as blocks of whole lines: plain or gzip, a file, standard input or a spooled copy of it.

Invariants: memory is bounded; the first bytes of a file decide its type, never its name; a line longer than
the bound is skipped without being held; a line that is not UTF-8 costs itself and no other.
"""

from __future__ import annotations

import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, NamedTuple, Protocol, cast

from sessionwarden.errors import SessionwardenError

BLOCK_BYTES = 1 << 19
"""Bytes of a block. With fewer lines, the calls that make columns of them would cost more than their work;
with more, what is made of them leaves a core's cache."""

RANGE_BLOCKS = 32
"""Blocks of a range of a log, which one process reads apart from the others."""

READ_BYTES = 1 << 16
"""Bytes that are read at once. If a log is damaged, as many before the damage may be lost."""

MAX_LINE_BYTES = 1 << 20

GZIP_MAGIC = b"\x1f\x8b"


class LogFileError(SessionwardenError):
    """A log cannot be read, or stops being readable midway."""


class Unreadable(NamedTuple):
    """Stands in the place of a line that cannot be shown to a parser."""

    reason: str


Line = str | Unreadable


Block = bytes | Unreadable
"""Whole lines, the last without its line end; `Unreadable` stands for one that was too long to keep."""


class Source(Protocol):
    """Bytes that can be read once."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


class SeekableSource(Source, Protocol):
    """Bytes that can be read at any place, in any order."""

    def seek(self, place: int, /) -> int:
        """Go on reading at that place."""
        ...


class Spooled(NamedTuple):
    """A copy of what a log holds, uncompressed, in a temporary file of this process.

    `broken` says why the log could not be read any further. `rest` is what did not fit, to be read once.
    """

    descriptor: int
    size: int
    broken: str | None = None
    rest: Source | None = None


class Log(NamedTuple):
    """A log by its name, `-` for standard input, and where it is read from if not there."""

    name: str
    spooled: Spooled | None = None


class Range(NamedTuple):
    """A part of a log by its first byte and its end, `None` for that of the log. Starts are at blocks."""

    start: int
    end: int | None


WHOLE = Range(0, None)


def ranges_of(log: Log) -> list[Range]:
    """A log's parts that can be read apart from each other; a compressed file is one part."""
    try:
        size = log.spooled.size if log.spooled else _plain_size(log.name)
    except OSError:  # reading it will say so
        return [WHOLE]
    if size <= RANGE_BLOCKS * BLOCK_BYTES:
        return [WHOLE]
    starts = range(0, size, RANGE_BLOCKS * BLOCK_BYTES)
    return [Range(start, end) for start, end in zip(starts, (*starts[1:], None), strict=True)]


def _plain_size(path: str) -> int:
    with Path(path).open("rb") as file:
        return 0 if file.read(2) == GZIP_MAGIC else os.fstat(file.fileno()).st_size


def read_blocks(log: Log, of: Range = WHOLE) -> Iterator[tuple[int, Block]]:
    """The lines of a log, a block at a time, each with its place in bytes.

    Those of its ranges, one behind the other, are those of the whole. Raises `LogFileError` if it cannot be
    opened, or on damage, after the lines before it.
    """
    try:
        with opened(log) as stream:
            yield from _whole_lines(stream, of, broken=log.spooled.broken if log.spooled else None)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(log.name, error) from error


class LogSlices:
    """Slices of a log that was read before, at places that must not go backwards. Close it.

    Raises `LogFileError` if it cannot be opened, and later if it is not what it was.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._opened = ExitStack()
        self._stream: SeekableSource | None = None

    def read(self, place: int, length: int) -> bytes:
        """So many bytes from that place on."""
        try:
            if self._stream is None:
                self._stream = self._opened.enter_context(opened(self._log))
            self._stream.seek(place)
            found = self._stream.read(length)
        except (OSError, EOFError, zlib.error) as error:
            raise unreadable(self._log.name, error) from error
        if len(found) != length:
            raise LogFileError(f"{self._log.name} has changed while it was read")
        return found

    def close(self) -> None:
        """Safe at any time."""
        self._opened.close()


def unreadable(path: str, error: Exception) -> LogFileError:
    """The error that says which log cannot be read, and why."""
    return LogFileError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}")


@contextmanager
def opened(log: Log) -> Iterator[SeekableSource]:
    """A log's bytes, uncompressed."""
    if log.spooled is not None:
        yield _SpooledBytes(log.spooled)
    elif log.name == "-":
        yield _unzipped(sys.stdin.buffer)
    else:
        with Path(log.name).open("rb") as file:
            yield _unzipped(file)


class _SpooledBytes:
    """Reads a spooled copy at a place of its own: processes that share the file do not share the place."""

    def __init__(self, spooled: Spooled) -> None:
        self._spooled = spooled
        self._place = 0

    def seek(self, place: int, /) -> int:
        self._place = place
        return place

    def read(self, size: int, /) -> bytes:
        found = os.pread(self._spooled.descriptor, size, self._place)
        if not found and self._spooled.rest is not None:
            found = self._spooled.rest.read(size)
        self._place += len(found)
        return found


def _unzipped(file: IO[bytes]) -> SeekableSource:
    buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, file))
    if buffered.peek(2)[:2] != GZIP_MAGIC:
        return buffered
    return gzip.GzipFile(fileobj=buffered)


def _whole_lines(stream: SeekableSource, of: Range, *, broken: str | None) -> Iterator[tuple[int, Block]]:
    reached = of.start
    kept, skipping = _begun(stream, reached) if reached else (b"", False)
    for chunk in chunks(stream, None if of.end is None else of.end - of.start):
        place, reached = reached - len(kept), reached + len(chunk)
        if skipping:
            _, newline, chunk = chunk.partition(b"\n")
            skipping = not newline
            place = reached - len(chunk)
        end = chunk.rfind(b"\n")
        if end >= 0:
            yield place, kept + chunk[:end]
            kept = b""
        kept += chunk[end + 1 :]
        if len(kept) > MAX_LINE_BYTES:
            yield place, Unreadable("line_too_long")
            kept, skipping = b"", True
    if of.end is not None:
        return
    if broken is not None:
        raise LogFileError(broken)
    if kept:
        yield reached - len(kept), kept


def _begun(stream: SeekableSource, start: int) -> tuple[bytes, bool]:
    """The beginning of the line that `start` lies in, or that it is too long to be kept; seeks to `start`."""
    first = max(0, start - MAX_LINE_BYTES - 1)
    stream.seek(first)
    before = stream.read(start - first)
    kept = before[before.rfind(b"\n") + 1 :]
    return (b"", True) if len(kept) > MAX_LINE_BYTES else (kept, False)


def chunks(stream: SeekableSource, size: int | None) -> Iterator[bytes]:
    """So much of the stream (`None`: all), `BLOCK_BYTES` at a time; before damage, what could be read."""
    left = sys.maxsize if size is None else size
    parts: list[bytes] = []
    held = 0
    try:
        # read, not read1: blocks must not depend on how a pipe was filled
        while part := stream.read(min(READ_BYTES, BLOCK_BYTES - held, left)):
            parts.append(part)
            held, left = held + len(part), left - len(part)
            if held == BLOCK_BYTES:
                yield b"".join(parts)
                parts, held = [], 0
    except (OSError, EOFError, zlib.error):
        yield b"".join(parts)
        raise
    yield b"".join(parts)


def lines_of(block: Block) -> list[Line]:
    """The lines of a block, without line ends."""
    if isinstance(block, Unreadable):
        return [block]
    try:
        return list(block.decode().split("\n"))
    except UnicodeDecodeError:
        return [_decoded_line(line) for line in block.split(b"\n")]


def _decoded_line(line: bytes) -> Line:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return Unreadable("not_utf8")
