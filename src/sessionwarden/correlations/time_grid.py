"""Event time cut into time steps: whole milliseconds, or buckets of a 32nd of the timespan.

Enters: times in epoch ms. Leaves: numbers of time steps, and back. Invariant: an interval of `span` time
steps is exactly one timespan long, so `(b - span, b]` never holds what `(t - timespan, t]` could not.
"""

from __future__ import annotations

from typing import NamedTuple

BUCKETS = 32
"""Buckets in a timespan."""

MAX_TIMESPAN_MS = 2**32
"""The time within an epoch is stored in four bytes: 49 days."""


class Grid(NamedTuple):
    """`span` time steps per timespan: as many as it has milliseconds where time is exact, else `BUCKETS`."""

    timespan_ms: int
    span: int

    def time_step(self, time: int) -> int:
        """The number of the time step that a time (epoch ms) lies in."""
        return time * self.span // self.timespan_ms

    def start(self, time_step: int) -> int:
        """The time that stands for the time step: its first whole millisecond."""
        return -(-time_step * self.timespan_ms // self.span)

    def until(self, time_step: int) -> int:
        """The last millisecond of the time step."""
        return self.start(time_step + 1) - 1

    def reach(self, time: int) -> tuple[int, int]:
        """The first and the last time at which an interval that holds `time` can end."""
        time_step = self.time_step(time)
        return self.start(time_step), self.start(time_step + self.span - 1)


def exact(timespan_ms: int) -> Grid:
    """Time steps of one millisecond."""
    return Grid(timespan_ms, timespan_ms)


def bucketed(timespan_ms: int) -> Grid:
    """Time steps of a 32nd of the timespan."""
    return Grid(timespan_ms, BUCKETS)
