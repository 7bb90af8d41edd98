"""Many events as columns: their times, and for each field a number that stands for its value.

Enters: texts of one run. Leaves: 64-bit numbers; equal texts have equal ones, and 0 is nothing else than
missing. Invariant: the numbers depend on a secret of the run, so that an attacker cannot write two texts that
share one: for any pair of texts the chance is about 1 in 4 billion. Only a replay works with columns; in a
Lambda nothing imports this module, nor numpy.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from sessionwarden.model.event import Event

Numbers = NDArray[np.uint64]
Integers = NDArray[np.int64]

T = TypeVar("T")
N = TypeVar("N", bound=np.unsignedinteger)

MISSING = 0

WORD = 8
WORDS = 16
"""Of a text that is read a word at a time; a longer one, which few are, goes through BLAKE2."""

KNOWN = 1 << 16
"""Numbers that something is remembered for, before all of it is forgotten."""

FEW = 8
"""So few numbers are compared one by one rather than searched."""

PADDING = bytes(WORD * (WORDS + 1))
"""Behind the last text of a buffer: words are read beyond the end of a text, and masked."""

SPREAD = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that no two numbers can take each other's place unseen."""

# word by word: the bits that belong to a text that has 0 to 8 bytes in this word
_KEPT = np.array([(1 << 8 * count) - 1 for count in range(WORD + 1)], np.uint64)
_HALF = np.uint64(32)
_HALF_BITS = np.uint64(2**32 - 1)


class Columns(Protocol):
    """Events in the order of their log."""

    @property
    def times(self) -> Integers:
        """Epoch ms."""
        ...

    @property
    def numbers(self) -> dict[str, Numbers]:
        """By field."""
        ...

    def value(self, field: str, row: int) -> Any:
        """What the event's field holds."""
        ...


def combined(numbers: Iterable[Numbers], *, rows: int) -> Numbers:
    """One number for several, row by row. Their order counts."""
    found = np.ones(rows, np.uint64)
    for some in numbers:
        found *= SPREAD
        found += some
    return found


