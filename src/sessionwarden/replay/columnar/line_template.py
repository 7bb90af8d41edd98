r"""What all lines of a block have in common, so that a block can be checked and cut without parsing lines.

Logs that a server writes by a format repeat the same text between the values of every line. A template knows
that text. Reading a block means: find all quotation marks, which are the same number in every line, and
compare what lies between the values, eight bytes at a time. A block is only read if every line fits.

    {"ip":"  192.0.2.1  ","status":  200  ,"user":"  alice  "}\n       one line under a template of
    run 0    value 0    run 1        v. 1 run 2      value 2 run 3      four runs and three values

Invariant: where a block is read, every line is exactly runs and values in turn. A quoted value then holds no
quotation mark, since all of them are accounted for; nothing holds a backslash, so there are no escapes; the
only control characters are those of the runs; and the block is UTF-8. What an unquoted value holds is left to
the caller.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sessionwarden.replay.columnar.columns import PADDING, WORD, Integers, words_at

_NEWLINE = ord("\n")
_ZEROS = np.uint64(0x3030303030303030)
_DIGIT_BITS = np.uint64(0xF0F0F0F0F0F0F0F0)
_TO_NEXT_SIXTEEN = np.uint64(0x0606060606060606)
_WHOLE = (1 << 8 * WORD) - 1
_WORD_BITS = np.uint64(64)
_EIGHT = np.uint64(8)


class Values(NamedTuple):
    """Where one value of each line lies in a buffer: first bytes, and lengths in bytes."""

    starts: Integers
    lengths: Integers


class TemplateLines:
    """The lines of a block that fit a template. `starts` and `ends` are where each line lies in `buffer`."""

    def __init__(
        self, buffer: bytes, starts: Integers, ends: Integers, values: Values, places: Mapping[str, int]
    ) -> None:
        self.buffer = buffer
        self.starts = starts
        self.ends = ends
        self._values = values
        self._places = places

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def names(self) -> Collection[str]:
        """Of the values, in their order."""
        return self._places.keys()

    def of(self, name: str) -> Values:
        """Where the value of that name lies in each line."""
        place = self._places[name]
        return Values(self._values.starts[place], self._values.lengths[place])

    def some(self, names: Sequence[str]) -> Values:
        """The same for several values: a row for each name."""
        places = [self._places[name] for name in names]
        return Values(self._values.starts.take(places, axis=0), self._values.lengths.take(places, axis=0))

    def text(self, name: str, row: int) -> str:
        """The value of that name in one line."""
        place = self._places[name]
        start = int(self._values.starts[place, row])
        return self.buffer[start : start + int(self._values.lengths[place, row])].decode()


class LineTemplate:
    r"""The constant `runs` of a line, its line end included, and the `names` of the values between them.

    >>> template = LineTemplate([b'{"a":"', b'","b":', b"}\n"], ["a", "b"])
    >>> lines = template.read(b'{"a":"x","b":1}\n{"a":"","b":22}')
    >>> [(lines.text("a", row), lines.text("b", row)) for row in range(len(lines))]
    [('x', '1'), ('', '22')]
    """

    def __init__(self, runs: Sequence[bytes], names: Sequence[str]) -> None:
        self.runs = tuple(runs)
        self._places = {name: place for place, name in enumerate(names)}
        self._quotes = sum(run.count(b'"') for run in runs)
        self._controls = sum(character < ord(" ") for run in runs for character in run)
        # each run lies at a fixed distance from one of its marks; the last one may only have the line end
        self._anchors, self._before = map(list, zip(*self._distances(), strict=True))
        self._length = np.array([len(run) for run in runs])[:, None]
        # words of short runs come last, so that only they need a mask
        found = sorted(self._words(), key=lambda word: word[3], reverse=True)
        marks, distances, words, kept = map(list, zip(*found, strict=True))
        self._marks = marks
        self._shifts = np.array(distances)[:, None]
        self._expected = np.array(words, np.uint64)[:, None]
        self._masked = kept.count(_WHOLE)
        self._masks = np.array(kept[self._masked :], np.uint64)[:, None]

    def read(self, block: bytes) -> TemplateLines | None:
        """The lines of a block (the last without its line end), or `None` if one does not fit."""
        if b"\\" in block or b"\x7f" in block or not _is_utf8(block):
            return None
        buffer = block + b"\n" + PADDING
        characters: NDArray[np.uint8] = np.frombuffer(buffer, np.uint8, count=len(block) + 1)
        ends = np.flatnonzero(characters == _NEWLINE)
        if np.count_nonzero(characters < ord(" ")) != self._controls * len(ends):
            return None
        marks = self._marks_of(characters, ends)
        if marks is None:
            return None
        starts = np.concatenate(([0], ends[:-1] + 1))
        first = marks.take(self._anchors, axis=0)
        first -= np.array(self._before)[:, None]
        behind = first + self._length
        if (first[0] != starts).any() or (behind[-1] != ends + 1).any():
            return None
        values = Values(behind[:-1], first[1:] - behind[:-1])
        if values.lengths.min(initial=0) < 0 or not self._as_written(buffer, marks):
            return None
        return TemplateLines(buffer, starts, ends, values, self._places)

    def _marks_of(self, characters: NDArray[np.uint8], ends: Integers) -> Integers | None:
        """The quotation marks, a row for each of a line's, a column for each line; last, the line ends."""
        quotes = np.flatnonzero(characters == ord('"'))
        if len(quotes) != self._quotes * len(ends):
            return None
        marks = np.empty((self._quotes + 1, len(ends)), np.int64)
        marks[:-1] = quotes.reshape(len(ends), self._quotes).T
        marks[-1] = ends
        return marks

    def _as_written(self, buffer: bytes, marks: Integers) -> bool:
        places = marks.take(self._marks, axis=0)
        places += self._shifts
        words = words_at(buffer, places)
        words[self._masked :] &= self._masks
        return not (words != self._expected).any()

    def _distances(self) -> Iterator[tuple[int, int]]:
        """For each run the mark that it is found by, and how many bytes of it lie before that mark."""
        seen = 0
        for run in self.runs:
            before = run.find(b'"')
            yield (seen, before) if before >= 0 else (self._quotes, len(run) - 1)
            seen += run.count(b'"')

    def _words(self) -> Iterator[tuple[int, int, int, int]]:
        """The runs word by word: mark, distance from it, the word, and which bits of it count."""
        for run, mark, before in zip(self.runs, self._anchors, self._before, strict=True):
            # the last word of a run overlaps the one before it, so that nothing behind the run is compared
            last = max(len(run) - WORD, 0)
            kept = (1 << 8 * min(len(run), WORD)) - 1
            for start in dict.fromkeys((*range(0, last, WORD), last)):
                yield mark, start - before, int.from_bytes(run[start : start + WORD], "little"), kept


