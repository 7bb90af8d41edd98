r"""A block of access-log lines as columns, at a fraction of what its events cost.

Enters: the bytes of whole lines of our own two formats. Leaves: columns, or `None` if any of them is not
exactly as API Gateway writes it; whoever called then reads the lines as events. Invariant: where this
answers, `parse_access_block` takes the same lines, and the columns are those of its events (a property test
holds the two together).

Such a line has 76 quotation marks, two for each key and value, and between the values there is always the
same. So it is enough to find all quotation marks of a block, and to compare what is between them, eight bytes
at a time. That excludes backslashes, hence escapes, so that the marks cannot be part of a value; anything but
ASCII; and control characters other than the two tabs and the line end, whose places are compared as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from sessionwarden.errors import SourceError
from sessionwarden.model.event import INTEGER_FIELDS, Category
from sessionwarden.replay.columnar.columns import (
    MISSING,
    PADDING,
    WORD,
    Integers,
    Known,
    Numbers,
    TextNumbers,
    among,
    replaced,
    words_at,
)
from sessionwarden.sources.access_log.block import IDENTITY, NUMBERS
from sessionwarden.sources.access_log.line import MAX_HEAD_CHARS, Head
from sessionwarden.sources.values import (
    EARLIEST_MS,
    MAX_AHEAD_MS,
    MAX_FIELD_CHARS,
    MAX_ID_CHARS,
    address,
    integer,
)

KEYS = Head.__struct_fields__
MARKS = 4 * len(KEYS) + 4
"""Quotation marks of a line: its head's, then two for the path and two for the user agent."""

HEAD_END, PATH_END, LINE_END = MARKS - 5, MARKS - 3, MARKS - 1
OPENS = {key: 4 * place + 2 for place, key in enumerate(KEYS)} | {"path": MARKS - 4, "user_agent": MARKS - 2}
"""The mark before each value; the next one is behind it."""

ALWAYS = ("decision", "pool", "source_ip")
"""Columns that are looked at whoever asks: whether identity is ours, and that addresses are addresses."""

SOURCE: Category = "api_access"
TIME_DIGITS = 13
ZEROS = np.uint64(0x3030303030303030)
DIGIT_BITS = np.uint64(0xF0F0F0F0F0F0F0F0)
TO_NEXT_SIXTEEN = np.uint64(0x0606060606060606)


LITERALS = [
    (0, -1, b'{"v":"1"'),
    *((4 * place + 3, 0, f'","{key}":"'.encode()) for place, key in enumerate(KEYS[1:])),
    (HEAD_END, 0, b'"}\t"'),
    (PATH_END, 0, b'"\t"'),
    (LINE_END, 0, b'"\n'),
]
"""What is always the same: a mark, the distance from it, and the bytes. The short ones are last."""

SHORT = [len(text) for _, _, text in LITERALS if len(text) < WORD]


def _words_of_literals() -> Iterator[tuple[int, int, int]]:
    """The literals word by word: mark, distance, and the word."""
    for mark, distance, text in LITERALS:
        # the last word of a text overlaps the one before it, so that nothing behind the text is compared
        last = max(len(text) - WORD, 0)
        for start in (*range(0, last, WORD), last):
            yield mark, distance + start, int.from_bytes(text[start : start + WORD], "little")


_MARKS, _distances, _words = map(list, zip(*_words_of_literals(), strict=True))
_DISTANCES = np.array(_distances)[:, None]
_WORDS = np.array(_words, np.uint64)[:, None]
_KEPT_OF_SHORT = np.array([(1 << 8 * length) - 1 for length in SHORT], np.uint64)[:, None]


class LineColumns:
    """`Columns` of the lines of a block; `ends` are where each line ends in it."""

    def __init__(self, buffer: bytes, marks: Integers, times: Integers, numbers: dict[str, Numbers]) -> None:
        self._buffer = buffer
        self._marks = marks
        self.ends: Integers = marks[LINE_END] + 1
        self.times = times
        self.numbers = numbers

    def value(self, field: str, row: int) -> Any:
        if self.numbers[field][row] == MISSING:
            return None
        if field == "source":
            return SOURCE
        first, end = self._marks[OPENS[field] : OPENS[field] + 2, row].tolist()
        text = self._buffer[first + 1 : end].decode("ascii")
        if field == "source_ip":
            return address(text)
        return int(text) if field in INTEGER_FIELDS else text


