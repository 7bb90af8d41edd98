"""Event time cut into ticks: whole milliseconds, or quanta of a 32nd of the timespan.

Enters: times in epoch ms. Leaves: ticks and back. Invariant: an interval of `span` ticks is exactly one
timespan long, so `(b - span, b]` never holds what `(t - timespan, t]` could not.
"""

from __future__ import annotations

from typing import NamedTuple

QUANTA = 32
"""Quanta per timespan."""

MAX_TIMESPAN_MS = 2**32
"""The time within an epoch takes four bytes: 49 days."""


class Grid(NamedTuple):
    """`span` ticks per timespan: as many as it has milliseconds where time is exact, else `QUANTA`."""

    timespan_ms: int
    span: int

    def tick(self, time: int) -> int:
        """The tick that a time lies in."""
        return time * self.span // self.timespan_ms

    def start(self, tick: int) -> int:
        """The tick's own time: its first whole millisecond."""
        return -(-tick * self.timespan_ms // self.span)

    def until(self, tick: int) -> int:
        """The last millisecond of the tick."""
        return self.start(tick + 1) - 1

    def reach(self, time: int) -> tuple[int, int]:
        """The first and the last time at which an interval that holds `time` can end."""
        tick = self.tick(time)
        return self.start(tick), self.start(tick + self.span - 1)


def exact(timespan_ms: int) -> Grid:
    """Whole milliseconds."""
    return Grid(timespan_ms, timespan_ms)


def quantised(timespan_ms: int) -> Grid:
    """32nds of the timespan."""
    return Grid(timespan_ms, QUANTA)
