"""Broad denies: denied app clients and networks, which concern every request and are therefore polled.

All of them lie in one partition. If every request read it, the partition would be hot, so it is polled, and
an answer is at most `MAX_AGE_SECONDS` old. Invariants: an item that cannot be read fails the whole poll, as
with a principal's items; expiry is decided on each request. The sort key begins with the entry's end, so a
poll neither reads nor pays for ended entries, which the table's TTL deletes days late.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from socket import AF_INET, AF_INET6, inet_pton
from typing import Any

from sessionwarden.denylist.item import MAX_EPOCH_DIGITS, Item, read_epoch, read_text
from sessionwarden.errors import DamagedItemError
from sessionwarden.model.deny import BroadDeny, Claims, Verdict

PARTITION = "#polled"
"""The partition key of all broad denies. No principal has this key, because a pool id is never empty."""

MAX_AGE_SECONDS = 5
CLIENT_DENIED = "client_denied"
NETWORK_DENIED = "network_denied"

Network = tuple[int, int, int]
"""IP version, prefix length, and the leading bits as a number."""


MAX_LIVE = 1_000
"""With this many entries in force, operators can add no more by hand. Rules at their highest limit deny 40
addresses an hour, 960 in a day."""


def end_key(epoch_s: int) -> str:
    """The lowest sort key of entries that are still in force at `epoch_s` (epoch seconds).

    >>> end_key(1_800_000_000)
    '001800000000#'
    """
    return f"{epoch_s:0{MAX_EPOCH_DIGITS}d}#"


def sort_key(entry: BroadDeny) -> str:
    """The entry's sort key: its end, then its decision id."""
    return end_key(entry.deny_until) + entry.decision_id


def to_broad_item(entry: BroadDeny) -> Item:
    """The item of `entry`; raises `ValueError` unless it names either a client or a network."""
    if (entry.client is None) == (entry.network is None):
        raise ValueError("a broad deny names either a client or a network")
    item: Item = {
        "principal": {"S": PARTITION},
        "decision_id": {"S": sort_key(entry)},
        "deny_until": {"N": str(entry.deny_until)},
        "expires_at": {"N": str(entry.deny_until)},
    }
    if entry.client is not None:
        item["client"] = {"S": entry.client}
    if entry.network is not None:
        network_of(entry.network)
        item["network"] = {"S": entry.network}
    if entry.lifted_at is not None:
        item["lifted_at"] = {"N": str(entry.lifted_at)}
    return item


def from_broad_item(item: Mapping[str, Any]) -> BroadDeny:
    """The entry of `item`.

    Raises `DamagedItemError` for an item that `to_broad_item` cannot have written, and for a principal's.
    """
    known = {"principal", "decision_id", "deny_until", "expires_at", "client", "network", "lifted_at"}
    if (
        not isinstance(item, Mapping)
        or not known.issuperset(item)
        or ("client" in item) == ("network" in item)
    ):
        raise DamagedItemError("a broad deny item names neither a client nor a network, or both")
    if read_text(item, "principal") != PARTITION:
        raise DamagedItemError("the denylist answered for another partition")
    deny_until = read_epoch(item, "deny_until")
    key = read_text(item, "decision_id")
    decision_id = key.removeprefix(end_key(deny_until))
    if decision_id in ("", key):
        raise DamagedItemError("a broad deny item is not stored under its own end")
    return BroadDeny(
        decision_id=decision_id,
        deny_until=deny_until,
        client=read_text(item, "client") if "client" in item else None,
        network=read_text(item, "network") if "network" in item else None,
        lifted_at=read_epoch(item, "lifted_at") if "lifted_at" in item else None,
    )


class BroadDenies:
    """The denied clients and networks of one poll, indexed for the check on each request."""

    def __init__(self, entries: Iterable[BroadDeny] = ()) -> None:
        self._clients: dict[str, int] = {}
        self._networks: dict[Network, int] = {}
        for entry in entries:
            if entry.lifted_at is not None:
                continue
            if entry.client is not None:
                self._clients[entry.client] = max(entry.deny_until, self._clients.get(entry.client, 0))
            if entry.network is not None:
                network = self._parsed(entry.network)
                self._networks[network] = max(entry.deny_until, self._networks.get(network, 0))
        # there are few prefix lengths, however many networks, and each costs one look-up
        self._lengths = sorted({(version, length) for version, length, _ in self._networks})

    def refusal(self, claims: Claims, source_ip: object, *, now: int) -> Verdict | None:
        """Why `claims` from `source_ip` may not pass at `now`, or `None`. Equality refuses.

        A missing or malformed address is in no network; a block is in every network that holds all of it.
        """
        if self._clients and now <= self._clients.get(f"{claims.pool}#{claims.client}", 0):
            return Verdict(False, CLIENT_DENIED)
        if not self._networks or not isinstance(source_ip, str):
            return None
        try:
            version, width, address = network_of(source_ip)
        except ValueError:
            return None
        for of_version, length in self._lengths:
            if of_version != version or length > width:
                continue
            if now <= self._networks.get((version, length, address >> (width - length)), 0):
                return Verdict(False, NETWORK_DENIED)
        return None

    def _parsed(self, text: str) -> Network:
        try:
            return network_of(text)
        except ValueError:
            raise DamagedItemError("a broad deny item holds no network") from None


NOTHING_BROAD = BroadDenies()


def network_of(text: str) -> Network:
    """A CIDR block, or one address as the longest block; raises `ValueError` for anything else.

    An IPv4 address written as IPv6 (`::ffff:192.0.2.1`) counts as IPv4, or it would escape a deny.

    >>> network_of("192.0.2.0/24")
    (4, 24, 12582914)
    """
    # these C functions cost a twentieth of `ipaddress`, which the authorizer does not import
    address, _, prefix = text.partition("/")
    version, width, packed = _packed(address)
    length = _prefix_length(prefix, width) if len(address) < len(text) else width
    if packed.startswith(_IPV4_IN_IPV6) and length >= 96:
        version, width, length, packed = 4, 32, length - 96, packed[12:]
    number = int.from_bytes(packed, "big")
    bits = number >> (width - length)
    if bits << (width - length) != number:
        raise ValueError("a network has host bits set")
    return version, length, bits


_IPV4_IN_IPV6 = b"\0" * 10 + b"\xff\xff"


def _packed(address: str) -> tuple[int, int, bytes]:
    try:
        if ":" in address:
            return 6, 128, inet_pton(AF_INET6, address)
        return 4, 32, inet_pton(AF_INET, address)
    except (OSError, UnicodeEncodeError):
        raise ValueError("not an address") from None


def _prefix_length(text: str, width: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 3) or int(text) > width:
        raise ValueError("not a prefix length")
    return int(text)
