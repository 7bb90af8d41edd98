from __future__ import annotations

import msgspec

from sessionwarden.model.event import Event, EventPack
from sessionwarden.sources.event_packs import PACK_LIMIT_BYTES, pack_events

decode = msgspec.json.Decoder(EventPack).decode


def event(number: int, **fields: str) -> Event:
    return Event(id=str(number), time=1_760_000_000_000 + number, source="api_access", **fields)  # type: ignore[arg-type]


def test_events_of_a_principal_travel_together_in_their_order() -> None:
    events = [event(number, user=f"u{number % 3}", source_ip=f"192.0.2.{number}") for number in range(9)]
    [pack] = pack_events(events)
    assert [int(packed.id) for packed in decode(pack).events] == [0, 3, 6, 1, 4, 7, 2, 5, 8]


def test_a_principal_is_the_user_else_the_session_else_the_address() -> None:
    events = [
        event(1, source_ip="192.0.2.1"),
        event(2, user="192.0.2.1", source_ip="192.0.2.9"),
        event(3, source_ip="192.0.2.1"),
        event(4, session="s", source_ip="192.0.2.9"),
        event(5),
        event(6, session="s", source_ip="192.0.2.1"),
    ]
    [pack] = pack_events(events)
    assert [int(packed.id) for packed in decode(pack).events] == [1, 3, 2, 4, 6, 5]


def test_no_pack_is_longer_than_the_limit_and_no_event_is_lost() -> None:
    events = [
        event(number, user=f"u{number % 50}", path="/" + "\u00e9" * (number % 700)) for number in range(2_000)
    ]
    for limit in (2_000, 10_000, PACK_LIMIT_BYTES):
        packs = pack_events(events, limit_bytes=limit)
        assert max(map(len, packs)) <= limit
        packed = [packed for pack in packs for packed in decode(pack).events]
        assert sorted(packed, key=lambda event: event.time) == events
        if limit < PACK_LIMIT_BYTES:
            assert len(packs) > 1


def test_an_event_longer_than_the_limit_travels_alone() -> None:
    events = [event(1, user="a"), event(2, user="b", path="/" * 500), event(3, user="c")]
    packs = pack_events(events, limit_bytes=200)
    assert [[packed.id for packed in decode(pack).events] for pack in packs] == [["1"], ["2"], ["3"]]


def test_nothing_gives_no_pack() -> None:
    assert pack_events([]) == []
