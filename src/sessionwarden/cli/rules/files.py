"""Files that the commands on rules write: whole or not at all.

Invariant: another process that reads the file meanwhile, a deployment or a CI server, never sees half of it.
Raises `SessionwardenError` with the file's name if it cannot be written.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from sessionwarden.authoring.words import line
from sessionwarden.errors import SessionwardenError


def write_whole(path: Path, data: bytes) -> None:
    """Replace `path` at once, or leave it as it was."""
    try:
        temporary = _written_beside(path, data)
        try:
            os.replace(temporary, path)
        except OSError:
            temporary.unlink()
            raise
    except OSError as error:
        raise SessionwardenError(f"{line(str(path))} cannot be written: {error.strerror}") from error


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
