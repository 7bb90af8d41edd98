"""Prints what is wrong with an input file as compilers do: the message, the line, a caret under the place.

The files that the diagnostics name are read again; one that cannot be read any more is left out, its message
is not. Invariant: what is shown of a file cannot drive a terminal, and lines are cut to what fits on one.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sessionwarden.errors import Diagnostic

WIDTH = 100
"""The most characters of a source line that are shown; of a longer line, those around the place."""

BEFORE_CARET = WIDTH - 20
"""How many of them stand before the place when a line is cut."""


def describe(diagnostics: Iterable[Diagnostic], noun: str = "mistake") -> str:
    """Every diagnostic with its source line, then their number; `noun` is what they are called."""
    found = list(diagnostics)
    sources: dict[str, list[str]] = {}
    blocks = []
    for diagnostic in found:
        if diagnostic.file not in sources:
            sources[diagnostic.file] = _lines(diagnostic.file)
        blocks.append(_block(diagnostic, sources[diagnostic.file]))
    count = len(found)
    files = len({diagnostic.file for diagnostic in found})
    total = f"{count} {noun}{'s' if count != 1 else ''} in {files} file{'s' if files != 1 else ''}"
    return "\n".join([*blocks, total])


def _block(diagnostic: Diagnostic, source: list[str]) -> str:
    message = _printable(str(diagnostic))
    if not 1 <= diagnostic.line <= len(source):
        return message
    line = source[diagnostic.line - 1].replace("\t", " ")
    caret = max(diagnostic.column - 1, 0)
    start = max(0, caret - BEFORE_CARET) if len(line) > WIDTH else 0
    shown = _printable(line[start : start + WIDTH])
    number = str(diagnostic.line)
    return f"{message}\n  {number} | {shown}\n  {' ' * len(number)} | {' ' * (caret - start)}^"


def _lines(file: str) -> list[str]:
    try:
        return Path(file).read_text("utf-8-sig", errors="replace").split("\n")
    except (OSError, ValueError):
        return []


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() or character == " " else "?" for character in text)
