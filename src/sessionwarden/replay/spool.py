"""Copies logs that can be read only once, or only from their beginning, to a temporary file.

Pipes and compressed files then take the same two passes as plain files. Invariant: the copy holds what one
pass would have read; no more than `limit_bytes` are written for all logs together, and what does not fit is
still read, once. The file has no name, so that nothing is left behind whatever ends the process.
"""

from __future__ import annotations

import stat
import tempfile
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from sessionwarden.replay.log_files import (
    GZIP_MAGIC,
    Log,
    Source,
    Spooled,
    chunks,
    opened,
    unreadable,
)

MIB = 1 << 20
LIMIT_MIB = 8_192
"""The bytes (MiB) that are spooled unless the operator says otherwise: about 16 million lines."""


def spooled_logs(logs: Sequence[Log], files: ExitStack, *, limit_bytes: int) -> list[Log]:
    """The logs, with copies of those that are pipes or compressed, which `files` closes.

    Spooling ends at the first log that does not fit: the last of the copies then has a `rest`. The others are
    read to their end.
    """
    found: list[Log] = []
    left = limit_bytes
    for log in logs:
        if left > 0 and _needs_a_copy(log.name):
            log = _copied(log, files, limit_bytes=left)
            assert log.spooled is not None
            left = 0 if log.spooled.rest else left - log.spooled.size
        found.append(log)
    return found


def _needs_a_copy(name: str) -> bool:
    if name == "-":
        return True
    try:
        if not stat.S_ISREG(Path(name).stat().st_mode):
            return not Path(name).is_dir()
        with Path(name).open("rb") as file:
            return file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    except OSError:  # reading it will say so
        return False


def _copied(log: Log, files: ExitStack, *, limit_bytes: int) -> Log:
    file = files.enter_context(tempfile.TemporaryFile(buffering=0))  # noqa: SIM115  entered here
    size, broken = 0, None
    try:
        source = files.enter_context(opened(log))
        for part in chunks(source, None):
            if size + len(part) > limit_bytes or not _written(file, part):
                file.truncate(size)
                return log._replace(spooled=Spooled(file.fileno(), size, rest=_Chained(part, source)))
            size += len(part)
    except (OSError, EOFError, zlib.error) as error:
        broken = str(unreadable(log.name, error))
    return log._replace(spooled=Spooled(file.fileno(), size, broken=broken))


def _written(file: IO[bytes], part: bytes) -> bool:
    """Whether there was room."""
    view = memoryview(part)
    try:
        while view:
            view = view[file.write(view) :]
    except OSError:
        return False
    return True


class _Chained:
    """A part that was read already, then what is behind it."""

    def __init__(self, part: bytes, source: Source) -> None:
        self._part = part
        self._source = source

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        if not self._part:
            return self._source.read(size)
        found, self._part = self._part[:size], self._part[size:]
        return found
