r"""A block of access-log lines as columns, at a fraction of what its events cost.

Enters: the bytes of whole lines in Sessionwarden's own two formats. Leaves: columns, or `None` if any line is
not exactly as API Gateway writes it; the caller then reads the lines as events. Invariant: where columns are
returned, `parse_access_block` accepts the same lines, and the columns are those of its events (a property
test compares the two).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sessionwarden.errors import SourceError
from sessionwarden.model.event import INTEGER_FIELDS, Category
from sessionwarden.replay.columnar.columns import (
    MISSING,
    Integers,
    Known,
    Numbers,
    TextNumbers,
    among,
    replaced,
)
from sessionwarden.replay.columnar.line_template import (
    LineTemplate,
    TemplateLines,
    Values,
    are_plain_numbers,
    numbers_of_length,
)
from sessionwarden.sources.access_log.block import IDENTITY, NUMBERS
from sessionwarden.sources.access_log.line import MAX_HEAD_CHARS, Head
from sessionwarden.sources.values import (
    EARLIEST_MS,
    MAX_AHEAD_MS,
    MAX_FIELD_CHARS,
    MAX_ID_CHARS,
    address,
)

KEYS = Head.__struct_fields__[1:]
NAMES = (*KEYS, "path", "user_agent")

TEMPLATE = LineTemplate(
    [
        b'{"v":"1","id":"',
        *(f'","{key}":"'.encode() for key in KEYS[1:]),
        b'"}\t"',
        b'"\t"',
        b'"\n',
    ],
    NAMES,
)

ALWAYS = ("decision", "pool", "source_ip")
"""Always read, to check that identity is ours and that addresses parse."""

SOURCE: Category = "api_access"
TIME_DIGITS = 13


class LineColumns:
    """`Columns` of the lines of a block; `ends` are where each line ends in it."""

    def __init__(self, lines: TemplateLines, times: Integers, numbers: dict[str, Numbers]) -> None:
        self._lines = lines
        self.ends: Integers = lines.ends
        self.times = times
        self.numbers = numbers

    def value(self, field: str, row: int) -> Any:
        if self.numbers[field][row] == MISSING:
            return None
        if field == "source":
            return SOURCE
        text = self._lines.text(field, row)
        if field == "source_ip":
            return address(text)
        return int(text) if field in INTEGER_FIELDS else text


class ColumnReader:
    """Reads blocks into columns with numbers for `fields`. `now_ms` bounds the times from above."""

    def __init__(self, fields: Iterable[str], numbering: TextNumbers, *, now_ms: int) -> None:
        self._fields = {*fields, *ALWAYS}
        self._there = [field for field in NAMES if field in self._fields]
        self._numbering = numbering
        self._now_ms = now_ms
        self._ours = numbering.of_texts(["allow", "deny"])
        self._source = numbering.of_texts([SOURCE])[0]
        self._addresses: Known[int] = Known()
        self._routes: Known[bool] = Known()

    def read(self, block: bytes) -> LineColumns | None:
        """The columns of the lines of `block` (the last without its line end), or `None`."""
        lines = TEMPLATE.read(block) if block.isascii() else None
        if lines is None or not (_lengths_fit(lines) and _numbers_fit(lines)):
            return None
        times = numbers_of_length(lines.buffer, lines.of("time"), digits=TIME_DIGITS)
        if times is None or times.min() < EARLIEST_MS or times.max() > self._now_ms + MAX_AHEAD_MS:
            return None
        columns = LineColumns(lines, times, self._numbers(lines))
        try:
            self._spell_addresses(columns)
        except SourceError:
            return None
        self._forget_what_others_said(columns.numbers)
        self._forget_unmatched_routes(columns)
        return columns

    def _numbers(self, lines: TemplateLines) -> dict[str, Numbers]:
        values = lines.some(self._there)
        found = self._numbering.of_spans(lines.buffer, *values)
        found[(values.lengths == 0) | _are_dashes(lines, values)] = MISSING
        others = dict.fromkeys(self._fields.difference(NAMES), np.full(len(lines), MISSING, np.uint64))
        return {
            **others,
            **dict(zip(self._there, found, strict=True)),
            "source": np.full(len(lines), self._source, np.uint64),
        }

    def _spell_addresses(self, columns: LineColumns) -> None:
        """Number addresses by their one spelling. Raises `SourceError` if one is none."""

        def spelt(new: Sequence[int]) -> list[int]:
            texts = [columns.value("source_ip", row) or "" for row in new]
            return list(map(int, self._numbering.of_texts(texts)))

        numbers = columns.numbers["source_ip"]
        columns.numbers["source_ip"] = replaced(numbers, *self._addresses.of(numbers, spelt))

    def _forget_what_others_said(self, numbers: dict[str, Numbers]) -> None:
        decision, pool = numbers["decision"], numbers["pool"]
        ours = ((decision == self._ours[0]) | (decision == self._ours[1])) & (pool != MISSING)
        if not ours.all():
            for field in self._fields.intersection(IDENTITY):
                numbers[field][~ours] = MISSING

    def _forget_unmatched_routes(self, columns: LineColumns) -> None:
        if "route" not in self._fields:
            return

        def unmatched(new: Sequence[int]) -> list[bool]:
            # a REST request that met no resource has no resourcePath
            return [(columns.value("route", row) or "").endswith(" -") for row in new]

        routes = columns.numbers["route"]
        written, known = self._routes.of(routes, unmatched)
        routes[among(routes, written[np.array(known, np.bool_)])] = MISSING


def _lengths_fit(lines: TemplateLines) -> bool:
    paths, ids = lines.of("path"), lines.of("id")
    heads = paths.starts - len('\t"') - lines.starts
    tails = lines.some(("path", "user_agent")).lengths
    return bool(
        heads.max() <= MAX_HEAD_CHARS
        and ids.lengths.min() > 0
        and ids.lengths.max() <= MAX_ID_CHARS
        and not _are_dashes(lines, ids).any()
        and tails.max() <= MAX_FIELD_CHARS
    )


def _numbers_fit(lines: TemplateLines) -> bool:
    """Whether each number is digits that do not begin with 0, or is absent."""
    values = lines.some(NUMBERS[1:])
    absent = (values.lengths == 0) | _are_dashes(lines, values)
    return bool((absent | are_plain_numbers(lines.buffer, values)).all())


def _are_dashes(lines: TemplateLines, values: Values) -> NDArray[np.bool_]:
    first = np.frombuffer(lines.buffer, np.uint8).take(values.starts)
    dashes: NDArray[np.bool_] = (first == ord("-")) & (values.lengths == 1)
    return dashes
