"""All members of one epoch of a shared log, by the key that owns them.

Enters: members as they lie on a shared log, the owner's hash before each. Leaves: those of one owner.
Invariant: cost is that of the owner and its few neighbours alone, and memory about twice the members' bytes:
whoever fills a shared log with invented keys must neither make every batch look at all of them, nor fill the
process. Members of one length whose owners share a place lie behind each other in one byte string, found by a
search through it: a dictionary with a key for each owner takes four times as much. Nobody can choose the
place: it follows from a secret of this process, or keys could be invented that all lie in one, each dearer to
add. `pack` and `add_packed` are how an item of a shared log carries members: for each length, that (1 byte),
how many (4 bytes), and the members; reading a binary set costs twice as much. Figures:
docs/explanation/cost.md
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

from sessionwarden.detection.windows.key_state import OWNER_BYTES

PLACES = 1 << 16
"""Of members of one length, each with some four on a full shared log of the usual size."""

_HEAD = Struct(">BI")

NOTHING: frozenset[bytes] = frozenset()

Places = dict[int, bytes]
"""Members of one length, by `_place` of their owners."""


class SharedLogEpoch:
    """Grows only. `count` is the number of distinct members."""

    __slots__ = ("_by_length", "count")

    def __init__(self, members: Iterable[bytes] = ()) -> None:
        self._by_length: dict[int, Places] = {}
        self.count = 0
        self.add(members)

    def add(self, members: Iterable[bytes]) -> None:
        """Add members, known or not."""
        by_length = self._by_length
        for member in members:
            places = by_length.setdefault(len(member), {})
            place = _place(member[:OWNER_BYTES])
            known = places.get(place, b"")
            if not _holds(known, member):
                places[place] = known + member
                self.count += 1

    def add_packed(self, packed: bytes) -> None:
        """Add the members of an item. None of them is known: whoever wrote it had read all items before."""
        at = 0
        while at < len(packed):
            length, number = _HEAD.unpack_from(packed, at)
            begin, at = at + _HEAD.size, at + _HEAD.size + length * number
            places = self._by_length.setdefault(length, {})
            known = places.get
            for member in range(begin, at, length):
                place = _place(packed[member : member + OWNER_BYTES])
                places[place] = known(place, b"") + packed[member : member + length]
            self.count += number

    def of(self, owner: bytes) -> frozenset[bytes]:
        """The members of one owner, without its hash."""
        place, skip = _place(owner), len(owner)
        found = []
        for length, places in self._by_length.items():
            known = places.get(place, b"")
            at = known.find(owner)
            while at >= 0:
                if at % length:
                    at = known.find(owner, at + 1)
                    continue
                found.append(known[at + skip : at + length])
                at = known.find(owner, at + length)
        return frozenset(found) if found else NOTHING

    def __contains__(self, member: bytes) -> bool:
        places = self._by_length.get(len(member), {})
        return _holds(places.get(_place(member[:OWNER_BYTES]), b""), member)


def _place(owner: bytes) -> int:
    """Where an owner's members lie, in this process: Python salts the hash of bytes anew for each.

    https://docs.python.org/3/reference/datamodel.html#object.__hash__
    """
    return hash(owner) % PLACES


def pack(members: Iterable[bytes]) -> bytes:
    """The members as an item carries them, those of one length in the order in which they come."""
    by_length: dict[int, list[bytes]] = {}
    for member in members:
        by_length.setdefault(len(member), []).append(member)
    return b"".join(
        _HEAD.pack(length, len(found)) + b"".join(found) for length, found in sorted(by_length.items())
    )


def _holds(known: bytes, member: bytes) -> bool:
    at = known.find(member)
    while at % len(member) and at >= 0:  # the same bytes, across two members, are an accident
        at = known.find(member, at + 1)
    return at >= 0
