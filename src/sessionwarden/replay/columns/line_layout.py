r"""What is the same in every line of a log, and the comparison of a whole block of lines with it.

Access logs are written from a template: between two values there is always the same text. So it is enough to
find all quotation marks of a block and to compare what lies between the values, eight bytes at a time.
Invariant: where `marks_of` answers, every line of the block is the layout's text with values in between, all
of it is ASCII, and no value holds a quotation mark, a backslash or a control character. What stands in a
value without quotation marks is for the caller to check.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from sessionwarden.replay.columns.columns import PADDING, WORD, Integers, words_at

LONGEST_LITERAL = len(PADDING) - WORD
"""Bytes. A longer text would be compared beyond the end of a block that was cut."""


class Literal(NamedTuple):
    """Text that is the same in every line, by its distance (bytes) from a mark of the line."""

    mark: int
    distance: int
    text: bytes


class Span(NamedTuple):
    """Where a value begins and ends (exclusive): each a mark of the line and a distance (bytes) from it."""

    first_mark: int
    first_distance: int
    end_mark: int
    end_distance: int
    quoted: bool


def quoted_span(mark: int) -> Span:
    """The value between a quotation mark and the next one."""
    return Span(mark, 1, mark + 1, 0, quoted=True)


class LineLayout:
    """The text of a line around its values.

    A line has `quotes` quotation marks, which are its marks 0 to `quotes - 1`; its end is the mark behind
    them. `tail` is what follows the last quotation mark, or `None` if a value does. The first literal begins
    the line. Tabs outside of values belong to literals.
    """

    def __init__(
        self, *, quotes: int, literals: Sequence[Literal], values: Mapping[str, Span], tail: bytes | None
    ) -> None:
        self.quotes = quotes
        self.values = values
        self._tail = tail
        self._begin = literals[0]
        self._controls = 1 + sum(literal.text.count(b"\t") for literal in literals)
        # the short ones last, so that their words can be cut together
        ordered = sorted(literals, key=lambda literal: -len(literal.text))
        words = list(_words(ordered))
        self._marks = [mark for mark, _, _ in words]
        self._distances = np.array([distance for _, distance, _ in words])[:, None]
        self._words = np.array([word for _, _, word in words], np.uint64)[:, None]
        short = [len(literal.text) for literal in ordered if len(literal.text) < WORD]
        self._short = len(words) - len(short)
        self._kept_of_short = np.array([(1 << 8 * length) - 1 for length in short], np.uint64)[:, None]

    def marks_of(self, buffer: bytes) -> Integers | None:
        """The marks of the lines of a buffer: a row for each mark, a column for each line.

        `buffer` holds whole lines with their line ends, then `PADDING`. `None` if any line is of another
        layout.
        """
        end = len(buffer) - len(PADDING)
        if not buffer.isascii() or b"\\" in buffer or b"\x7f" in buffer:
            return None
        characters = np.frombuffer(buffer, np.uint8, count=end)
        quotes = np.flatnonzero(characters == ord('"'))
        lines, rest = divmod(len(quotes), self.quotes)
        if rest or not lines or np.count_nonzero(characters < ord(" ")) != self._controls * lines:
            return None
        marks = np.empty((self.quotes + 1, lines), np.int64)
        marks[:-1] = quotes.reshape(lines, self.quotes).T
        if self._tail is not None:
            np.add(marks[-2], 1 + len(self._tail), out=marks[-1])
        else:
            ends = np.flatnonzero(characters == ord("\n"))
            if len(ends) != lines:
                return None
            marks[-1] = ends
        return marks if self._as_written(buffer, marks, end=end) else None

    def _as_written(self, buffer: bytes, marks: Integers, *, end: int) -> bool:
        firsts, ends = self.firsts(marks), marks[-1]
        if firsts[0] != 0 or ends[-1] != end - 1 or (firsts[1:] != ends[:-1] + 1).any():
            return False
        places = marks.take(self._marks, axis=0)
        places += self._distances
        words = words_at(buffer, places)
        words[self._short :] &= self._kept_of_short
        words ^= self._words
        return not words.any()

    def firsts(self, marks: Integers) -> Integers:
        """Where each line begins."""
        found: Integers = marks[self._begin.mark] + self._begin.distance
        return found

    def starts(self, marks: Integers, names: Sequence[str]) -> Integers:
        """Where values begin: a row for each name, a column for each line."""
        spans = [self.values[name] for name in names]
        return _places(marks, [(span.first_mark, span.first_distance) for span in spans])

    def ends(self, marks: Integers, names: Sequence[str]) -> Integers:
        """Where values end (exclusive)."""
        spans = [self.values[name] for name in names]
        return _places(marks, [(span.end_mark, span.end_distance) for span in spans])


def _places(marks: Integers, spots: Sequence[tuple[int, int]]) -> Integers:
    found: Integers = marks.take([mark for mark, _ in spots], axis=0)
    found += np.array([distance for _, distance in spots], np.int64).reshape(-1, 1)
    return found


def _words(literals: Sequence[Literal]) -> Iterator[tuple[int, int, int]]:
    """The literals word by word: mark, distance, and the word."""
    for mark, distance, text in literals:
        # the last word of a text overlaps the one before it, so that nothing behind the text is compared
        last = max(len(text) - WORD, 0)
        for start in (*range(0, last, WORD), last):
            yield mark, distance + start, int.from_bytes(text[start : start + WORD], "little")


def padded(block: bytes) -> bytes:
    """The block with the line end of its last line, and what may be read behind it."""
    return block + b"\n" + PADDING
