"""Reads blocks of JSON lines under an operator's mapping as columns.

The layout is learnt from a block's first line: which keys, in which order, which values are quoted. Logs of
one stage are written from one template, so it holds for the next lines, and a block in which it does not is
read as events. Invariant: where this answers, `parse_mapped_line` takes the same lines, and the columns are
those of its events (a property test holds the two together): a line of the layout has each of its keys once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sessionwarden.errors import SourceError
from sessionwarden.model.event import INTEGER_FIELDS, LIST_FIELDS
from sessionwarden.replay.columns.columns import MISSING, Integers, Numbers, TextNumbers, among, words_at
from sessionwarden.replay.columns.digits import SURE_DIGITS, accepted, plain_numbers, times_of
from sessionwarden.replay.columns.line_columns import LineColumns, Respelt, constant, dashes, span_numbers
from sessionwarden.replay.columns.line_layout import (
    LONGEST_LITERAL,
    LineLayout,
    Literal,
    Span,
    padded,
    quoted_span,
)
from sessionwarden.sources.mapped_json import FieldMapping
from sessionwarden.sources.redaction import holds_token
from sessionwarden.sources.values import MAX_FIELD_CHARS, MAX_ID_CHARS, MAX_LINE_CHARS, address, milliseconds

_MEMBER = re.compile(r'"([^"\\]*)"( *: *)("[^"\\]*"|[^", {}\[\]]+)( *)(,|})( *)')
NULL = int.from_bytes(b"null", "little")
FOUR_BYTES = np.uint64(2**32 - 1)


class MappedColumns:
    """Reads blocks into columns with numbers for `fields`. `now_ms` bounds the times from above."""

    def __init__(
        self, mapping: FieldMapping, fields: Iterable[str], numbering: TextNumbers, *, now_ms: int
    ) -> None:
        self._mapping = mapping
        self._fields = {*fields, "source_ip"}
        self._numbering = numbering
        self._now_ms = now_ms
        self._source = int(numbering.of_texts([mapping.source])[0])
        self._missing = np.sort(numbering.of_texts(sorted(mapping.missing)))
        respelt: dict[str, Callable[[Any], str]] = {"source_ip": str, **dict.fromkeys(LIST_FIELDS, "\0".join)}
        self._respelt = {
            field: Respelt(field, spell, numbering)
            for field, spell in respelt.items()
            if field in mapping.fields and field in self._fields
        }
        self._layout: _MappedLayout | None = None

    def read(self, block: bytes) -> LineColumns | None:
        """The columns of the lines of `block` (the last without its line end), or `None`."""
        if holds_token(block):  # events hold a marker instead
            return None
        buffer = padded(block)
        marks = self._layout.lines.marks_of(buffer) if self._layout else None
        if marks is None:
            self._layout = _learnt(block, self._mapping, self._fields)
            marks = self._layout.lines.marks_of(buffer) if self._layout else None
        if marks is None or self._layout is None:
            return None
        try:
            return self._columns(buffer, marks, self._layout)
        except SourceError:
            return None

    def _columns(self, buffer: bytes, marks: Integers, layout: _MappedLayout) -> LineColumns | None:
        spans = _Spans(buffer, marks, layout)
        if not spans.are_sound():
            return None
        times = self._times(spans)
        if times is None or not accepted(times, now_ms=self._now_ms):
            return None
        columns = LineColumns(
            buffer,
            marks,
            layout=layout.lines,
            times=times,
            numbers=self._numbers(spans, times),
            constants={"source": self._mapping.source},
            convert=_value,
        )
        for respelt in self._respelt.values():
            respelt.apply(columns)
        return columns

    def _times(self, spans: _Spans) -> Integers | None:
        starts, lengths = spans.of([TIME])
        if self._mapping.time_unit == "ms":
            return times_of(spans.buffer, starts[0], lengths[0])
        return _times_in_seconds(spans, starts[0].tolist(), lengths[0].tolist())

    def _numbers(self, spans: _Spans, times: Integers) -> dict[str, Numbers]:
        read = spans.layout.read
        starts, lengths = spans.of(read)
        absent = np.zeros(starts.shape, np.bool_)
        found = span_numbers(spans.buffer, starts, lengths, self._numbering, absent)
        for row, field in enumerate(read):
            if spans.layout.lines.values[field].quoted:
                found[row, among(found[row], self._missing)] = MISSING
            else:
                found[row, spans.nulls(field)] = MISSING
        lines = len(times)
        others = {field: constant(MISSING, lines) for field in self._fields.difference(read)}
        if TIME in others:
            others[TIME] = self._numbering.of_texts(map(str, times.tolist()))
        return {
            **others,
            **dict(zip(read, found, strict=True)),
            "source": constant(self._source, lines),
        }


TIME = "time"


class _MappedLayout:
    """A layout whose values are named by event field, `time`, or, of ignored keys, by `ignored:KEY`.

    `read` are the fields that are numbered; `texts` and `integers` are mapped values by what they must be.
    """

    def __init__(self, lines: LineLayout, fields: set[str], mapped: Iterable[str]) -> None:
        values = lines.values
        here = [field for field in mapped if field in values]
        self.lines = lines
        self.read = [field for field in here if field in fields]
        self.quoted_integers = [field for field in here if field in INTEGER_FIELDS and values[field].quoted]
        self.quoted_texts = [field for field in here if field not in INTEGER_FIELDS and values[field].quoted]
        self.unquoted = [name for name, span in values.items() if not span.quoted and name != TIME]


class _Spans:
    """Where the values of a block are."""

    def __init__(self, buffer: bytes, marks: Integers, layout: _MappedLayout) -> None:
        self.buffer = buffer
        self.marks = marks
        self.layout = layout

    def of(self, names: Sequence[str]) -> tuple[Integers, Integers]:
        """Where values start, and how long they are: a row for each name."""
        starts = self.layout.lines.starts(self.marks, names)
        return starts, self.layout.lines.ends(self.marks, names) - starts

    def nulls(self, name: str) -> NDArray[np.bool_]:
        """Where an unquoted value is `null`."""
        starts, lengths = self.of([name])
        found: NDArray[np.bool_] = self._nulls(starts, lengths)[0]
        return found

    def _nulls(self, starts: Integers, lengths: Integers) -> NDArray[np.bool_]:
        words = words_at(self.buffer, starts)
        found: NDArray[np.bool_] = (lengths == len("null")) & ((words & FOUR_BYTES) == NULL)
        return found

    def are_sound(self) -> bool:
        """Whether every value is one that the line parser takes, the time and addresses left out."""
        lines = self.marks[-1] - self.layout.lines.firsts(self.marks)
        return bool(
            lines.max() <= MAX_LINE_CHARS
            and self._are_numbers()
            and self._are_texts()
            and self._are_scalars()
        )

    def _are_numbers(self) -> bool:
        names = self.layout.quoted_integers
        if not names:
            return True
        starts, lengths = self.of(names)
        present = ~dashes(self.buffer, starts, lengths)
        return plain_numbers(self.buffer, starts, lengths, present)

    def _are_texts(self) -> bool:
        names = self.layout.quoted_texts
        if not names:
            return True
        _, lengths = self.of(names)
        longest = lengths.max(axis=1)
        return all(
            length <= (MAX_ID_CHARS if name == "id" else MAX_FIELD_CHARS)
            for name, length in zip(names, longest.tolist(), strict=True)
        )

    def _are_scalars(self) -> bool:
        """Whether what is not quoted is a plain number or `null`: what else JSON has there is rare."""
        names = self.layout.unquoted
        if not names:
            return True
        starts, lengths = self.of(names)
        present = ~self._nulls(starts, lengths)
        if lengths.min() < 1 or lengths.max() > SURE_DIGITS:
            return False
        lists = [row for row, name in enumerate(names) if name in LIST_FIELDS]
        return not present[lists].any() and plain_numbers(self.buffer, starts, lengths, present)


def _times_in_seconds(spans: _Spans, starts: Sequence[int], lengths: Sequence[int]) -> Integers | None:
    quoted = spans.layout.lines.values[TIME].quoted
    texts = (
        spans.buffer[start : start + length].decode("ascii")
        for start, length in zip(starts, lengths, strict=True)
    )
    if quoted:
        return np.array([milliseconds(text) for text in texts], np.int64)
    return np.array([_rounded(text) for text in texts], np.int64)


_PLAIN_SECONDS = re.compile(r"[1-9][0-9]{8,10}(\.[0-9]{1,6})?")


def _rounded(text: str) -> int:
    if _PLAIN_SECONDS.fullmatch(text) is None:
        raise SourceError("wrong_type")
    return round(float(text) * 1000)


def _value(field: str, text: str) -> Any:
    if field in LIST_FIELDS:
        return tuple(text.split())
    if field == "source_ip":
        return address(text)
    return int(text) if field in INTEGER_FIELDS else text


def _learnt(block: bytes, mapping: FieldMapping, fields: set[str]) -> _MappedLayout | None:
    """The layout of a block's first line; `None` if the mapping does not allow it, or it is not plain."""
    first = block.partition(b"\n")[0]
    if not first.isascii() or len(first) > MAX_LINE_CHARS:
        return None
    members = _members(first.decode("ascii"))
    keys = [member[1] for member in members or ()]
    if not members or len(set(keys)) != len(keys):
        return None
    if not mapping.required <= set(keys) <= mapping.allowed:
        return None
    lines = _layout(members)
    if lines is None:
        return None
    named = {f"ignored:{key}": span for key, span in lines.values.items() if key not in _read_keys(mapping)}
    for field, key in (*mapping.fields.items(), (TIME, mapping.time_key)):
        if key in lines.values:
            named[field] = lines.values[key]
    lines.values = named
    return _MappedLayout(lines, fields, mapping.fields)


