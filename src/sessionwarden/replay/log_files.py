"""Log files in, blocks of whole lines out: plain or gzip, a file or standard input, in bounded memory.

Invariants: a file's type is told by its first bytes, never by its name; a line longer than the bound
is skipped without being held; a line that is not UTF-8 costs itself and no other.
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
from typing import IO, NamedTuple, cast

from sessionwarden.errors import SessionwardenError

BLOCK_BYTES = 1 << 19
"""Of fewer lines, columns would cost their calls; of more, what is made of them leaves a core's cache."""

RANGE_BLOCKS = 32
"""Of a part of a log that is read apart from the others."""

READ_BYTES = 1 << 16
"""Of a log that is damaged, as many bytes before the damage may be lost."""

MAX_LINE_BYTES = 1 << 20

_GZIP_MAGIC = b"\x1f\x8b"


class LogFileError(SessionwardenError):
    """A log cannot be read, or stops being readable midway."""


class Unreadable(NamedTuple):
    """Stands in the place of a line that cannot be shown to a parser."""

    reason: str


Line = str | Unreadable


Block = bytes | Unreadable
"""Whole lines, the last without its line end; `Unreadable` stands for one that was too long to keep."""


class Range(NamedTuple):
    """A part of a log by its first byte and its end, `None` for that of the log. Starts are at blocks."""

    start: int
    end: int | None


WHOLE = Range(0, None)


def ranges_of(path: str) -> list[Range]:
    """A log's parts that can be read apart from each other: of one that is compressed there is one."""
    try:
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if file.read(2) == _GZIP_MAGIC or size <= RANGE_BLOCKS * BLOCK_BYTES:
                return [WHOLE]
    except OSError:  # whoever reads it will say so
        return [WHOLE]
    starts = range(0, size, RANGE_BLOCKS * BLOCK_BYTES)
    return [Range(start, end) for start, end in zip(starts, (*starts[1:], None), strict=True)]


def read_blocks(path: str, of: Range = WHOLE) -> Iterator[tuple[int, Block]]:
    """The lines of `path` (`-` is standard input), a block at a time, each with its place in bytes.

    Those of its ranges, one behind the other, are those of the whole. Raises `LogFileError` if it cannot be
    opened, or on damage, after the lines before it.
    """
    try:
        with _opened(path) as stream:
            yield from _whole_lines(stream, of)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error


class LogAgain:
    """A log that was read before, at places that must not go backwards. Close it.

    Raises `LogFileError` if it cannot be opened, and later if it is not what it was.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._opened = ExitStack()
        self._stream: IO[bytes] | None = None

    def read(self, place: int, length: int) -> bytes:
        """So many bytes from that place on."""
        try:
            if self._stream is None:
                self._stream = self._opened.enter_context(_opened(self._path))
            self._stream.seek(place)
            found = self._stream.read(length)
        except (OSError, EOFError, zlib.error) as error:
            raise _unreadable(self._path, error) from error
        if len(found) != length:
            raise LogFileError(f"{self._path} has changed while it was read")
        return found

    def close(self) -> None:
        """Safe at any time."""
        self._opened.close()


def _unreadable(path: str, error: Exception) -> LogFileError:
    return LogFileError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}")


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    if path == "-":
        yield _unzipped(sys.stdin.buffer)
        return
    with Path(path).open("rb") as file:
        yield _unzipped(file)


def _unzipped(file: IO[bytes]) -> IO[bytes]:
    buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, file))
    if buffered.peek(2)[:2] != _GZIP_MAGIC:
        return buffered
    return cast(IO[bytes], gzip.GzipFile(fileobj=buffered))


def _whole_lines(stream: IO[bytes], of: Range) -> Iterator[tuple[int, Block]]:
    reached = of.start
    kept, skipping = _begun(stream, reached) if reached else (b"", False)
    for chunk in _chunks(stream, None if of.end is None else of.end - of.start):
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
    if kept and of.end is None:
        yield reached - len(kept), kept


def _begun(stream: IO[bytes], start: int) -> tuple[bytes, bool]:
    """The beginning of the line that `start` lies in, or that it is too long to be kept; seeks to `start`."""
    first = max(0, start - MAX_LINE_BYTES - 1)
    stream.seek(first)
    before = stream.read(start - first)
    kept = before[before.rfind(b"\n") + 1 :]
    return (b"", True) if len(kept) > MAX_LINE_BYTES else (kept, False)


def _chunks(stream: IO[bytes], size: int | None) -> Iterator[bytes]:
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
