"""The lines of a block as columns: the numbers of their values, and the values when they are asked for.

What the reader of every format has in common. It leaves out what a format makes of a value: that is its
`convert`, which is asked once for each distinct value where a rule scans at it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sessionwarden.replay.columns.columns import (
    MISSING,
    Columns,
    Integers,
    Known,
    Numbers,
    TextNumbers,
    replaced,
)
from sessionwarden.replay.columns.line_layout import LineLayout
from sessionwarden.sources.request_path import all_plain, is_plain, one_spelling

Convert = Callable[[str, str], Any]
"""From a field and the text that a line has for it to what the event's field holds."""


class ColumnReader(Protocol):
    """Reads blocks of a format into columns."""

    def read(self, block: bytes) -> LineColumns | None:
        """The columns of the lines of `block` (the last without its line end).

        `None` if any of them is not plainly sound: then the caller reads the lines as events.
        """
        ...


class LineColumns(Columns):
    """`Columns` of the lines of a block; `ends` are where each line ends in it."""

    def __init__(
        self,
        buffer: bytes,
        marks: Integers,
        *,
        layout: LineLayout,
        times: Integers,
        numbers: dict[str, Numbers],
        constants: dict[str, Any],
        convert: Convert,
    ) -> None:
        self._buffer = buffer
        self._marks = marks
        self._layout = layout
        self._constants = constants
        self._convert = convert
        self.ends: Integers = marks[-1]
        self._times = times
        self._numbers = numbers

    @property
    def times(self) -> Integers:
        return self._times

    @property
    def numbers(self) -> dict[str, Numbers]:
        return self._numbers

    def value(self, field: str, row: int) -> Any:
        if field == "time":
            return int(self._times[row])
        if self._numbers[field][row] == MISSING:
            return None
        if field in self._constants:
            return self._constants[field]
        return self._convert(field, self.text("path" if field == "raw_path" else field, row))

    def text(self, name: str, row: int) -> str:
        """What the line has for a value, as it stands."""
        span = self._layout.values[name]
        start = int(self._marks[span.first_mark, row]) + span.first_distance
        end = int(self._marks[span.end_mark, row]) + span.end_distance
        return self._buffer[start:end].decode("ascii")

    def texts(self, name: str) -> list[str]:
        """What each line has for a value, as it stands."""
        text = self._buffer.decode("ascii")
        starts = self._layout.starts(self._marks, [name])[0].tolist()
        ends = self._layout.ends(self._marks, [name])[0].tolist()
        return [text[start:end] for start, end in zip(starts, ends, strict=True)]


def span_numbers(
    buffer: bytes, starts: Integers, lengths: Integers, numbering: TextNumbers, absent: NDArray[np.bool_]
) -> Numbers:
    """The numbers of values, `MISSING` where they are absent: arrays of one shape."""
    found = numbering.of_spans(buffer, starts, lengths)
    found[absent] = MISSING
    return found


def dashes(buffer: bytes, starts: Integers, lengths: Integers) -> NDArray[np.bool_]:
    """Which values are empty or a dash, by which a log says that it has none."""
    first = np.frombuffer(buffer, np.uint8).take(starts)
    found: NDArray[np.bool_] = (lengths == 0) | (lengths == 1) & (first == ord("-"))
    return found


def constant(number: int, rows: int) -> Numbers:
    """A column that holds one number."""
    return np.full(rows, number, np.uint64)


class RespeltPaths:
    """Numbers of paths in their one spelling, and of the written ones where they differ.

    Nearly all paths are plain and nearly each is new, so that they are looked at together, not one by one.
    """

    def __init__(self, numbering: TextNumbers) -> None:
        self._numbering = numbering

    def apply(self, columns: LineColumns) -> None:
        """Replace the numbers of `path`, and set those of `raw_path`, where a path is spelt otherwise."""
        written = columns.numbers.get("path")
        texts = [] if written is None or not written.any() else columns.texts("path")
        if written is None or all_plain(texts):
            return
        odd = {text: one_spelling(text) for text in set(texts) if not is_plain(text)}
        rows = [row for row, text in enumerate(texts) if odd.get(text, text) != text]
        rows = [row for row in rows if written[row] != MISSING]
        if not rows:
            return
        path, raw_path = written.copy(), constant(MISSING, len(written))
        path[rows] = self._numbering.of_texts(odd[texts[row]] for row in rows)
        raw_path[rows] = written[rows]
        columns.numbers.update(path=path, raw_path=raw_path)


class Respelt:
    """Numbers of a field whose texts are spelt in more than one way, by the one spelling of each."""

    def __init__(self, field: str, spell: Callable[[Any], str], numbering: TextNumbers) -> None:
        self._field = field
        self._spell = spell
        self._numbering = numbering
        self._known: Known[int] = Known()

    def apply(self, columns: Columns) -> None:
        """Replace the field's numbers. Raises `SourceError` if a value is none."""

        def respelt(new: Sequence[int]) -> list[int]:
            values = [columns.value(self._field, row) for row in new]
            texts = ["" if value is None else self._spell(value) for value in values]
            return list(map(int, self._numbering.of_texts(texts)))

        numbers = columns.numbers[self._field]
        columns.numbers[self._field] = replaced(numbers, *self._known.of(numbers, respelt))
