from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionwarden.errors import SourceError
from sessionwarden.model.event import Event, EventPack
from sessionwarden.sources.access_log.line import format_access_line, parse_access_line
from sessionwarden.sources.authorizer_log import MARK, parse_decision_line
from sessionwarden.sources.event_packs import pack_events
from sessionwarden.sources.mapped_json import parse_mapped_line
from sessionwarden.sources.mapping_file import load_mapping
from sessionwarden.sources.request_path import path_and_raw
from sessionwarden.sources.strict_json import read_flat_object

NOW = 1_760_000_000_000
MAPPING = load_mapping(
    "fields: {user: u, status: s}\ntime: {key: t, unit: ms}\nignore: [x]\n", file="fields.yml"
)

tricky = st.text(st.sampled_from('"\\,:{}[]u0a\t\n\u00e9\U0001f600'), max_size=8)
scalars = st.one_of(
    tricky, st.integers(-5, 5), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()
)
members = st.lists(
    st.tuples(st.sampled_from(["a", "b", 'a"', "a\\", ""]), scalars | st.lists(tricky, max_size=3)),
    max_size=5,
)


@st.composite
def json_texts(draw: st.DrawFn) -> tuple[str, list[str]]:
    """An object as text, in any spelling, with the keys that it has, repetitions included."""
    pairs = draw(members)
    ascii_only = draw(st.booleans())
    space = draw(st.sampled_from(["", " ", "\n\t"]))
    written = [
        json.dumps(key, ensure_ascii=ascii_only) + space + ":" + json.dumps(value, ensure_ascii=ascii_only)
        for key, value in pairs
    ]
    return "{" + f",{space}".join(written) + space + "}", [key for key, _ in pairs]


@given(json_texts())
def test_an_object_is_read_exactly_when_no_key_is_repeated(case: tuple[str, list[str]]) -> None:
    text, keys = case
    if len(set(keys)) == len(keys):
        assert read_flat_object(text) == json.loads(text)
        return
    with pytest.raises(SourceError) as caught:
        read_flat_object(text)
    assert caught.value.reason == "duplicate_key"


present = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(
    lambda text: text != "-"
)
optional = st.none() | present
events = st.builds(
    Event,
    id=present,
    time=st.integers(NOW - 10**9, NOW),
    source=st.just("api_access"),
    route=present.map(lambda text: f"GET /{text}/x"),
    status=st.none() | st.integers(100, 599),
    user=optional,
    session=optional,
    pool=present,
    decision=st.sampled_from(["allow", "deny"]),
    source_ip=st.none() | st.ip_addresses(v=4).map(str),
    path=optional,
    user_agent=optional,
)


@given(events)
def test_what_is_formatted_is_read_back(event: Event) -> None:
    path, raw_path = path_and_raw(event.path)
    spelt = msgspec.structs.replace(event, path=path, raw_path=raw_path)
    assert parse_access_line(format_access_line(event), now_ms=NOW) == spelt
    assert format_access_line(spelt) == format_access_line(event)


@given(events, st.text(max_size=60))
def test_no_tail_changes_what_the_head_says(event: Event, tail: str) -> None:
    head = format_access_line(event).partition("\t")[0]
    untouched = msgspec.structs.replace(event, path=None, user_agent=None)
    read = parse_access_line(f"{head}\t{tail}", now_ms=NOW)
    assert msgspec.structs.replace(read, path=None, raw_path=None, user_agent=None) == untouched


broken = st.one_of(
    st.text(max_size=80),
    st.dictionaries(
        st.sampled_from(["u", "s", "t", "x", "v", "id", "time", "type"]),
        st.none() | st.text() | st.integers(),
    ).map(json.dumps),
    events.map(format_access_line),
)


@given(broken, st.integers(0, 400), st.text(max_size=3))
def test_any_text_is_an_event_or_refused(text: str, cut: int, inserted: str) -> None:
    line = text[:cut] + inserted + text[cut:]
    readers: list[Any] = [
        lambda: parse_access_line(line, now_ms=NOW),
        lambda: parse_decision_line(f'{{"type":"{MARK}",{line[1:]}', now_ms=NOW),
        lambda: parse_mapped_line(line, MAPPING, position=1, now_ms=NOW),
    ]
    for read in readers:
        with contextlib.suppress(SourceError):
            assert isinstance(read(), Event)


@given(st.lists(events, max_size=30), st.integers(100, 5_000))
def test_packs_hold_every_event_once(given_events: list[Event], limit: int) -> None:
    packs = [
        msgspec.json.decode(pack, type=EventPack).events
        for pack in pack_events(given_events, limit_bytes=limit)
    ]

    def by_text(event: Event) -> bytes:
        return msgspec.json.encode(event)

    packed = [event for pack in packs for event in pack]
    assert sorted(packed, key=by_text) == sorted(given_events, key=by_text)
