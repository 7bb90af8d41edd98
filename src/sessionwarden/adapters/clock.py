"""The real clock: the one place where the core's `now` comes from."""

from __future__ import annotations

import time


def system_clock() -> int:
    """Now, as epoch milliseconds."""
    return time.time_ns() // 1_000_000
