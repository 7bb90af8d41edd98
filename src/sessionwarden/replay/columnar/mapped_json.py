"""A block of mapped JSON lines as columns, at a fraction of what its events cost.

Enters: whole lines of a log that an operator's mapping describes. Leaves: columns, or `None` if any line
might not be an event or is written otherwise than its neighbours; the lines are then read one by one.
Invariant: where columns are returned, `parse_mapped_line` accepts every line, and the columns are those of
its events (a property test compares them).

A server writes all of its lines by one format: the same keys in the same order, with the same spaces. So the
first line of a block shows how all are written (`line_template`). Its keys are checked against the mapping
once; of the other lines only the values have to be checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from sessionwarden.errors import SourceError
from sessionwarden.model.event import INTEGER_FIELDS, LIST_FIELDS
from sessionwarden.replay.columnar.columns import (
    MISSING,
    Integers,
    Known,
    Numbers,
    TextNumbers,
    replaced,
)
from sessionwarden.replay.columnar.line_template import (
    LineTemplate,
    TemplateLines,
    Values,
    are_plain_numbers,
    numbers_of_length,
)
from sessionwarden.sources.mapped_json import FieldMapping, convert, time_of
from sessionwarden.sources.strict_json import Scalar
from sessionwarden.sources.values import EARLIEST_MS, MAX_AHEAD_MS, MAX_FIELD_CHARS, MAX_ID_CHARS

RESPELT: Final = LIST_FIELDS | {"source_ip"}
"""Fields whose texts are not their values as they stand."""

MS_DIGITS: Final = 13
"""Of a time in milliseconds between 2001 and 2286."""

_MEMBER = re.compile(rb' *"([^"]*)" *: *("[^"]*"|[^ ",{}\[\]]+) *([,}])')

_decode_scalar = msgspec.json.Decoder(Scalar).decode


class Member(NamedTuple):
    """One key of a line: where its value begins and ends in the line, in bytes, and whether it is quoted."""

    key: str
    start: int
    end: int
    quoted: bool


class MappedTemplate(NamedTuple):
    """How the lines of a log are written. Values are named by their keys, of which some are not quoted."""

    template: LineTemplate
    unquoted: frozenset[str]


class MappedColumns:
    """`Columns` of the lines of a block; `ends` are where each line ends in it."""

    def __init__(
        self,
        lines: TemplateLines,
        written: MappedTemplate,
        mapping: FieldMapping,
        times: Integers,
        numbers: dict[str, Numbers],
    ) -> None:
        self._lines = lines
        self._written = written
        self._mapping = mapping
        self.ends: Integers = lines.ends
        self.times = times
        self.numbers = numbers

    def value(self, field: str, row: int) -> Any:
        if self.numbers[field][row] == MISSING:
            return None
        return self._mapping.source if field == "source" else convert(field, self.raw(field, row))

    def raw(self, field: str, row: int) -> str | int:
        """The value as the line has it."""
        key = self._mapping.fields[field]
        text = self._lines.text(key, row)
        return int(text) if key in self._written.unquoted else text


class MappedColumnReader:
    """Reads blocks into columns with numbers for `fields`. `now_ms` bounds the times from above."""

    def __init__(
        self, mapping: FieldMapping, fields: Iterable[str], numbering: TextNumbers, *, now_ms: int
    ) -> None:
        self._mapping = mapping
        self._latest_ms = now_ms + MAX_AHEAD_MS
        self._fields = frozenset(fields)
        self._numbering = numbering
        self._written: MappedTemplate | None = None
        self._missing = numbering.of_texts(mapping.missing)
        self._null = numbering.of_texts(["null"])[0]
        self._source = numbering.of_texts([mapping.source])[0]
        self._spellings: dict[str, Known[int]] = {field: Known() for field in RESPELT}
        self._scalars: Known[bool] = Known()

    def read(self, block: bytes) -> MappedColumns | None:
        """The columns of the lines of `block` (the last without its line end), or `None`."""
        written, lines = self._lines(block)
        if written is None or lines is None or (lines.ends - lines.starts).max() > MAX_FIELD_CHARS:
            return None
        try:
            times = self._times(lines, written)
            numbers = self._numbers(lines, written)
            if numbers is None or not (self._ids_fit(lines) and self._unread_fit(lines, written)):
                return None
            columns = MappedColumns(lines, written, self._mapping, times, numbers)
            self._spell(columns)
        except SourceError:
            return None
        if times.min() < EARLIEST_MS or times.max() > self._latest_ms:
            return None
        nothing = np.full(len(lines), MISSING, np.uint64)
        columns.numbers = dict.fromkeys(self._fields, nothing) | columns.numbers
        columns.numbers["source"] = np.full(len(lines), self._source)
        return columns

    def _lines(self, block: bytes) -> tuple[MappedTemplate | None, TemplateLines | None]:
        lines = self._written.template.read(block) if self._written else None
        if lines is None:
            self._written = template_of(block.partition(b"\n")[0], self._mapping)
            lines = self._written.template.read(block) if self._written else None
        return self._written, lines

    def _times(self, lines: TemplateLines, written: MappedTemplate) -> Integers:
        key = self._mapping.time_key
        if self._mapping.time_unit == "ms":
            times = numbers_of_length(lines.buffer, lines.of(key), digits=MS_DIGITS)
            if times is not None:
                return times
        texts = (lines.text(key, row) for row in range(len(lines)))
        if key not in written.unquoted:
            return np.array([time_of(text, self._mapping) for text in texts], np.int64)
        return np.array([time_of(_scalar(text), self._mapping) for text in texts], np.int64)

    def _numbers(self, lines: TemplateLines, written: MappedTemplate) -> dict[str, Numbers] | None:
        """Numbers for the fields that are read, or `None` if a number in a line is not sound."""
        fields = self._read_of(lines)
        keys = [self._mapping.fields[field] for field in fields]
        values = lines.some(keys)
        found = self._numbering.of_spans(lines.buffer, *values)
        unquoted = np.array([key in written.unquoted for key in keys], np.bool_)
        missing = np.zeros(found.shape, np.bool_)
        for number in self._missing:
            missing |= found == number
        missing[unquoted] = found[unquoted] == self._null
        numeric = unquoted | np.array([field in INTEGER_FIELDS for field in fields], np.bool_)
        numbers = Values(values.starts[numeric], values.lengths[numeric])
        if not (missing[numeric] | are_plain_numbers(lines.buffer, numbers)).all():
            return None
        found[missing] = MISSING
        return dict(zip(fields, found, strict=True))

    def _read_of(self, lines: TemplateLines) -> list[str]:
        """The fields that the lines have and that rules ask for, or that not every text fits."""
        wanted = self._fields | INTEGER_FIELDS | RESPELT
        return [
            field for field, key in self._mapping.fields.items() if field in wanted and key in lines.names
        ]

    def _ids_fit(self, lines: TemplateLines) -> bool:
        key = self._mapping.fields.get("id")
        return key is None or key not in lines.names or bool(lines.of(key).lengths.max() <= MAX_ID_CHARS)

    def _unread_fit(self, lines: TemplateLines, written: MappedTemplate) -> bool:
        """Whether unquoted values that nothing here reads are what JSON knows, and what their field holds."""
        read = {self._mapping.fields[field] for field in self._read_of(lines)} | {self._mapping.time_key}
        for key in written.unquoted - read:
            values = lines.of(key)
            odd = np.flatnonzero(~are_plain_numbers(lines.buffer, values))
            if len(odd):
                some = Values(values.starts[None, odd], values.lengths[None, odd])
                numbers = self._numbering.of_spans(lines.buffer, *some)[0]
                mapped = key in self._mapping.fields.values()
                absent = bool((numbers == self._null).all())
                if not absent and (mapped or not self._scalars_fit(lines, key, numbers, odd)):
                    return False
        return True

    def _scalars_fit(self, lines: TemplateLines, key: str, numbers: Numbers, rows: Integers) -> bool:
        def fit(new: Sequence[int]) -> list[bool]:
            return [_is_scalar(lines.text(key, int(rows[place]))) for place in new]

        return all(self._scalars.of(numbers, fit)[1])

    def _spell(self, columns: MappedColumns) -> None:
        """Number addresses and lists by their one spelling. Raises `SourceError` for what is none."""
        for field in RESPELT.intersection(columns.numbers):
            numbers = columns.numbers[field]

            def spelt(new: Sequence[int], field: str = field) -> list[int]:
                values = [columns.value(field, row) for row in new]
                texts = ["\0".join(value) if isinstance(value, tuple) else value or "" for value in values]
                return list(map(int, self._numbering.of_texts(texts)))

            columns.numbers[field] = replaced(numbers, *self._spellings[field].of(numbers, spelt))


def template_of(line: bytes, mapping: FieldMapping) -> MappedTemplate | None:
    """How lines like this one are written; `None` if it is not one flat object with the mapping's keys."""
    try:
        members = _members_of(line)
    except UnicodeDecodeError:
        return None
    keys = {member.key for member in members}
    if len(keys) != len(members) or not mapping.required <= keys <= mapping.allowed or not members:
        return None
    borders = [0, *(border for member in members for border in (member.start, member.end)), len(line)]
    runs = [line[start:end] for start, end in zip(borders[::2], borders[1::2], strict=True)]
    runs[-1] += b"\n"
    unquoted = frozenset(member.key for member in members if not member.quoted)
    return MappedTemplate(LineTemplate(runs, [member.key for member in members]), unquoted)


def _members_of(line: bytes) -> list[Member]:
    """The members of one flat object, none if the line is anything else, or holds a backslash.

    Raises `UnicodeDecodeError`.
    """
    if not line.startswith(b"{") or b"\\" in line:
        return []
    members: list[Member] = []
    place, closing = 1, b","
    while closing == b",":
        found = _MEMBER.match(line, place)
        if found is None:
            return []
        key, value, closing = found.groups()
        quoted = value.startswith(b'"')
        members.append(Member(key.decode(), found.start(2) + quoted, found.end(2) - quoted, quoted))
        place = found.end()
    return [] if line[place:].strip(b" \r") else members


def _scalar(text: str) -> Scalar:
    """The value of an unquoted text. Raises `SourceError`."""
    try:
        value: Scalar = _decode_scalar(text)
    except msgspec.DecodeError as error:
        raise SourceError("not_json") from error
    return value


def _is_scalar(text: str) -> bool:
    try:
        _scalar(text)
    except SourceError:
        return False
    return True
