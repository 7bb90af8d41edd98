"""How much an epoch of a shared log takes: as much as the memory of the processes that keep it allows.

Enters: the memory of a process. Leaves: a limit in members. Invariants: all processes of one size come to one
limit, and a full complement of epochs (`FULL_EPOCHS_KEPT`) takes no more than half of the memory. Whoever
differs in the limit must not meet at a shared log: see `placement.shared_log_name`. Figures:
docs/explanation/cost.md
"""

from __future__ import annotations

SMALLEST_MEMORY_MB = 512
"""What `detect` has unless told otherwise, and the least that was measured."""

LARGEST_MEMORY_MB = 2_048
"""More memory brings no more processor to one thread from 1,769 MB on, so that a new process would read a
full shared log for longer than the time that a batch has.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""

SHARED_LOG_LIMIT = 250_000
"""Members of an epoch of a shared log, for processes of `SMALLEST_MEMORY_MB`: about 11 MB there, 5 MB to
read."""

FULL_EPOCHS_KEPT = 12
"""In a process: as many as six timespans need under flood. If they did not fit, each batch would read all."""

_OWN_MB = 80
"""Of a process that keeps no shared log."""

_STEP = 10_000


def shared_log_limit_for(*, memory_mb: int) -> int:
    """Members of an epoch of a shared log for processes of this memory, in proportion to what is left of its
    half.

    >>> [shared_log_limit_for(memory_mb=size) for size in (512, 1_024, 2_048)]
    [250000, 610000, 1340000]
    """
    measured = min(memory_mb, LARGEST_MEMORY_MB)
    limit = SHARED_LOG_LIMIT * (measured / 2 - _OWN_MB) / (SMALLEST_MEMORY_MB / 2 - _OWN_MB)
    return max(_STEP, int(limit) // _STEP * _STEP)
