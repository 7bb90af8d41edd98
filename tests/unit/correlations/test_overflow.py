"""What is kept of members beyond a full set, and that it decides what it must."""

from __future__ import annotations

from hashlib import blake2b
from math import exp, log

import pytest

from sessionwarden.correlations.overflow import (
    SAMPLE_MARGIN,
    SAMPLE_TO_REACH,
    overflow_of_count,
    overflow_of_sum,
)
from sessionwarden.ports import MEMBER_LIMIT

GIGABYTE = 10**9


def payload(number: int, value: int) -> bytes:
    return blake2b(b"%d" % number, digest_size=6).digest() + value.to_bytes(6, "big")


@pytest.mark.parametrize("value", [1, 5_000, 400_000, 3_999_999])
def test_a_sample_of_small_values_stands_for_their_sum(value: int) -> None:
    overflow = overflow_of_sum(10 * GIGABYTE)
    assert overflow.worth == 4_000_000
    count = min(200_000, 5 * GIGABYTE // value)
    kept = [overflow.payload(payload(number, value)) for number in range(count)]
    sampled = [one for one in kept if one is not None]
    expected = count * value / overflow.worth
    assert abs(len(sampled) - expected) < 5 * max(expected, 1) ** 0.5
    assert all(len(one) == 6 for one in sampled)


def test_a_large_value_is_kept_as_it_is_and_nothing_at_all_is_worth_nothing() -> None:
    overflow = overflow_of_sum(10 * GIGABYTE)
    assert overflow.payload(payload(1, 8_000_000)) == payload(1, 8_000_000)
    assert overflow.payload(b"\0" * 12) is None


def test_chance_alone_reaches_no_threshold() -> None:
    # Chernoff's bound, for the most that is expected of a sum below the threshold
    reached = (SAMPLE_TO_REACH + SAMPLE_MARGIN) / SAMPLE_TO_REACH
    assert exp(SAMPLE_TO_REACH * (reached - 1 - reached * log(reached))) < 1e-6


@pytest.mark.parametrize("threshold", [1, 7, 2_500, 2_501, 100_000, 10 * GIGABYTE, 2**53 - 1])
def test_a_full_slice_of_values_proves_the_sum(threshold: int) -> None:
    overflow = overflow_of_sum(threshold)
    counted = overflow.limit - (SAMPLE_MARGIN if overflow.worth > 1 else 0)
    assert counted * overflow.worth >= threshold
    assert overflow.slices * overflow.limit < 1.2 * MEMBER_LIMIT


@pytest.mark.parametrize(("most", "slices"), [(1, 32), (625, 32), (626, 16), (5_000, 4), (10_000, 2)])
def test_slices_of_counts_hold_together_as_many_as_a_set(most: int, slices: int) -> None:
    assert overflow_of_count(most).slices == slices
