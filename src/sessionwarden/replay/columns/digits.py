"""Digits of many values at once: whether they are numbers, and which times they are.

A value is read as one or two words of eight bytes. Invariant: what is accepted here `sources.values.integer`
and `checked_time` accept, and what they accept is at worst asked for one by one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sessionwarden.errors import SourceError
from sessionwarden.replay.columns.columns import WORD, Integers, Numbers, words_at
from sessionwarden.sources.values import EARLIEST_MS, MAX_AHEAD_MS, integer

TIME_DIGITS = 13
"""Of epoch milliseconds, from 2001 to 2286."""

SURE_DIGITS = 15
"""So many digits are always below 2^53."""

ZEROS = np.uint64(0x3030303030303030)
_DIGIT_BITS = np.uint64(0xF0F0F0F0F0F0F0F0)
_TO_NEXT_SIXTEEN = np.uint64(0x0606060606060606)
_FOURS = np.uint64(0xFF000000FF)


def plain_numbers(buffer: bytes, starts: Integers, lengths: Integers, present: NDArray[np.bool_]) -> bool:
    """Whether each value that is `present` is a number without leading zeros: arrays of one shape."""
    if not present.any():
        return True
    starts, lengths = starts[present], lengths[present]
    if lengths.min() < 1:
        return False
    words = words_at(buffer, starts)
    leading = (words & np.uint64(0xFF)) == ord("0")
    # to the upper end of the word, with zeros below: a word of eight digits
    spare = (WORD - np.minimum(lengths, WORD)).astype(np.uint64) * np.uint64(8)
    digits = np.where(lengths < WORD, words << spare | ZEROS >> (np.uint64(64) - spare), words)
    if not _all_digits(digits) or (leading & (lengths > 1)).any():
        return False
    long = lengths > WORD
    if not long.any():
        return True
    starts, lengths = starts[long], lengths[long]
    # up to sixteen digits are the first eight and the last eight
    if not _all_digits(words_at(buffer, starts + np.minimum(lengths, 2 * WORD) - WORD)):
        return False
    return all(
        _is_integer(buffer[start : start + length])
        for start, length in zip(
            starts[lengths > SURE_DIGITS].tolist(), lengths[lengths > SURE_DIGITS].tolist(), strict=True
        )
    )


def times_of(buffer: bytes, starts: Integers, lengths: Integers) -> Integers | None:
    """Epoch milliseconds of values of 13 digits, or `None` if one is none."""
    if (lengths != TIME_DIGITS).any():
        return None
    high, low = words_at(buffer, starts), words_at(buffer, starts + (TIME_DIGITS - WORD))
    if not (_all_digits(high) and _all_digits(low)):
        return None
    return _number(high) * 100_000 + _number(low) % 100_000


def accepted(times: Integers, *, now_ms: int) -> bool:
    """Whether no time is from before 2015 or ahead of `now_ms`."""
    return bool(times.min() >= EARLIEST_MS and times.max() <= now_ms + MAX_AHEAD_MS)


def _is_integer(text: bytes) -> bool:
    try:
        integer(text.decode("ascii"))
    except SourceError:
        return False
    return True


def _all_digits(words: Numbers) -> bool:
    # all of 0x30 to 0x39, and of nothing else, begin with 3 and go on doing so with 6 added
    return not (
        (words & (words + _TO_NEXT_SIXTEEN) & _DIGIT_BITS ^ ZEROS) | (words & _DIGIT_BITS ^ ZEROS)
    ).any()


def _number(words: Numbers) -> Integers:
    """The number of eight digits: pairs, then fours, then all of them, beside each other in one word."""
    pairs = (words - ZEROS) * np.uint64(10) + ((words - ZEROS) >> np.uint64(8))
    low, high = pairs & _FOURS, pairs >> np.uint64(16) & _FOURS
    eight = (low * np.uint64(100 + (1_000_000 << 32)) + high * np.uint64(1 + (10_000 << 32))) >> np.uint64(32)
    return eight.astype(np.int64)
