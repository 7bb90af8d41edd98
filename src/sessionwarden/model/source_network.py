"""The network around a client's address, for counting what one client spreads over many addresses of it."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

IPV6_BITS = 48
"""What one customer commonly gets (RFC 6177 leaves it to providers), and with it 65,536 networks of the size
by which addresses are grouped, /64."""

IPV4_BITS = 24
"""The smallest network that is announced on the Internet by itself, so that few are divided among
strangers."""

LONGEST_ADDRESS = 80
"""Characters of an address with its zone. Longer text is no address, and not worth remembering."""


def source_network(address: str) -> str:
    """The network of `address`; what is no address, as it stands.

    >>> source_network("2001:db8:1:2::3")
    '2001:db8:1::/48'
    >>> source_network("192.0.2.7")
    '192.0.2.0/24'
    """
    return address if len(address) > LONGEST_ADDRESS else _network(address)


@lru_cache(maxsize=16_384)
def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is None:
            return str(ipaddress.IPv6Network((int(found), IPV6_BITS), strict=False))
        found = found.ipv4_mapped
    return str(ipaddress.IPv4Network((int(found), IPV4_BITS), strict=False))
