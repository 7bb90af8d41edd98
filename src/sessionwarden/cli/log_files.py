"""Log files in, blocks of whole lines out: plain or gzip, a file or standard input, in bounded memory.

Invariants: a file's type is told by its first bytes, never by its name; a line longer than the bound
is skipped without being held; a line that is not UTF-8 costs itself and no other.
"""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, NamedTuple, cast

from sessionwarden.errors import SessionwardenError

BLOCK_BYTES = 1 << 19
"""Of fewer lines, columns would cost their calls; of more, what is made of them leaves a core's cache."""

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


def read_blocks(path: str) -> Iterator[tuple[int, Block]]:
    """The lines of `path` (`-` is standard input), a block at a time, each with its place in bytes.

    Raises `LogFileError` if it cannot be opened, or on damage, after the lines before it.
    """
    try:
        with _opened(path) as stream:
            yield from _whole_lines(stream)
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


def _whole_lines(stream: IO[bytes]) -> Iterator[tuple[int, Block]]:
    kept = b""
    skipping = False
    reached = 0
    for chunk in _chunks(stream):
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
    if kept:
        yield reached - len(kept), kept


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """All of the stream, `BLOCK_BYTES` at a time; before damage, what could be read."""
    parts: list[bytes] = []
    size = 0
    try:
        # read, not read1: blocks must not depend on how a pipe was filled
        while part := stream.read(min(READ_BYTES, BLOCK_BYTES - size)):
            parts.append(part)
            size += len(part)
            if size == BLOCK_BYTES:
                yield b"".join(parts)
                parts, size = [], 0
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
