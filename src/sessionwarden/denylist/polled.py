"""Denied clients and networks: few entries that concern every request, so they are polled, not asked for.

Enters: items of the one partition that holds them all. Leaves: whether a client or an address is
denied now. Invariants: what cannot be read completely fails the whole poll, as with a principal's
items; expiry is decided on each look, not when polled. One partition key under which every request
reads would be a hot one, hence the poll, at most `MAX_AGE_SECONDS` ago.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sessionwarden.denylist.item import Item, read_epoch, read_text
from sessionwarden.errors import DamagedItemError
from sessionwarden.model.deny import Claims, Verdict

PARTITION = "#polled"
"""No principal is called so: a pool id is never empty."""

MAX_AGE_SECONDS = 5
CLIENT_DENIED = "client_denied"
NETWORK_DENIED = "network_denied"

Network = tuple[int, int, int]
"""IP version, prefix length, and the leading bits as a number."""


class PolledDeny(NamedTuple):
    """One denied app client (`<pool>#<client id>`) or network (CIDR), until then. Epoch seconds."""

    decision_id: str
    deny_until: int
    client: str | None = None
    network: str | None = None
    lifted_at: int | None = None


def to_polled_item(entry: PolledDeny) -> Item:
    """The item of `entry`; raises `ValueError` unless it names either a client or a network."""
    if (entry.client is None) == (entry.network is None):
        raise ValueError("a polled entry denies either a client or a network")
    item: Item = {
        "principal": {"S": PARTITION},
        "decision_id": {"S": entry.decision_id},
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


def from_polled_item(item: Mapping[str, Any]) -> PolledDeny:
    """The entry of `item`; raises `DamagedItemError` for what `to_polled_item` does not write."""
    known = {"principal", "decision_id", "deny_until", "expires_at", "client", "network", "lifted_at"}
    if (
        not isinstance(item, Mapping)
        or not known.issuperset(item)
        or ("client" in item) == ("network" in item)
    ):
        raise DamagedItemError("a polled denylist item denies neither a client nor a network, or both")
    return PolledDeny(
        decision_id=read_text(item, "decision_id"),
        deny_until=read_epoch(item, "deny_until"),
        client=read_text(item, "client") if "client" in item else None,
        network=read_text(item, "network") if "network" in item else None,
        lifted_at=read_epoch(item, "lifted_at") if "lifted_at" in item else None,
    )


class PolledDenies:
    """The denied clients and networks of one poll, ready to be looked at on each request."""

    def __init__(self, entries: Iterable[PolledDeny] = ()) -> None:
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
        # few lengths, however many networks: one look-up for each
        self._lengths = sorted({(version, length) for version, length, _ in self._networks})

    def refusal(self, claims: Claims, source_ip: object, *, now: int) -> Verdict | None:
        """Why `claims` from `source_ip` may not pass at `now`, or `None`. Equality refuses.

        An address that is missing or none is in no network.
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
            if of_version == version and now <= self._networks.get(
                (version, length, address >> (width - length)), 0
            ):
                return Verdict(False, NETWORK_DENIED)
        return None

    def _parsed(self, text: str) -> Network:
        try:
            return network_of(text)
        except ValueError:
            raise DamagedItemError("a polled denylist item holds no network") from None


NOTHING_POLLED = PolledDenies()


def network_of(text: str) -> Network:
    """A CIDR block, or one address as the longest block; raises `ValueError` for anything else.

    An IPv4 address written as IPv6 (`::ffff:192.0.2.1`) is the IPv4 one: else it would dodge.

    >>> network_of("192.0.2.0/24")
    (4, 24, 12582914)
    """
    # only deployments that deny networks pay for this import, in their first such request
    import ipaddress

    network = ipaddress.ip_network(text)
    if network.version == 6 and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            network = ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    length = network.prefixlen
    return network.version, length, int(network.network_address) >> (network.max_prefixlen - length)
