"""How members lie in sets: the bytes of one, the set that it belongs to, and what is read back.

Enters: a time, a payload and, of ordered sequences, a step. Leaves: the number of a set and the member's
bytes: ticks into the epoch, then the payload. Invariant: what two events or firings must not share, they do
not share; whatever is seen twice gives the same bytes. Set numbers of neighbouring epochs are neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sessionwarden.detection.counting.time_grid import Grid, exact, quantised
from sessionwarden.ruleset.compiled import CompiledRule

Members = Mapping[int, frozenset[bytes]]
"""Members by the number of their set."""

ID_HASH_BYTES = 6
"""Two events of one key only collide within one millisecond, so 48 bits are plenty."""

VALUE_HASH_BYTES = 8
"""Values are chosen by clients: 64 bits, since each collision hides one value from the count."""

NUMBER_BYTES = 6
"""Of a value that is summed: below 2^48, which is 280 TB in one response. A larger one carries no value."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to lay members into sets, of which each epoch has `sets`.

    `suffix` keeps sets of two layouts apart should their windows have one digest. `repeats` if what
    happens often gives the same member again. `read` is from a set's step and a payload's bytes to what
    aggregates take.
    """

    suffix: str
    grid: Grid
    offset_bytes: int
    read: Callable[[int, bytes], Any]
    sets: int = 1
    repeats: bool = False

    @property
    def timespan_ms(self) -> int:
        """The rule's timespan, which is an epoch's length."""
        return self.grid.timespan_ms

    def member(self, time: int, payload: bytes, step: int = 0) -> tuple[int, bytes]:
        """The set and the bytes of what was seen at `time`."""
        epoch, offset = divmod(self.grid.tick(time), self.grid.span)
        place = epoch * self.sets + (step if self.sets > 1 else 0)
        return place, offset.to_bytes(self.offset_bytes, "big") + payload

    def tick(self, place: int, member: bytes) -> int:
        """The tick of a member."""
        return place // self.sets * self.grid.span + int.from_bytes(member[: self.offset_bytes], "big")

    def around(self, places: Iterable[int]) -> list[int]:
        """The sets of these epochs and both neighbours: all that an interval through their members holds."""
        epochs = {near for place in places for near in range(place // self.sets - 1, place // self.sets + 2)}
        return [epoch * self.sets + step for epoch in sorted(epochs) for step in range(self.sets)]

    def groups(self, members: Members) -> list[tuple[int, list[Any]]]:
        """What was read, tick by tick, in order of time."""
        by_tick: dict[int, list[Any]] = {}
        skip, read, tick = self.offset_bytes, self.read, self.tick
        for place, found in members.items():
            step = place % self.sets
            for member in found:
                by_tick.setdefault(tick(place, member), []).append(read(step, member[skip:]))
        return sorted(by_tick.items(), key=lambda group: group[0])


def layout_of(rule: CompiledRule, *, steps: int, spacings: tuple[int, ...]) -> Layout:
    """The layout of a correlation; `spacings` are the timespans (ms) of its inner rules."""
    span = rule.timespan_ms
    match rule.kind:
        case "event_count":
            return Layout("", exact(span), 4, _firing_reader(spacings))
        case "value_count":
            return Layout("", quantised(span), 1, _value, repeats=True)
        case "temporal":
            return Layout("t", quantised(span), 1, _value, repeats=True)
        case "temporal_ordered":
            return Layout("o", exact(span), 4, _step_and_event, sets=steps)
        case _:
            return Layout("n", exact(span), 4, _number)


def _firing_reader(spacings: tuple[int, ...]) -> Callable[[int, bytes], tuple[bytes, int] | None]:
    def read(step: int, payload: bytes) -> tuple[bytes, int] | None:
        return None if len(payload) == ID_HASH_BYTES else (payload, spacings[payload[0]])

    return read


def _value(step: int, payload: bytes) -> bytes:
    return payload


def _step_and_event(step: int, payload: bytes) -> tuple[int, bytes]:
    return step, payload


def _number(step: int, payload: bytes) -> int:
    return int.from_bytes(payload[ID_HASH_BYTES:], "big")
