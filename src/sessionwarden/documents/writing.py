"""Writes files that other programs read, whole or not at all: rules, schemas, compiled sets and reports.

Invariant: another process that reads the file meanwhile, a deployment or a CI server, never sees half of it.
Raises `SessionwardenError` with the file's name if it cannot be written.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from sessionwarden.errors import SessionwardenError
from sessionwarden.printable import printable

NAME_LIMIT = 300
"""Characters of a file's name in an error."""


def write_whole(path: Path, data: bytes) -> None:
    """Replace `path` at once, or leave it as it was; write to what is no file, such as `/dev/stdout`."""
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        temporary = _written_beside(path, data)
        try:
            os.replace(temporary, path)
        except OSError:
            temporary.unlink()
            raise
    except OSError as error:
        name = printable(str(path), limit=NAME_LIMIT)
        raise SessionwardenError(f"{name} cannot be written: {error.strerror}") from error


def write_new(path: Path, data: bytes) -> None:
    """Write a file that must not exist yet; `FileExistsError` if it does, however recently it was made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(data)


def _written_beside(path: Path, data: bytes) -> Path:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
        file.write(data)
    temporary.chmod(0o644)
    return temporary
