"""Mistakes of input files on a terminal: the message, the line it means, a caret under the place.

Enters: mistakes, and the files they name, read again. Invariant: what is shown of a file cannot
drive a terminal, and no line is longer than the terminal is likely to be.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sessionwarden.errors import Diagnostic

WIDTH = 100
"""Characters of a source line that are shown, around the place."""


def describe(diagnostics: Iterable[Diagnostic], noun: str = "mistake") -> str:
    """Every mistake with its source line, then how many there are; `noun` is what they are called."""
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
    start = max(0, caret - WIDTH + 20) if len(line) > WIDTH else 0
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
