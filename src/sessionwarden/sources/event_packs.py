"""Many events into few EventBridge entries, those of one principal together.

Enters: the events of a delivery. Leaves: encoded `EventPack` details below a byte limit.
Invariant: the same events in the same order give the same bytes; each event is in one pack.
One entry per request would cost about 25 times more, and a principal whose events travel together
is written to its windows once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from sessionwarden.model.event import Event

PACK_LIMIT_BYTES = 200_000
"""The envelope goes through SQS, which takes 256 KB where the larger limit is not yet everywhere;
EventBridge bills in steps of 64 KB, so a few bytes more or less do not matter."""

_PREFIX = b'{"version":1,"events":['
_SUFFIX = b"]}"

_encode = msgspec.json.encode


def pack_events(events: Iterable[Event], *, limit_bytes: int = PACK_LIMIT_BYTES) -> list[bytes]:
    """Encoded `EventPack`s, each at most `limit_bytes` long.

    A single event that is longer than that travels alone, rather than being lost. Principals keep
    the order in which they first occur, and events of a principal keep theirs.
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
