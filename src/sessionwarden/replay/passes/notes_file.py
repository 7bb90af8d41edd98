"""What the first pass leaves for the second: notes on the rows of each block, in a temporary file.

A row takes 14 bytes, and 4 for each kind of group key. A log of a month need not fit into memory. What the
notes mean: `prefilter`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, NamedTuple

import msgspec
import numpy as np

from sessionwarden.replay.columns.columns import Integers
from sessionwarden.replay.log_files import LogFileError
from sessionwarden.replay.passes.prefilter import Notes

LENGTH_BYTES = 4


class BlockInfo(msgspec.Struct, frozen=True, array_like=True):
    """Where a block of a log lies (bytes), and how many events it has.

    `plain` if each of its lines is one. `lines` that are not blank precede it.
    """

    log: int
    place: int
    length: int
    rows: int
    plain: bool
    lines: int


class BlockGroup(NamedTuple):
    """Blocks one behind the other, and of their rows: times, where lines end in a plain block, and notes."""

    blocks: Sequence[BlockInfo]
    times: Integers
    ends: Integers
    notes: Notes


class BlockNotes(NamedTuple):
    """A block, and what belongs to its rows."""

    block: BlockInfo
    times: Integers
    ends: Integers
    notes: Notes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[BlockInfo]).decode


@contextmanager
def kept() -> Iterator[IO[bytes]]:
    """A temporary file without a name."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  closed below
    try:
        yield file
    finally:
        with suppress(OSError):  # what there was no room for, closing would try to write once more
            file.close()


def write(file: IO[bytes], group: BlockGroup) -> None:
    """Put a group behind the others. Raises `LogFileError` if there is no room."""
    head = _encode(group.blocks)
    always, refused, keys = group.notes
    try:
        file.write(len(head).to_bytes(LENGTH_BYTES, "big") + head)
        file.write(group.times.tobytes() + group.ends.astype(np.uint32).tobytes())
        file.write(always.tobytes() + refused.tobytes() + b"".join(column.tobytes() for column in keys))
        file.flush()
    except OSError as error:
        raise LogFileError(f"cannot keep notes of the log: {error.strerror}") from error


def read(file: IO[bytes], *, shapes: int) -> Iterator[BlockNotes]:
    """All blocks, from where the file stands. `shapes` is how many keys a row has."""
    while length := file.read(LENGTH_BYTES):
        blocks = _decode(file.read(int.from_bytes(length, "big")))
        rows = sum(block.rows for block in blocks)
        times = np.frombuffer(file.read(8 * rows), np.int64)
        ends = np.frombuffer(file.read(4 * rows), np.uint32).astype(np.int64)
        always, refused = (np.frombuffer(file.read(rows), np.bool_) for _ in range(2))
        keys = [np.frombuffer(file.read(4 * rows), np.uint32) for _ in range(shapes)]
        first = 0
        for block in blocks:
            own = slice(first, first + block.rows)
            notes = Notes(always[own], refused[own], [column[own] for column in keys])
            yield BlockNotes(block, times[own], ends[own], notes)
            first += block.rows
