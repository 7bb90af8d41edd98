"""The member encoding: the bytes that stand for an event or a match in a window's sets, and how to read them.

Enters: a time, a payload and, of ordered sequences, the position of a step. Leaves: the number of a set, and
the member's bytes: the time step within the epoch, the payload, and perhaps a tag. Invariants: two events or
matches that count as two differ in a member; an event that is delivered again is the same member. Sets of
neighbouring epochs have neighbouring numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sessionwarden.correlations.time_grid import Grid

Members = Mapping[int, frozenset[bytes]]
"""Members by the number of their set."""


@dataclass(frozen=True, slots=True)
class MemberEncoding:
    """One way to store members in sets. Each epoch, which is one timespan long, has `sets` of them.

    `suffix` keeps the sets of two encodings apart if their windows have one digest. `repeats` says that what
    happens often often has the same member. `read` is from the step of a set and the bytes of a payload to
    the payload that aggregates take in. A member may end in a tag of `tag_bytes`, which tells the sessions of
    a user apart and is no part of the payload.
    """

    suffix: str
    grid: Grid
    offset_bytes: int
    read: Callable[[int, bytes], Any]
    sets: int = 1
    repeats: bool = False
    tag_bytes: int = 0

    @property
    def timespan_ms(self) -> int:
        """The rule's timespan, which is an epoch's length."""
        return self.grid.timespan_ms

    def member(self, time: int, payload: bytes, step: int = 0) -> tuple[int, bytes]:
        """The number of the set, and the bytes of the member, for something that happened at `time`."""
        epoch, offset = divmod(self.grid.time_step(time), self.grid.span)
        number = epoch * self.sets + (step if self.sets > 1 else 0)
        return number, offset.to_bytes(self.offset_bytes, "big") + payload

    def time_step(self, number: int, member: bytes) -> int:
        """The time step of a member of the set with that number."""
        return number // self.sets * self.grid.span + int.from_bytes(member[: self.offset_bytes], "big")

    def around(self, numbers: Iterable[int]) -> list[int]:
        """The sets of these epochs and of their neighbours: all that intervals through their members hold."""
        epochs = {near for one in numbers for near in range(one // self.sets - 1, one // self.sets + 2)}
        return [epoch * self.sets + step for epoch in sorted(epochs) for step in range(self.sets)]

    def groups(self, members: Members) -> list[tuple[int, list[Any]]]:
        """The payloads of the members that were read, by time step and in order of time."""
        by_step: dict[int, list[Any]] = {}
        payload = slice(self.offset_bytes, -self.tag_bytes or None)
        read, time_step = self.read, self.time_step
        for number, found in members.items():
            step = number % self.sets
            for member in found:
                by_step.setdefault(time_step(number, member), []).append(read(step, member[payload]))
        return sorted(by_step.items(), key=lambda group: group[0])

    def tags(self, members: Members, *, since: int, until: int) -> Counter[bytes]:
        """How many of the members of the time steps `(since, until]` have which tag."""
        return Counter(
            member[-self.tag_bytes :]
            for number, found in members.items()
            for member in found
            if since < self.time_step(number, member) <= until
        )
