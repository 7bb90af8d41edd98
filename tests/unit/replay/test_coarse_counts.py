"""The coarse count against the same count made row by row."""

from __future__ import annotations

from collections import defaultdict
from random import Random

import numpy as np
import pytest

from sessionwarden.replay.passes import coarse_counts
from sessionwarden.replay.passes.coarse_counts import CoarseCount

MINUTE = 60_000
DAY = 24 * 60 * MINUTE

Row = tuple[int, int, int]
"""Key, time, value."""


def counted(rows: list[Row], *, of_values: bool) -> CoarseCount:
    """What somebody has seen who only scans."""
    keys, times, values = np.array(rows, np.int64).reshape(-1, 3).T
    seen = CoarseCount(timespan_ms=MINUTE, least=1, of_values=of_values)
    seen.add(keys.astype(np.uint32), times, values.astype(np.uint32) if of_values else None)
    return seen


def expected(rows: list[Row], *, least: int, of_values: bool) -> list[int]:
    held: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for key, time, value in rows:
        held[key, time // MINUTE].append(value)

    def number(key: int, cell: int) -> int:
        values = held.get((key, cell), [])
        return len(set(values) if of_values else values)

    return sorted({key for key, cell in [*held] if number(key, cell) + number(key, cell + 1) >= least})


@pytest.mark.parametrize("of_values", [False, True])
@pytest.mark.parametrize("pending", [0, 7, 10**6])
def test_keys_may_fire_whose_neighbouring_cells_hold_enough(
    monkeypatch: pytest.MonkeyPatch, of_values: bool, pending: int
) -> None:
    monkeypatch.setattr(coarse_counts, "PENDING", pending)
    monkeypatch.setattr(coarse_counts, "SORTED_AT_ONCE", 7)
    random = Random(1)
    fired = 0
    for _ in range(60):
        least = random.randint(2, 6)
        judge = CoarseCount(timespan_ms=MINUTE, least=least, of_values=of_values)
        rows: list[Row] = []
        reached = 2**32
        for _ in range(random.randint(1, 12)):
            reached += random.choice((0, MINUTE, 10 * MINUTE, 2 * DAY))
            batch = [
                (
                    random.choice((1, 2, 3, 2**32 - 1)),
                    reached - random.randint(0, 6 * MINUTE),
                    random.randint(0, 5),
                )
                for _ in range(random.randint(0, 10))
            ]
            judge.merge(counted(batch, of_values=of_values).take(), accepted_ms=reached - 6 * MINUTE)
            rows += batch

        assert judge.may_fire().tolist() == expected(rows, least=least, of_values=of_values)
        fired += len(judge.may_fire())
    assert fired > 60


@pytest.mark.parametrize("of_values", [False, True])
def test_rows_that_have_a_cell_each_are_no_more_parts_than_others(of_values: bool) -> None:
    years = counted([(1, number * DAY, 1) for number in range(3_000)], of_values=of_values)

    (taken,) = years.take()

    assert len(taken.places) == 3_000
    assert years.take() == []


def test_cells_that_nothing_can_change_any_more_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coarse_counts, "PENDING", 10)
    judge = CoarseCount(timespan_ms=MINUTE, least=2, of_values=False)
    for day in range(100):
        batch = [(key, day * DAY, 0) for key in range(50)]
        judge.merge(counted(batch, of_values=False).take(), accepted_ms=(day - 1) * DAY)

    (kept,) = judge.take()

    assert len(kept.places) <= 150
    assert judge.may_fire().tolist() == []
