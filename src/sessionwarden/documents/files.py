"""Operators' files from disk: paths in, documents and diagnostics out.

A file that is missing, not UTF-8 or not YAML is a diagnostic beside those of the other files, so that one
run reports everything. Invariant: no file is read further than `yaml.MAX_BYTES`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sessionwarden.documents.yaml import MAX_BYTES, Document, read_documents, stop_at_too_many
from sessionwarden.errors import Diagnostic


class Reading(NamedTuple):
    """The documents of some files, and what kept others from being read."""

    documents: list[Document]
    diagnostics: list[Diagnostic]


def read_files(files: Iterable[Path]) -> Reading:
    """Every document of every file, in the order of the files."""
    reading = Reading([], [])
    for file in files:
        documents, diagnostics = _read(file)
        reading.documents.extend(documents)
        reading.diagnostics.extend(diagnostics)
        stop_at_too_many(reading.diagnostics)
    return reading


def _read(file: Path) -> tuple[list[Document], list[Diagnostic]]:
    name = str(file)
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        return read_documents(data.decode("utf-8-sig"), file=name)
    except OSError as error:
        return [], [Diagnostic(name, 0, 0, "", f"cannot be read: {error.strerror or error}")]
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        return [], [Diagnostic(name, line, column, "", "not UTF-8 text")]
