"""What a first reading leaves for the second: notes of rows, in a file.

Enters: groups of rows with their notes. Leaves: the same, block by block, in order. A row takes 14 bytes and
4 for each kind of group key. Leaves out what they mean: `detection.survey`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, NamedTuple

import msgspec
import numpy as np

from sessionwarden.replay.columnar.columns import Integers
from sessionwarden.replay.columnar.prefilter import Notes
from sessionwarden.replay.log_files import LogFileError

LENGTH_BYTES = 4


class Part(msgspec.Struct, frozen=True, array_like=True):
    """A block of a log, and how many events it has. `plain` if each of its lines is one."""

    log: int
    place: int
    length: int
    rows: int
    plain: bool


class Group(NamedTuple):
    """Blocks one behind the other, and of their rows: times, ends of lines within the block if it is
    plain, and notes.
    """

    parts: Sequence[Part]
    times: Integers
    ends: Integers
    notes: Notes


class PartNotes(NamedTuple):
    """A block of a group with what belongs to it."""

    part: Part
    times: Integers
    ends: Integers
    notes: Notes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Part]).decode


@contextmanager
def kept() -> Iterator[IO[bytes]]:
    """A temporary file without a name."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  closed below
    try:
        yield file
    finally:
        with suppress(OSError):  # what there was no room for, closing would try to write once more
            file.close()


def write(file: IO[bytes], group: Group) -> None:
    """Put a group behind the others. Raises `LogFileError` if there is no room."""
    head = _encode(group.parts)
    wanted, refused, keys = group.notes
    try:
        file.write(len(head).to_bytes(LENGTH_BYTES, "big") + head)
        file.write(group.times.tobytes() + group.ends.astype(np.uint32).tobytes())
        file.write(wanted.tobytes() + refused.tobytes() + b"".join(column.tobytes() for column in keys))
        file.flush()
    except OSError as error:
        raise LogFileError(f"cannot keep notes of the log: {error.strerror}") from error


def read(file: IO[bytes], *, shapes: int) -> Iterator[PartNotes]:
    """All blocks, from where the file stands. `shapes` is how many keys a row has."""
    while length := file.read(LENGTH_BYTES):
        parts = _decode(file.read(int.from_bytes(length, "big")))
        rows = sum(part.rows for part in parts)
        times = np.frombuffer(file.read(8 * rows), np.int64)
        ends = np.frombuffer(file.read(4 * rows), np.uint32).astype(np.int64)
        wanted, refused = (np.frombuffer(file.read(rows), np.bool_) for _ in range(2))
        keys = [np.frombuffer(file.read(4 * rows), np.uint32) for _ in range(shapes)]
        first = 0
        for part in parts:
            own = slice(first, first + part.rows)
            notes = Notes(wanted[own], refused[own], [column[own] for column in keys])
            yield PartNotes(part, times[own], ends[own], notes)
            first += part.rows