def _read_keys(mapping: FieldMapping) -> set[str]:
    return {*mapping.fields.values(), mapping.time_key}


def _members(line: str) -> list[re.Match[str]] | None:
    """The members of a flat object without escapes, one behind the other, or `None`."""
    if not line.startswith("{"):
        return None
    members = []
    place = len(line) - len(line[1:].lstrip(" "))
    while member := _MEMBER.match(line, place):
        members.append(member)
        place = member.end()
        if member[5] == "}":
            return members if place == len(line) else None
    return None


def _layout(members: Sequence[re.Match[str]]) -> LineLayout | None:
    """Marks are quotation marks: two for each key, and two for each value that has them."""
    text = members[0].string
    literals: list[Literal] = []
    values: dict[str, Span] = {}
    mark, behind, after_quoted = 0, 0, True
    for number, member in enumerate(members):
        key_end = mark + 1
        quoted = member[3].startswith('"')
        # from the value before (its closing mark, if it has one) to this value
        literal_end = member.end(2) + quoted
        if number == 0:
            literals.append(Literal(0, -(member.start()), text[:literal_end].encode()))
        elif after_quoted:
            literals.append(Literal(mark - 1, 0, text[behind:literal_end].encode()))
        else:
            between = text[behind : member.start()]
            literals.append(Literal(mark, -len(between), text[behind:literal_end].encode()))
        gap = len(member[2])
        if quoted:
            values[member[1]] = quoted_span(key_end + 1)
            mark = key_end + 3
            behind, after_quoted = member.end(3) - 1, True
        else:
            following = member[4] + member[5] + member[6]
            values[member[1]] = Span(key_end, 1 + gap, key_end + 1, -len(following), quoted=False)
            mark = key_end + 1
            behind, after_quoted = member.end(3), False
    tail = text[behind:]
    if after_quoted:
        literals.append(Literal(mark - 1, 0, (tail + "\n").encode()))
    else:
        literals.append(Literal(mark, -len(tail), (tail + "\n").encode()))
    if max(len(literal.text) for literal in literals) > LONGEST_LITERAL:
        return None
    return LineLayout(
        quotes=mark, literals=literals, values=values, tail=tail[1:].encode() if after_quoted else None
    )
