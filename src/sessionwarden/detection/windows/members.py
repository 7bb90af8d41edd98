"""What of an event, or of a firing of an inner rule, goes into a member of a window.

Enters: an event, or an inner key and the quantum that it fired in. Leaves: payloads for the layout, and
the event as evidence. Invariant: the same event or firing gives the same payload in every process; two
that count apart only share one by a collision of their hashes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b

from sessionwarden.detection.counting.crossings import Seen
from sessionwarden.detection.counting.member_encoding import ID_HASH_BYTES, NUMBER_BYTES, VALUE_HASH_BYTES
from sessionwarden.detection.windows.group_key import GroupKey, key_digest, value_text
from sessionwarden.model.event import Event
from sessionwarden.ruleset.compiled import Kind

ID_TEXT_LIMIT = 256
"""Characters of an event id that are remembered and shown as evidence."""

USUAL_TEXT = 128
"""Characters of a value whose hash is remembered: a cache of endless texts would be a way to fill memory."""

EventHash = Callable[[Event], bytes]


def text_hash(text: str, *, size: int = VALUE_HASH_BYTES) -> bytes:
    """The hash of a counted value."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).digest()


usual_text_hash = lru_cache(maxsize=16_384)(text_hash)


def value_hash(field: str, value: object) -> bytes:
    """The hash of what `field` holds."""
    text = value_text(field, value)
    return usual_text_hash(text) if len(text) <= USUAL_TEXT else text_hash(text)


def event_hash(event: Event) -> bytes:
    """Tells apart the records that two sources write about one request."""
    return text_hash(f"{event.source}\0{event.id}", size=ID_HASH_BYTES)


def firing_hash(rule: str, key: GroupKey, quantum: int) -> bytes:
    """Tells apart the firings of inner rules in a sequence."""
    return text_hash(f"{len(rule)}:{rule}{key_digest(key)}{quantum}", size=ID_HASH_BYTES)


def carries_number(value: object) -> bool:
    """Whether a value can be summed: a whole number from 0 to below 2^48."""
    return isinstance(value, int) and 0 <= value < 1 << (8 * NUMBER_BYTES)


def event_payload(kind: Kind, event: Event, *, field: str | None, step: int, event_hash: EventHash) -> bytes:
    """The payload of an event; `field` is the one whose value counts, `step` the place in a sequence."""
    if kind == "temporal":
        return bytes((step,))
    if field is None:
        return event_hash(event)
    value = getattr(event, field)
    if kind == "value_count":
        return value_hash(field, value)
    return event_hash(event) + int(value).to_bytes(NUMBER_BYTES, "big")


def seen_event(kind: Kind, event: Event, *, field: str | None, step: int) -> Seen:
    """The event as evidence; where values or steps count, one for each of them is shown."""
    shown = event.id[:ID_TEXT_LIMIT]
    if kind == "temporal":
        return Seen(event.time, shown, bytes((step,)))
    if kind == "value_count" and field is not None:
        return Seen(event.time, shown, value_hash(field, getattr(event, field)))
    return Seen(event.time, shown, shown)