class TextNumbers:
    """Numbers for texts under a secret that follows from `seed`, by the NH hash of UMAC (RFC 4418, 5.2).

    That is a sum of products of the text's 32-bit halves of words, each plus a number of the secret.
    """

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        self._low, self._high = random.integers(0, 2**32, (2, WORDS, 1), dtype=np.uint64)
        self._length_factor = random.integers(0, 2**63, dtype=np.uint64) | np.uint64(1)
        self._key = random.bytes(32)

    def of_spans(self, buffer: bytes, starts: Integers, lengths: Integers) -> Numbers:
        """Of the texts in `buffer`, which ends with `PADDING`: arrays of one shape, in bytes."""
        fields, count = starts.shape
        found = lengths.astype(np.uint64) * self._length_factor
        last = len(buffer) - WORD
        most = np.minimum(-(-lengths.max(axis=1, initial=0) // WORD), WORDS).tolist()
        # all words of all fields in one go: of so few rows, each call of numpy costs more than its work
        field_of = [field for field in range(fields) for _ in range(most[field])]
        if count and field_of:
            number_of = np.array([number for some in most for number in range(some)])
            offsets = number_of[:, None] * WORD
            places = starts.take(field_of, axis=0)
            places += offsets
            read = words_at(buffer, np.minimum(places, last, out=places))
            behind = lengths.take(field_of, axis=0)
            behind -= offsets
            read &= _KEPT.take(behind, mode="clip")
            high = read >> _HALF
            high += self._high[number_of]
            high &= _HALF_BITS
            read += self._low[number_of]
            read &= _HALF_BITS
            read *= high
            read *= behind > 0  # a word behind the end of a text must not count, whatever lies there
            firsts = np.cumsum([0, *most[:-1]])
            some = np.array(most) > 0
            found[some] += np.add.reduceat(read, firsts[some], axis=0)
        for field, row in np.argwhere(lengths > WORD * WORDS).tolist():
            start = int(starts[field, row])
            found[field, row] = self._of_long(buffer[start : start + int(lengths[field, row])])
        found[found == MISSING] = 1
        return found

    def of_texts(self, texts: Iterable[str]) -> Numbers:
        """Of each text."""
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        lengths = np.array([list(map(len, encoded))], np.int64).reshape(1, -1)
        starts = np.cumsum(lengths, axis=1) - lengths
        found: Numbers = self.of_spans(b"".join(encoded) + PADDING, starts, lengths)[0]
        return found

    def _of_long(self, text: bytes) -> int:
        return int.from_bytes(blake2b(text, digest_size=WORD, key=self._key).digest(), "little")


def words_at(buffer: bytes, places: Integers) -> Numbers:
    """The eight bytes that begin at each of `places`; none may be among the last seven of `buffer`."""
    first = np.frombuffer(buffer, "<u8", count=1)
    words = np.lib.stride_tricks.as_strided(first, (len(buffer) - WORD + 1,), (1,), writeable=False)
    found: Numbers = words[places]  # not `take`, which would copy all words first
    return found


def distinct(numbers: NDArray[N]) -> NDArray[N]:
    """The different ones, in order."""
    # numpy's own `unique` hashes, which takes ten times as long as its sort
    found = np.sort(numbers)
    first = np.concatenate((np.ones(min(len(found), 1), np.bool_), found[1:] != found[:-1]))
    different: NDArray[N] = found[first]
    return different


class Known(Generic[T]):
    """What was worked out for numbers, so that it is done once; forgotten when it has become too much."""

    def __init__(self) -> None:
        self._known: dict[int, T] = {}

    def of(
        self, numbers: Numbers, work_out: Callable[[Sequence[int]], Iterable[T]]
    ) -> tuple[Numbers, list[T]]:
        """The different ones among the numbers, in order, and what is known of each.

        Those that are new are worked out together, by places in `numbers` that have them.
        """
        if len(self._known) > KNOWN:
            self._known.clear()
        known, different = self._known, distinct(numbers)
        wanted = different.tolist()
        new = [number for number in wanted if number not in known]
        if new:
            order = np.argsort(numbers)
            places = order[np.searchsorted(numbers, np.array(new, np.uint64), sorter=order)]
            known.update(zip(new, work_out(places.tolist()), strict=True))
        return different, [known[number] for number in wanted]


def replaced(numbers: Numbers, old: Numbers, new: Sequence[int]) -> Numbers:
    """The numbers, which are all among `old`, each replaced by its new one; `MISSING` stays."""
    instead = np.where(old == MISSING, old, np.array(new, np.uint64))
    if np.array_equal(instead, old):
        return numbers
    found: Numbers = instead[np.searchsorted(old, numbers)]
    return found


def among(numbers: NDArray[np.unsignedinteger], some: NDArray[np.unsignedinteger]) -> NDArray[np.bool_]:
    """Which of the numbers are among `some`, which are in order."""
    if len(some) <= FEW:
        found = np.zeros(len(numbers), np.bool_)
        for number in some:
            found |= numbers == number
        return found
    there: NDArray[np.bool_] = some[np.minimum(np.searchsorted(some, numbers), len(some) - 1)] == numbers
    return there


class EventColumns:
    """`Columns` of events that exist already."""

    def __init__(self, events: Sequence[Event], fields: Iterable[str], numbering: TextNumbers) -> None:
        self._events = events
        self.times = np.array([event.time for event in events], np.int64)
        self.numbers = {field: self._numbers(field, numbering) for field in fields}

    def value(self, field: str, row: int) -> Any:
        return getattr(self._events[row], field)

    def _numbers(self, field: str, numbering: TextNumbers) -> Numbers:
        values = [getattr(event, field) for event in self._events]
        distinct = list({value for value in values if value is not None})
        # between texts of a list, what none of them holds: ("a b",) is not ("a", "b")
        texts = ("\0".join(value) if isinstance(value, tuple) else str(value) for value in distinct)
        number_of = dict(zip(distinct, numbering.of_texts(texts).tolist(), strict=True))
        return np.array([number_of.get(value, MISSING) for value in values], np.uint64)


class JoinedColumns:
    """`Columns` of several, one behind the other; all have the same fields. At least one."""

    def __init__(self, parts: Sequence[Columns]) -> None:
        self._parts = parts
        self._ends = list(accumulate(len(part.times) for part in parts))
        self.times = np.concatenate([part.times for part in parts])
        self.numbers: dict[str, Numbers] = {
            field: np.concatenate([part.numbers[field] for part in parts]) for field in parts[0].numbers
        }

    def value(self, field: str, row: int) -> Any:
        number = bisect_right(self._ends, row)
        return self._parts[number].value(field, row - (self._ends[number - 1] if number else 0))
