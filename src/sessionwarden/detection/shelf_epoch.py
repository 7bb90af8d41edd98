"""All members of one epoch of a shelf, by the key that owns them.

Enters: members as they lie on a shelf, the owner's hash before each. Leaves: those of one owner. Invariant:
cost is that of the owner and its few neighbours alone, and memory about twice the members' bytes: whoever
fills a shelf with invented keys must neither make every batch look at all of them, nor fill the process.
Members of one length and one beginning of the owner's hash lie behind each other in one byte string, found
by a search through it: a dictionary with a key for each owner takes four times as much.
`pack` and `add_packed` are how an item of a shelf carries members: for each length, that (1 byte), how many
(4 bytes), and the members; reading a binary set costs twice as much. Figures: docs/explanation/cost.md
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

OWNER_BYTES = 10
"""Of the hash that names a member's key on a shelf. To take a member for another key's, 2^80 tries."""

PREFIX_BYTES = 2
"""Of the owner's hash, that name the place: 65,536 at most, each of some ten members on a full shelf."""

_HEAD = Struct(">BI")

NOTHING: frozenset[bytes] = frozenset()

Places = dict[bytes, bytes]
"""By the beginning of the owners' hashes, what follows it in each member: pieces of one length."""


class ShelfEpoch:
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
            prefix, piece = member[:PREFIX_BYTES], member[PREFIX_BYTES:]
            places = by_length.get(len(member))
            if places is None:
                places = by_length[len(member)] = {}
            known = places.get(prefix)
            if known is None:
                places[prefix] = piece
                self.count += 1
            elif not _holds(known, piece):
                places[prefix] = known + piece
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
                piece = member + PREFIX_BYTES
                prefix = packed[member:piece]
                places[prefix] = known(prefix, b"") + packed[piece : member + length]
            self.count += number

    def of(self, owner: bytes) -> frozenset[bytes]:
        """The members of one owner, without its hash."""
        prefix, rest = owner[:PREFIX_BYTES], owner[PREFIX_BYTES:]
        skip = len(rest)
        found = []
        for length, places in self._by_length.items():
            known, size = places.get(prefix, b""), length - PREFIX_BYTES
            at = known.find(rest)
            while at >= 0:
                if at % size:
                    at = known.find(rest, at + 1)
                    continue
                found.append(known[at + skip : at + size])
                at = known.find(rest, at + size)
        return frozenset(found) if found else NOTHING

    def __contains__(self, member: bytes) -> bool:
        known = self._by_length.get(len(member), {}).get(member[:PREFIX_BYTES], b"")
        return _holds(known, member[PREFIX_BYTES:])


def pack(members: Iterable[bytes]) -> bytes:
    """The members as an item carries them, those of one length in the order in which they come."""
    by_length: dict[int, list[bytes]] = {}
    for member in members:
        by_length.setdefault(len(member), []).append(member)
    return b"".join(
        _HEAD.pack(length, len(found)) + b"".join(found) for length, found in sorted(by_length.items())
    )


def _holds(known: bytes, piece: bytes) -> bool:
    at = known.find(piece)
    while at % len(piece) and at >= 0:  # the same bytes, across two pieces or within one, are an accident
        at = known.find(piece, at + 1)
    return at >= 0
