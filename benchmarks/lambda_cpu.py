"""The share of a processor that Lambda allots to a function with a given memory.

A Python function uses one processor at a time, so more than one does not help.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
"""

from __future__ import annotations

ONE_PROCESSOR_MB = 1_769


def cpu_share(memory_mb: int) -> float:
    """The share of one processor, up to 1, that a Python function with `memory_mb` can use."""
    return min(1.0, memory_mb / ONE_PROCESSOR_MB)
