"""Packs many events into few EventBridge entries, with the events of one principal together.

One entry for each request would cost about 25 times more, and if a principal's events travel together, its
windows are written once. Invariant: the same events in the same order are packed into the same bytes, and
each event is in one pack.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from sessionwarden.model.event import Event

PACK_LIMIT_BYTES = 200_000
"""The most bytes of a pack. Its envelope goes through SQS, whose limit is 256 KB where the larger one is not
available yet; EventBridge bills in steps of 64 KB, so the exact size matters little."""

_PREFIX = b'{"version":1,"events":['
_SUFFIX = b"]}"

_encode = msgspec.json.encode


def pack_events(events: Iterable[Event], *, limit_bytes: int = PACK_LIMIT_BYTES) -> list[bytes]:
    """Encoded `EventPack`s, each at most `limit_bytes` long.

    A single event that is longer has a pack of its own, so that it is not lost. Principals stay in the order
    in which they first occur, and a principal's events stay in their order.
    """
    return list(_fill(_by_principal(events), limit_bytes))


def _by_principal(events: Iterable[Event]) -> Iterator[bytes]:
    groups: dict[tuple[str, str], list[bytes]] = {}
    for event in events:
        groups.setdefault(_principal(event), []).append(_encode(event))
    for group in groups.values():
        yield from group


def _principal(event: Event) -> tuple[str, str]:
    if event.user is not None:
        return "user", event.user
    if event.session is not None:
        return "session", event.session
    return "source_ip", event.source_ip or ""


def _fill(encoded: Iterator[bytes], limit_bytes: int) -> Iterator[bytes]:
    pack: list[bytes] = []
    size = empty = len(_PREFIX) + len(_SUFFIX)
    for event in encoded:
        if pack and size + len(event) > limit_bytes:
            yield _join(pack)
            pack, size = [], empty
        pack.append(event)
        size += len(event) + 1
    if pack:
        yield _join(pack)


def _join(pack: list[bytes]) -> bytes:
    return _PREFIX + b",".join(pack) + _SUFFIX
