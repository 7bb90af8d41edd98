"""Mistakes of input files on a terminal: the message, the line it means, a caret under the place.

Enters: mistakes, and the files they name, read again. Invariant: what is shown of a file cannot
drive a terminal, and no line is longer than the terminal is likely to be.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sessionwarden.errors import Mistake

WIDTH = 100
"""Characters of a source line that are shown, around the place."""


def describe(mistakes: Iterable[Mistake], noun: str = "mistake") -> str:
    """Every mistake with its source line, then how many there are; `noun` is what they are called."""
    found = list(mistakes)
    sources: dict[str, list[str]] = {}
    blocks = []
    for mistake in found:
        if mistake.file not in sources:
            sources[mistake.file] = _lines(mistake.file)
        blocks.append(_block(mistake, sources[mistake.file]))
    count = len(found)
    files = len({mistake.file for mistake in found})
    total = f"{count} {noun}{'s' if count != 1 else ''} in {files} file{'s' if files != 1 else ''}"
    return "\n".join([*blocks, total])


def _block(mistake: Mistake, source: list[str]) -> str:
    message = _printable(str(mistake))
    if not 1 <= mistake.line <= len(source):
        return message
    line = source[mistake.line - 1].replace("\t", " ")
    caret = max(mistake.column - 1, 0)
    start = max(0, caret - WIDTH + 20) if len(line) > WIDTH else 0
    shown = _printable(line[start : start + WIDTH])
    number = str(mistake.line)
    return f"{message}\n  {number} | {shown}\n  {' ' * len(number)} | {' ' * (caret - start)}^"


def _lines(file: str) -> list[str]:
    try:
        return Path(file).read_text("utf-8-sig", errors="replace").split("\n")
    except (OSError, ValueError):
        return []


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() or character == " " else "?" for character in text)