class ColumnReader:
    """Reads blocks into columns with numbers for `fields`. `now_ms` bounds the times from above."""

    def __init__(self, fields: Iterable[str], numbering: TextNumbers, *, now_ms: int) -> None:
        self._fields = {*fields, *ALWAYS}
        self._there = [field for field in OPENS if field in self._fields]
        self._numbering = numbering
        self._now_ms = now_ms
        self._ours = numbering.of_texts(["allow", "deny"])
        self._source = numbering.of_texts([SOURCE])[0]
        self._addresses: Known[int] = Known()
        self._routes: Known[bool] = Known()

    def read(self, block: bytes) -> LineColumns | None:
        """The columns of the lines of `block` (the last without its line end), or `None`."""
        marks = _marks(block)
        if marks is None:
            return None
        buffer = block + b"\n" + PADDING
        if not _as_written(buffer, marks):
            return None
        times = _times(buffer, marks, now_ms=self._now_ms)
        if times is None or not _plain_numbers(buffer, marks):
            return None
        columns = LineColumns(buffer, marks, times, self._numbers(buffer, marks))
        try:
            self._spell_addresses(columns)
        except SourceError:
            return None
        self._forget_what_others_said(columns.numbers)
        self._forget_unmatched_routes(columns)
        return columns

    def _numbers(self, buffer: bytes, marks: Integers) -> dict[str, Numbers]:
        opens = [OPENS[field] for field in self._there]
        starts = marks.take(opens, axis=0) + 1
        lengths = marks[[place + 1 for place in opens]] - starts
        found = self._numbering.of_spans(buffer, starts, lengths)
        first = np.frombuffer(buffer, np.uint8).take(starts)
        found[(lengths == 0) | (lengths == 1) & (first == ord("-"))] = MISSING
        lines = marks.shape[1]
        others = dict.fromkeys(self._fields.difference(OPENS), np.full(lines, MISSING, np.uint64))
        return {
            **others,
            **dict(zip(self._there, found, strict=True)),
            "source": np.full(lines, self._source, np.uint64),
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


def _marks(block: bytes) -> Integers | None:
    """Where the quotation marks are: a row for each of a line's 76, a column for each line."""
    if not block.isascii() or b"\\" in block or b"\x7f" in block:
        return None
    characters = np.frombuffer(block, np.uint8)
    places = np.flatnonzero(characters == ord('"'))
    lines, rest = divmod(len(places), MARKS)
    if rest or not lines or np.count_nonzero(characters < ord(" ")) != 3 * lines - 1:
        return None
    return np.ascontiguousarray(places.reshape(lines, MARKS).T)


def _as_written(buffer: bytes, marks: Integers) -> bool:
    """Whether all that is between the values is what it always is, and no value is too long."""
    firsts, ends = marks[0] - 1, marks[LINE_END] + 1
    if firsts[0] != 0 or ends[-1] != len(buffer) - len(PADDING) - 1 or (firsts[1:] != ends[:-1] + 1).any():
        return False
    places = marks.take(_MARKS, axis=0)
    places += _DISTANCES
    words = words_at(buffer, places)
    words[-len(SHORT) :] &= _KEPT_OF_SHORT
    if (words != _WORDS).any():
        return False
    heads, ids = marks[HEAD_END] + 2 - firsts, _lengths(marks, "id")
    tails = marks[[PATH_END, LINE_END]] - marks[[PATH_END - 1, LINE_END - 1]] - 1
    return bool(
        heads.max() <= MAX_HEAD_CHARS
        and ids.min() > 0
        and ids.max() <= MAX_ID_CHARS
        and not _is_dash(buffer, marks, "id").any()
        and tails.max() <= MAX_FIELD_CHARS
    )


def _lengths(marks: Integers, field: str) -> Integers:
    found: Integers = marks[OPENS[field] + 1] - marks[OPENS[field]] - 1
    return found


def _is_dash(buffer: bytes, marks: Integers, field: str) -> Any:
    first = np.frombuffer(buffer, np.uint8).take(marks[OPENS[field]] + 1)
    return (first == ord("-")) & (_lengths(marks, field) == 1)


def _times(buffer: bytes, marks: Integers, *, now_ms: int) -> Integers | None:
    if (_lengths(marks, "time") != TIME_DIGITS).any():
        return None
    first = marks[OPENS["time"]] + 1
    high, low = (words_at(buffer, first + skip) for skip in (0, TIME_DIGITS - WORD))
    if not (_all_digits(high) and _all_digits(low)):
        return None
    times = _number(high) * 100_000 + _number(low) % 100_000
    return times if times.min() >= EARLIEST_MS and times.max() <= now_ms + MAX_AHEAD_MS else None


def _all_digits(words: Numbers) -> bool:
    # all of 0x30 to 0x39, and of nothing else, begin with 3 and go on doing so with 6 added
    return not ((words & (words + TO_NEXT_SIXTEEN) & DIGIT_BITS ^ ZEROS) | (words & DIGIT_BITS ^ ZEROS)).any()


def _number(words: Numbers) -> Integers:
    """The number of eight digits: pairs, then fours, then all of them, beside each other in one word."""
    pairs = (words - ZEROS) * np.uint64(10) + ((words - ZEROS) >> np.uint64(8))
    low, high = pairs & np.uint64(0xFF000000FF), pairs >> np.uint64(16) & np.uint64(0xFF000000FF)
    eight = (low * np.uint64(100 + (1_000_000 << 32)) + high * np.uint64(1 + (10_000 << 32))) >> np.uint64(32)
    return eight.astype(np.int64)


def _plain_numbers(buffer: bytes, marks: Integers) -> bool:
    """Whether each number is digits that do not begin with 0, or is absent."""
    opens = [OPENS[field] for field in NUMBERS[1:]]
    first = marks.take(opens, axis=0) + 1
    lengths = marks.take([place + 1 for place in opens], axis=0) - first
    words = words_at(buffer, first)
    begin = words & np.uint64(0xFF)
    present = (lengths > 0) & ((lengths > 1) | (begin != ord("-")))
    # to the upper end of the word, with zeros below: a word of eight digits
    spare = (WORD - np.clip(lengths, 1, WORD)).astype(np.uint64) * np.uint64(8)
    digits = words << spare | ZEROS >> (np.uint64(64) - spare)
    if not _all_digits(digits[present & (lengths <= WORD)]):
        return False
    if (present & (lengths > 1) & (begin == ord("0"))).any():
        return False
    for field, row in np.argwhere(lengths > WORD).tolist():
        start = int(first[field, row])
        try:
            integer(buffer[start : start + int(lengths[field, row])].decode("ascii"))
        except SourceError:
            return False
    return True
