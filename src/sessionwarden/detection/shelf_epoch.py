"""All members of one epoch of a shelf, by the key that owns them.

Enters: members as they lie on a shelf, the owner's hash before each. Leaves: those of one owner, at the cost
of that owner alone: whoever fills a shelf with invented keys must not make every batch look at all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

OWNER_BYTES = 10
"""Of the hash that names a member's key on a shelf. To take a member for another key's, 2^80 tries."""

NOTHING: frozenset[bytes] = frozenset()


class ShelfEpoch:
    """Grows only. `count` is the number of distinct members."""

    __slots__ = ("_by_owner", "count")

    def __init__(self, members: Iterable[bytes] = ()) -> None:
        # most keys have one member in an epoch: a set of their own would take 216 bytes more
        self._by_owner: dict[bytes, bytes | set[bytes]] = {}
        self.count = 0
        self.add(members)

    def add(self, members: Iterable[bytes]) -> None:
        """Add members, known or not."""
        by_owner = self._by_owner
        for member in members:
            owner, own = member[:OWNER_BYTES], member[OWNER_BYTES:]
            known = by_owner.get(owner)
            if known is None:
                by_owner[owner] = own
                self.count += 1
            elif isinstance(known, set):
                self.count += own not in known
                known.add(own)
            elif known != own:
                by_owner[owner] = {known, own}
                self.count += 1

    def of(self, owner: bytes) -> Set[bytes]:
        """The members of one owner, without its hash."""
        found = self._by_owner.get(owner, NOTHING)
        return {found} if isinstance(found, bytes) else found

    def __contains__(self, member: bytes) -> bool:
        return member[OWNER_BYTES:] in self.of(member[:OWNER_BYTES])
