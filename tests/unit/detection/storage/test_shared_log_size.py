from __future__ import annotations

import pytest

from sessionwarden.detection.storage.placement import shared_log_name
from sessionwarden.detection.storage.shared_log_size import (
    FULL_EPOCHS_KEPT,
    LARGEST_MEMORY_MB,
    SHARED_LOG_LIMIT,
    SMALLEST_MEMORY_MB,
    shared_log_limit_for,
)

SIZES = range(128, 10_241, 64)
BYTES_A_MEMBER = 61.5
"""At the most: of the 230 MiB of a process with ten full epochs in cost.md, what is not its own."""


def test_the_smallest_process_has_the_limit_of_shared_logs_without_one_in_their_name() -> None:
    assert shared_log_limit_for(memory_mb=SMALLEST_MEMORY_MB) == SHARED_LOG_LIMIT


def test_more_memory_never_means_smaller_shared_logs() -> None:
    limits = [shared_log_limit_for(memory_mb=size) for size in SIZES]
    assert limits == sorted(limits)
    assert limits[0] > 0


@pytest.mark.parametrize("size", range(SMALLEST_MEMORY_MB, LARGEST_MEMORY_MB + 1, 64))
def test_all_epochs_that_a_process_keeps_fit_into_half_of_its_memory(size: int) -> None:
    kept = FULL_EPOCHS_KEPT * shared_log_limit_for(memory_mb=size) * BYTES_A_MEMBER / 1024**2
    assert 80 + kept <= size / 2


def test_shared_logs_of_two_limits_timespans_or_sizes_have_two_names() -> None:
    names = {
        shared_log_name(timespan_ms, limit=limit)
        for timespan_ms in (60_000, 600_000)
        for limit in (SHARED_LOG_LIMIT, 600_000, 60_000)
    }
    assert len(names) == 6
