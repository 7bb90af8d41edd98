"""Group keys: which events belong together, and the names of their items.

Enters: an event and a rule's `group_by`. Leaves: the texts of the key, its table key, the id of a
finding. Invariants: a missing field never groups; two different keys never share a name, whatever
an attacker writes into them; users of two pools never mix; an IPv6 source is its /64, because a
client owns all of it and could otherwise be a new source with every request.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import sha256
from operator import attrgetter
from typing import Any

from sessionwarden.model.event import Event

GroupKey = tuple[Any, ...]
KeyReader = Callable[[Event], GroupKey | None]

NAMES_OF_A_POOL = frozenset({"user", "username"})
"""Fields whose values are only unique within a user pool."""

LONGEST_ADDRESS = 80
"""Characters, with a zone; whatever is longer is no address, and not worth remembering."""

KEY_TEXT_LIMIT = 1024
"""Characters of a key's text that a finding shows: an endless path must not make it undeliverable."""


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


def pool_scoped(fields: Iterable[str]) -> bool:
    """Whether any of the fields holds names that are only unique within a user pool."""
    return not NAMES_OF_A_POOL.isdisjoint(fields)


def key_reader(
    fields: tuple[str, ...], *, counted: str | None = None, pooled: bool | None = None
) -> KeyReader:
    """A function from an event to the values of `fields`, or `None` if one (or `counted`) is missing.

    A key of a user carries the pool as one more value, `None` where the source knows none; `pooled`
    tells whether it does, where the fields of other selections of the same key decide.
    """
    with_pool = pool_scoped(fields) if pooled is None else pooled
    read, key = raw_key_reader(fields, pooled=with_pool), key_maker(fields, pooled=with_pool)
    if counted is None:
        return lambda event: key(read(event))
    read_counted = attrgetter(counted)
    return lambda event: None if read_counted(event) is None else key(read(event))


def raw_key_reader(fields: tuple[str, ...], *, pooled: bool) -> Callable[[Event], Any]:
    """Reads what decides an event's key, as fast as can be: events that give the same have the same key."""
    read = (*fields, "pool") if pooled else fields
    return attrgetter(*read) if read else lambda event: ()


def key_maker(fields: tuple[str, ...], *, pooled: bool) -> Callable[[Any], GroupKey | None]:
    """The key for what `raw_key_reader` read, or `None` if a value is missing."""
    if len(fields) == 1 and not pooled:
        (field,) = fields
        if field == "source_ip":
            return lambda value: None if value is None else (grouped_address(value),)
        return lambda value: None if value is None else (value,)
    count = len(fields)
    address = fields.index("source_ip") if "source_ip" in fields else None

    def key(values: GroupKey) -> GroupKey | None:
        if None in values[:count]:
            return None
        if address is not None and ":" in values[address]:
            return (*values[:address], grouped_address(values[address]), *values[address + 1 :])
        return values

    return key


def value_text(field: str, value: Any) -> str:
    """The text of a counted value: addresses as they group (else one IPv6 client is many), lists joined."""
    if field == "source_ip":
        return grouped_address(value)
    return " ".join(value) if isinstance(value, tuple) else str(value)


def key_digest(key: GroupKey) -> str:
    """128 bits of SHA-256 over the key's values, each with its length: no text can imitate a border."""
    text = "".join("-" if value is None else f"{len(str(value))}:{value}" for value in key)
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def mark_digest(*, rule: str, window: str) -> str:
    """Names a rule's marks: rules that share a window still suppress their periods apart."""
    return sha256(f"{len(rule)}:{rule}{window}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def finding_id(*, mark_key: str, period: int) -> str:
    """128 bits of SHA-256 over rule, window, key and suppressed period: the same abuse is one finding."""
    return sha256(f"{mark_key}#{period}".encode()).hexdigest()[:32]


def shown_key(group_by: tuple[str, ...], key: GroupKey) -> dict[str, str]:
    """Field to text, for people and for policy; without the pool, which a finding has of its own."""
    return {field: str(value)[:KEY_TEXT_LIMIT] for field, value in zip(group_by, key, strict=False)}
