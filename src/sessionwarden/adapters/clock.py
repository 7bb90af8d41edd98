"""The real clock. The core receives the time as an argument, and this is where callers take it from."""

from __future__ import annotations

import time


def system_clock() -> int:
    """Now, as epoch milliseconds."""
    return time.time_ns() // 1_000_000
