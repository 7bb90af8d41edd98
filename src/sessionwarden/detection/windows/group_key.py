"""Group keys: which events belong together, and the names of what is kept of them.

Enters: an event and a rule's `group_by`. Leaves: the values of the key, names of suppression markers, the id
of a finding. Invariants: an event that lacks a field of the key never counts; two different keys never
share a name, whatever an attacker writes into them; users of two pools never mix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from operator import attrgetter
from typing import Any

from sessionwarden.correlations.values import GroupKey, grouped_address
from sessionwarden.model.event import Event

KeyReader = Callable[[Event], GroupKey | None]

NAMES_OF_A_POOL = frozenset({"user", "username"})
"""Fields whose values are only unique within a user pool."""

KEY_TEXT_LIMIT = 1024
"""Characters of a key's text that a finding shows: an endless path must not make it undeliverable."""


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
    read, key = _raw_key_reader(fields, pooled=with_pool), _key_maker(fields, pooled=with_pool)
    if counted is None:
        return lambda event: key(read(event))
    read_counted = attrgetter(counted)
    return lambda event: None if read_counted(event) is None else key(read(event))


def _raw_key_reader(fields: tuple[str, ...], *, pooled: bool) -> Callable[[Event], Any]:
    """Reads what decides an event's key, as fast as can be: events that give the same have the same key."""
    read = (*fields, "pool") if pooled else fields
    return attrgetter(*read) if read else lambda event: ()


def _key_maker(fields: tuple[str, ...], *, pooled: bool) -> Callable[[Any], GroupKey | None]:
    """The key for what `_raw_key_reader` read, or `None` if a value is missing."""
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


def marker_digest(*, rule: str, window: str) -> str:
    """Names a rule's suppression markers: rules that share a window suppress their periods apart."""
    return sha256(f"{len(rule)}:{rule}{window}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def series_name(*, rule: str, window: str, key: str) -> str:
    """Names all findings of a rule about one key, given by its digest."""
    return sha256(f"{marker_digest(rule=rule, window=window)}#{key}".encode()).hexdigest()[:32]


def finding_id(*, marker_key: str, period: int) -> str:
    """128 bits of SHA-256 over rule, window, key and suppressed period: the same abuse is one finding."""
    return sha256(f"{marker_key}#{period}".encode()).hexdigest()[:32]


def shown_key(group_by: tuple[str, ...], key: GroupKey) -> dict[str, str]:
    """Field to text, for people and for policy; without the pool, which a finding has of its own."""
    return {field: str(value)[:KEY_TEXT_LIMIT] for field, value in zip(group_by, key, strict=False)}
