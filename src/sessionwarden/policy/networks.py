"""Decides which networks may be denied, and how wide a deny may be.

Invariants: a rule denies one IPv4 address or one IPv6 /64, since that is what addresses group by; an operator
denies a /24 or a /48 at most; private, local and shared blocks are never denied. Who shares an ordinary
address cannot be seen here: that is for `protected.source_ips`.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network

Network = IPv4Network | IPv6Network

GROUPED_PREFIX = {4: 32, 6: 64}
"""The block that counts as one source, by IP version: an IPv6 client owns its /64 and could change addresses
within it."""

WIDEST_PREFIX = {4: 24, 6: 48}
"""256 addresses, or one site (RFC 6177): a slip of the pen must not shut out a country."""

NEVER_DENIED: tuple[Network, ...] = tuple(
    map(
        ip_network,
        (
            # this host, private use, carrier-grade NAT, loopback, link-local: our own proxies and neighbours
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.168.0.0/16", "::/127", "fc00::/7", "fe80::/10"),
            # multicast, reserved, broadcast
            *("224.0.0.0/3", "ff00::/8"),
            # NAT64 and Teredo: one /64 stands for every client behind a translator or a relay
            *("64:ff9b::/96", "64:ff9b:1::/48", "2001::/32"),
        ),
    )
)
"""Blocks that are never denied, whatever rules and operators say.
https://www.iana.org/assignments/iana-ipv4-special-registry and -ipv6-special-registry"""


def parse_network(text: str) -> Network:
    """A CIDR block, or an address as the block it groups by; IPv4 inside IPv6 is IPv4, zones are dropped.

    Raises `ValueError` for anything else, and for a block with host bits set.

    >>> str(parse_network("2001:db8:1:2:3:4:5:6"))
    '2001:db8:1:2::/64'
    >>> str(parse_network("::ffff:203.0.113.7"))
    '203.0.113.7/32'
    """
    network = ip_network(text)
    if isinstance(network, IPv4Network):
        return network
    mapped = network.network_address.ipv4_mapped
    if mapped and network.prefixlen >= 96:
        return IPv4Network((mapped, network.prefixlen - 96))
    # a zone names an interface of the machine that wrote it, and no authorizer could read it
    network = IPv6Network((int(network.network_address), network.prefixlen))
    return network if "/" in text else network.supernet(new_prefix=GROUPED_PREFIX[6])


def grouped_network(key: str, address: str | None) -> Network | None:
    """What a rule may deny for the group key `key` of an event from `address`; `None` if they disagree."""
    try:
        network = parse_network(key)
        inside = address is None or parse_network(address).subnet_of(network)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return None
    return network if inside and network.prefixlen == GROUPED_PREFIX[network.version] else None


def never_denied(network: Network) -> bool:
    """Whether any of its addresses must not be denied, whatever rules and operators say."""
    return overlaps(network, NEVER_DENIED)


def overlaps(network: Network, others: Iterable[Network]) -> bool:
    """Whether it shares an address with any of `others`; networks of different IP versions share none."""
    return any(network.version == other.version and network.overlaps(other) for other in others)


def operators_network(text: str) -> Network:
    """The block that an operator wants denied; raises `ValueError` with one sentence about what is wrong."""
    try:
        network = parse_network(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an address or a CIDR block without host bits") from None
    widest = WIDEST_PREFIX[network.version]
    if network.prefixlen < widest:
        raise ValueError(f"{network} is wider than a /{widest}, the widest that can be denied")
    if never_denied(network):
        raise ValueError(f"{network} is private, local or shared by design, and is never denied")
    return network
