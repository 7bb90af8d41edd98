"""Texts and hashes by which group keys, counted values and events are told apart.

Enters: what clients write. Leaves: texts that are equal if the values count as one, and short hashes of them.
Invariants: the same value has the same text and hash in every process. An IPv6 source is its /64, because a
client owns all of it and could otherwise be a new source with every request. Two different keys never share a
text, whatever an attacker writes into them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import Any

from sessionwarden.model.event import Event
from sessionwarden.model.source_network import LONGEST_ADDRESS

GroupKey = tuple[Any, ...]
"""The values of a rule's group-by, and the pool behind them where names are unique only within a pool."""

EventHash = Callable[[Event], bytes]

ID_HASH_BYTES = 6
"""Two events of one key collide only within one millisecond, so 48 bits are plenty."""

VALUE_HASH_BYTES = 8
"""Clients choose values: 64 bits, since each collision hides one value from the count."""

ID_TEXT_LIMIT = 256
"""Characters of an event id that are remembered and shown as evidence."""

USUAL_TEXT = 128
"""Characters of a value whose hash is remembered: a cache of endless texts would be a way to fill memory."""


def grouped_address(text: str) -> str:
    """An IPv6 address as its /64, an IPv4-mapped one as IPv4, anything else as it stands.

    >>> grouped_address("2001:db8:1:2:3:4:5:6")
    '2001:db8:1:2::/64'
    >>> grouped_address("::ffff:192.0.2.7")
    '192.0.2.7'
    """
    if ":" not in text or len(text) > LONGEST_ADDRESS:
        return text
    return _grouped_ipv6(text)


@lru_cache(maxsize=16_384)
def _grouped_ipv6(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return text
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    network = ipaddress.IPv6Address(int(address) >> 64 << 64)
    return f"{network}/64"


def value_text(field: str, value: Any) -> str:
    """The text of a counted value: addresses as they are grouped, lists joined."""
    if field == "source_ip":
        return grouped_address(value)
    return " ".join(value) if isinstance(value, tuple) else str(value)


def key_digest(key: GroupKey) -> str:
    """128 bits of SHA-256 over the key's values, each with its length: no text can imitate a border."""
    text = "".join("-" if value is None else f"{len(str(value))}:{value}" for value in key)
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def text_hash(text: str, *, size: int = VALUE_HASH_BYTES) -> bytes:
    """`size` bytes of BLAKE2b over a text."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).digest()


usual_text_hash = lru_cache(maxsize=16_384)(text_hash)


def value_hash(field: str, value: object) -> bytes:
    """The hash of the value that a field holds."""
    text = value_text(field, value)
    return usual_text_hash(text) if len(text) <= USUAL_TEXT else text_hash(text)


def event_hash(event: Event) -> bytes:
    """The hash that tells an event apart, also the two records that two sources write about one request."""
    return text_hash(f"{event.source}\0{event.id}", size=ID_HASH_BYTES)
