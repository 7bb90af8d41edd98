"""Holds all members of one epoch of a shared log, and finds those of one owner.

A member begins with the hash of the key that owns it. Invariant: a lookup costs only its owner and a few
neighbours, and memory is about twice the bytes of the members. So an attacker who fills a shared log with
invented keys neither makes every batch read all of them nor fills the process. Members of one length whose
owners share a place lie in one byte string; a dictionary with a key for each owner needs four times the
memory. The place follows from a secret of the process, so that an attacker cannot invent keys for one place.
Figures: docs/explanation/cost.md
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

from sessionwarden.detection.windows.key_state import OWNER_BYTES

PLACES = 1 << 16
"""Places for members of one length: each has about four on a full shared log of the usual size."""

_HEAD = Struct(">BI")

NOTHING: frozenset[bytes] = frozenset()

Places = dict[int, bytes]
"""Members of one length, by the `_place` of their owners."""


class SharedLogEpoch:
    """The members of an epoch, which only grows. `count` is the number of distinct members."""

    __slots__ = ("_by_length", "count")

    def __init__(self, members: Iterable[bytes] = ()) -> None:
        self._by_length: dict[int, Places] = {}
        self.count = 0
        self.add(members)

    def add(self, members: Iterable[bytes]) -> None:
        """Add the members that are not yet known."""
        by_length = self._by_length
        for member in members:
            places = by_length.setdefault(len(member), {})
            place = _place(member[:OWNER_BYTES])
            known = places.get(place, b"")
            if not _holds(known, member):
                places[place] = known + member
                self.count += 1

    def add_packed(self, packed: bytes) -> None:
        """Add the members of an item. All are new: the process that wrote it had read all items before."""
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
    """Where the members of an owner lie in this process: each process has its own salt for hashes of bytes.

    https://docs.python.org/3/reference/datamodel.html#object.__hash__
    """
    return hash(owner) % PLACES


def pack(members: Iterable[bytes]) -> bytes:
    """The bytes of an item with these members; those of one length keep their order.

    For each length: the length (1 byte), how many members (4 bytes), and the members. DynamoDB's binary set
    costs twice as much to read.
    """
    by_length: dict[int, list[bytes]] = {}
    for member in members:
        by_length.setdefault(len(member), []).append(member)
    return b"".join(
        _HEAD.pack(length, len(found)) + b"".join(found) for length, found in sorted(by_length.items())
    )


def _holds(known: bytes, member: bytes) -> bool:
    at = known.find(member)
    while at % len(member) and at >= 0:  # the same bytes across two members are a coincidence
        at = known.find(member, at + 1)
    return at >= 0
