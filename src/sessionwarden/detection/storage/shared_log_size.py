"""Limits an epoch of a shared log to what the memory of the processes that keep it allows.

Invariants: all processes with the same memory compute the same limit, and `FULL_EPOCHS_KEPT` full epochs need
at most half of the memory. Processes with different limits must not share a log: see
`placement.shared_log_name`. Figures: docs/explanation/cost.md
"""

from __future__ import annotations

SMALLEST_MEMORY_MB = 512
"""Memory of the detect Lambda by default, and the least that was measured."""

LARGEST_MEMORY_MB = 2_048
"""The most memory that raises the limit. From 1,769 MB on, one thread gets no more processor time, so a new
process would need more time to read a full shared log than a batch has.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""

SHARED_LOG_LIMIT = 250_000
"""Members of an epoch of a shared log, for processes of `SMALLEST_MEMORY_MB`: about 11 MB there, 5 MB to
read."""

FULL_EPOCHS_KEPT = 12
"""Full epochs that a process keeps: six timespans need as many in a flood. If they did not fit, each
batch would read all of them."""

_OWN_MB = 80
"""Memory of a process that keeps no shared log."""

_STEP = 10_000
"""Members: limits are multiples of this."""


def shared_log_limit_for(*, memory_mb: int) -> int:
    """Members of an epoch of a shared log, in proportion to half of the memory minus what a process needs.

    >>> [shared_log_limit_for(memory_mb=size) for size in (512, 1_024, 2_048)]
    [250000, 610000, 1340000]
    """
    measured = min(memory_mb, LARGEST_MEMORY_MB)
    limit = SHARED_LOG_LIMIT * (measured / 2 - _OWN_MB) / (SMALLEST_MEMORY_MB / 2 - _OWN_MB)
    return max(_STEP, int(limit) // _STEP * _STEP)
