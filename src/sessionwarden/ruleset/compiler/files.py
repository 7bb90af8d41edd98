"""Which files hold rules, and what they say: paths in, documents and mistakes out.

In a folder every `*.yml` and `*.yaml`, at any depth, is Sigma, except `policy.yml` and
`*.cases.yml`; hidden folders are left out. A file named by itself is read whatever its name is.
Invariant: the order of files and documents never depends on the file system.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from sessionwarden.documents.yaml import MAX_BYTES, Document, read_documents
from sessionwarden.errors import Diagnostic

POLICY_NAMES = ("policy.yml", "policy.yaml")
CASES_SUFFIXES = (".cases.yml", ".cases.yaml")


class Reading(NamedTuple):
    """The documents of some files, with what was wrong with them before their meaning."""

    documents: list[Document]
    diagnostics: list[Diagnostic]


def rule_files(paths: Sequence[Path]) -> list[Path]:
    """Every rule file under `paths`, each once, in a fixed order."""
    found: dict[Path, Path] = {}
    for path in paths:
        for file in _under(path) if path.is_dir() else [path]:
            found.setdefault(file.resolve(), file)
    return sorted(found.values())


def policy_file(paths: Sequence[Path]) -> Path | None:
    """The policy at the top of the first folder of `paths` that has one."""
    for path in paths:
        for name in POLICY_NAMES:
            if path.is_dir() and (path / name).is_file():
                return path / name
    return None


def read_files(files: Iterable[Path]) -> Reading:
    """Every document of every file, and every mistake that kept one from being read."""
    reading = Reading([], [])
    for file in files:
        documents, diagnostics = _read(file)
        reading.documents.extend(documents)
        reading.diagnostics.extend(diagnostics)
    return reading


def _under(folder: Path) -> list[Path]:
    return [
        file
        for file in folder.rglob("*")
        if file.suffix in (".yml", ".yaml")
        and file.name not in POLICY_NAMES
        and not file.name.endswith(CASES_SUFFIXES)
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and file.is_file()
    ]


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
