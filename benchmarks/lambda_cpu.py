"""How much of a processor Lambda gives a function, by its memory.

Enters: MB. Leaves: a part of one processor. Python runs on one at a time, so more than one is of no use.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
"""

from __future__ import annotations

ONE_PROCESSOR_MB = 1_769


def cpu_share(memory_mb: int) -> float:
    """The part of a processor that a function of Python can use."""
    return min(1.0, memory_mb / ONE_PROCESSOR_MB)