def _is_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def are_digits(words: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which words consist of eight digits."""
    # all of 0x30 to 0x39, and nothing else, begin with 3 and go on doing so with 6 added
    wrong = (words & (words + _TO_NEXT_SIXTEEN) & _DIGIT_BITS ^ _ZEROS) | (words & _DIGIT_BITS ^ _ZEROS)
    found: NDArray[np.bool_] = wrong == 0
    return found


def number_of_digits(words: NDArray[np.uint64]) -> Integers:
    """The number that eight digits are: pairs, then fours, then all, beside each other in one word."""
    pairs = (words - _ZEROS) * np.uint64(10) + ((words - _ZEROS) >> _EIGHT)
    low, high = pairs & np.uint64(0xFF000000FF), pairs >> np.uint64(16) & np.uint64(0xFF000000FF)
    eight = (low * np.uint64(100 + (1_000_000 << 32)) + high * np.uint64(1 + (10_000 << 32))) >> np.uint64(32)
    return eight.astype(np.int64)


def are_plain_numbers(buffer: bytes, values: Values) -> NDArray[np.bool_]:
    """Which values are whole numbers of at most 15 digits, without a zero that says nothing before them."""
    starts, lengths = values
    begin = words_at(buffer, starts)
    plain = (lengths > 0) & (lengths <= 2 * WORD - 1)
    plain &= (lengths == 1) | (begin & np.uint64(0xFF) != ord("0"))
    # to the upper end of the word, with zeros below: a word of eight digits
    spare = (WORD - np.clip(lengths, 1, WORD)).astype(np.uint64) * _EIGHT
    plain &= are_digits(begin << spare | _ZEROS >> (_WORD_BITS - spare))
    long = lengths > WORD
    if long.any():
        ending = words_at(buffer, np.where(long, starts + lengths - WORD, starts))
        plain &= ~long | are_digits(ending)
    return plain


def numbers_of_length(buffer: bytes, values: Values, *, digits: int) -> Integers | None:
    """The numbers, if each is written with so many digits, of which there are 9 to 16; else `None`."""
    if (values.lengths != digits).any():
        return None
    high, low = (words_at(buffer, values.starts + skip) for skip in (0, digits - WORD))
    if not (are_digits(high).all() and are_digits(low).all()):
        return None
    scale = 10 ** (digits - WORD)
    found: Integers = number_of_digits(high) * scale + number_of_digits(low) % scale
    return found
