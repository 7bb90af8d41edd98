"""Which events count at all, judged by their time and by who refused them; the same for every engine.

Enters: events and the present, which for a log is the time that it has reached so far. Leaves: what counts,
and batches whose events can be judged by one present. Invariant: an event's lateness depends on what came
before it, never on what came after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sessionwarden.model.deny import DENYLIST_REASONS
from sessionwarden.model.event import Event

LATE_MS = 24 * 3_600_000
"""Events older than this are dropped: their sets may be gone."""

SKEW_MS = 5 * 60_000
"""Events further in the future than this are quarantined."""


KEPT_MS = LATE_MS + 3_600_000
"""How long sets and marks outlive the last event time that can need them."""


def expiry(last_needed_ms: int) -> int:
    """When what matters to events of up to that time (epoch ms) may go, in epoch seconds."""
    return (last_needed_ms + KEPT_MS) // 1000


def is_our_refusal(event: Event) -> bool:
    """Whether the access log shows a request that the denylist refused.

    Counting it would extend the deny of a principal that is denied already. A token that the authorizer
    refused for its own faults is no such case: its address must go on counting, or a bad token would make it
    invisible. Without a reason, a refusal is taken for the denylist's.
    """
    if event.decision != "deny" or event.source != "api_access":
        return False
    return event.reason is None or event.reason in DENYLIST_REASONS


class Span(NamedTuple):
    """A part of a batch, by its first and last (exclusive) event, and the present that judges it."""

    first: int
    end: int
    now_ms: int


class LogTime:
    """The present of a log that is read from its beginning: the highest event time so far, epoch ms."""

    def __init__(self) -> None:
        self.reached_ms = 0

    def batches(self, events: Sequence[Event]) -> Iterator[tuple[Sequence[Event], int]]:
        """`events` in as few batches as can be judged by one present each, with that present."""
        if not events:
            return
        times = [event.time for event in events]
        for first, end, now_ms in self.spans(times):
            yield events[first:end], now_ms

    def spans(self, times: Sequence[int]) -> Iterator[Span]:
        """The same, from the times of the events alone: at least one, in their order."""
        reached = max(self.reached_ms, max(times))
        if reached - min(times) <= LATE_MS:
            self.reached_ms = reached
            yield Span(0, len(times), reached)
            return
        start, oldest = 0, times[0]
        for index, time in enumerate(times):
            reached = max(self.reached_ms, time)
            if index > start and reached - min(oldest, time) > LATE_MS:
                yield Span(start, index, self.reached_ms)
                start, oldest = index, time
            self.reached_ms, oldest = reached, min(oldest, time)
        yield Span(start, len(times), self.reached_ms)
