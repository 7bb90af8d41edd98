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
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, cast

from sessionwarden.errors import SessionwardenError

BLOCK_BYTES = 1 << 16
"""What is made of a block stays in a core's cache; of a megabyte it would not."""

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


def read_blocks(path: str) -> Iterator[Block]:
    """The lines of `path` (`-` is standard input), a block at a time.

    Raises `LogFileError` if it cannot be opened, or on damage, after the lines before it.
    """
    try:
        with _opened(path) as stream:
            yield from _whole_lines(stream)
    except (OSError, EOFError, zlib.error) as error:
        raise LogFileError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


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


def _whole_lines(stream: IO[bytes]) -> Iterator[Block]:
    kept = b""
    skipping = False
    # read, not read1: blocks must not depend on how a pipe was filled
    while chunk := stream.read(BLOCK_BYTES):
        if skipping:
            _, newline, chunk = chunk.partition(b"\n")
            skipping = not newline
        end = chunk.rfind(b"\n")
        if end >= 0:
            yield kept + chunk[:end]
            kept = b""
        kept += chunk[end + 1 :]
        if len(kept) > MAX_LINE_BYTES:
            yield Unreadable("line_too_long")
            kept, skipping = b"", True
    if kept:
        yield kept


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
