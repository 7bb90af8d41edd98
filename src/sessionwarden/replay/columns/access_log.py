r"""Reads blocks of access-log lines of our own two formats as columns, at a fraction of what events cost.

Enters: the bytes of whole lines. Leaves: columns, or `None` if any of the lines is not exactly as API Gateway
writes it; the caller then reads the lines as events. Invariant: where this answers, `parse_access_block`
takes the same lines, and the columns are those of its events (a property test holds the two together).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from sessionwarden.errors import SourceError
from sessionwarden.model.event import INTEGER_FIELDS, Category
from sessionwarden.replay.columns.columns import (
    MISSING,
    Integers,
    Known,
    Numbers,
    TextNumbers,
    among,
)
from sessionwarden.replay.columns.digits import accepted, plain_numbers, times_of
from sessionwarden.replay.columns.line_columns import LineColumns, Respelt, constant, dashes, span_numbers
from sessionwarden.replay.columns.line_layout import LineLayout, Literal, padded, quoted_span
from sessionwarden.sources.access_log.block import IDENTITY, NUMBERS
from sessionwarden.sources.access_log.line import MAX_HEAD_CHARS, Head
from sessionwarden.sources.redaction import holds_token
from sessionwarden.sources.values import MAX_FIELD_CHARS, MAX_ID_CHARS, address

KEYS = Head.__struct_fields__
QUOTES = 4 * len(KEYS) + 4
"""Quotation marks of a line: two for each key and value of its head, two for the path, two for the agent."""

HEAD_END, PATH_END, LINE_END = QUOTES - 5, QUOTES - 3, QUOTES - 1

LAYOUT = LineLayout(
    quotes=QUOTES,
    literals=[
        Literal(0, -1, b'{"v":"1"'),
        *(Literal(4 * place + 3, 0, f'","{key}":"'.encode()) for place, key in enumerate(KEYS[1:])),
        Literal(HEAD_END, 0, b'"}\t"'),
        Literal(PATH_END, 0, b'"\t"'),
        Literal(LINE_END, 0, b'"\n'),
    ],
    values={key: quoted_span(4 * place + 2) for place, key in enumerate(KEYS)}
    | {"path": quoted_span(PATH_END - 1), "user_agent": quoted_span(LINE_END - 1)},
    tail=b"",
)

ALWAYS_READ = ("decision", "pool", "source_ip")
"""Fields that are always read, to check that identity is ours and that addresses parse."""

SOURCE: Category = "api_access"


class AccessLogColumns:
    """Reads blocks into columns with numbers for `fields`. `now_ms` bounds the times from above."""

    def __init__(self, fields: Iterable[str], numbering: TextNumbers, *, now_ms: int) -> None:
        self._fields = {*fields, *ALWAYS_READ}
        self._written = [field for field in LAYOUT.values if field in self._fields]
        self._numbering = numbering
        self._now_ms = now_ms
        self._ours = numbering.of_texts(["allow", "deny"])
        self._source = int(numbering.of_texts([SOURCE])[0])
        self._addresses = Respelt("source_ip", str, numbering)
        self._routes: Known[bool] = Known()

    def read(self, block: bytes) -> LineColumns | None:
        """The columns of the lines of `block` (the last without its line end), or `None`."""
        if holds_token(block):  # events hold a marker instead
            return None
        buffer = padded(block)
        marks = LAYOUT.marks_of(buffer)
        if marks is None or not _within_limits(buffer, marks):
            return None
        starts, lengths = _spans(marks, NUMBERS)
        times = times_of(buffer, starts[0], lengths[0])
        if times is None or not accepted(times, now_ms=self._now_ms):
            return None
        starts, lengths = starts[1:], lengths[1:]
        if not plain_numbers(buffer, starts, lengths, ~dashes(buffer, starts, lengths)):
            return None
        columns = LineColumns(
            buffer,
            marks,
            layout=LAYOUT,
            times=times,
            numbers=self._numbers(buffer, marks),
            constants={"source": SOURCE},
            convert=_value,
        )
        try:
            self._addresses.apply(columns)
        except SourceError:
            return None
        self._forget_what_others_said(columns.numbers)
        self._forget_unmatched_routes(columns)
        return columns

    def _numbers(self, buffer: bytes, marks: Integers) -> dict[str, Numbers]:
        starts, lengths = _spans(marks, self._written)
        absent = dashes(buffer, starts, lengths)
        found = span_numbers(buffer, starts, lengths, self._numbering, absent)
        lines = marks.shape[1]
        others = {field: constant(MISSING, lines) for field in self._fields.difference(LAYOUT.values)}
        return {
            **others,
            **dict(zip(self._written, found, strict=True)),
            "source": constant(self._source, lines),
        }

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


def _value(field: str, text: str) -> Any:
    if field == "source_ip":
        return address(text)
    return int(text) if field in INTEGER_FIELDS else text


def _spans(marks: Integers, names: Sequence[str]) -> tuple[Integers, Integers]:
    starts = LAYOUT.starts(marks, names)
    return starts, LAYOUT.ends(marks, names) - starts


def _within_limits(buffer: bytes, marks: Integers) -> bool:
    """Whether each line has an id, and neither its head nor a value is too long."""
    heads = marks[HEAD_END] + 2 - LAYOUT.firsts(marks)
    starts, lengths = _spans(marks, ["id", "path", "user_agent"])
    return bool(
        heads.max() <= MAX_HEAD_CHARS
        and lengths[0].max() <= MAX_ID_CHARS
        and lengths[1:].max() <= MAX_FIELD_CHARS
        and not dashes(buffer, starts[0], lengths[0]).any()
    )
