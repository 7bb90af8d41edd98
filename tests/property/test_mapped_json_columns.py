"""Mapped JSON lines read as columns against the events of the same lines."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sessionwarden.errors import SourceError
from sessionwarden.model.event import FIELDS, Event
from sessionwarden.replay.columnar.columns import EventColumns, TextNumbers
from sessionwarden.replay.columnar.mapped_json import MappedColumnReader, MappedColumns
from sessionwarden.sources.mapped_json import load_mapping, parse_mapped_line

NOW = 1_790_000_000_000
NUMBERING = TextNumbers(1)
ASKED = FIELDS - {"id", "time"}

MAPPING = load_mapping(
    """
fields: {id: rid, status: code, response_bytes: size, user: "who.name", username: "who.name", source_ip: ip,
         path: p, user_agent: ua, groups: g}
time: {key: t, unit: ms}
missing: [none]
optional: [ua, g]
ignore: [extra, more]
""",
    file="fields.yml",
)
IN_SECONDS = load_mapping("fields: {id: rid, user: u}\ntime: {key: t, unit: s}\n", file="fields.yml")

SOUND: dict[str, Any] = {
    "rid": "r-1",
    "code": 200,
    "size": "512",
    "who.name": "alice",
    "ip": "192.0.2.1",
    "p": "/orders/5",
    "t": NOW - 5,
}


def written(**changes: Any) -> str:
    """The sound line with other or further members; names with a dot are written with two underscores."""
    return json.dumps(SOUND | {key.replace("__", "."): value for key, value in changes.items()})


def columns_of(lines: list[str], mapping: Any = MAPPING) -> MappedColumns | None:
    reader = MappedColumnReader(mapping, ASKED, NUMBERING, now_ms=NOW)
    return reader.read("\n".join(lines).encode("utf-8", "surrogatepass"))


def event_of(line: str, mapping: Any = MAPPING) -> Event:
    return parse_mapped_line(line.removesuffix("\r"), mapping, position=1, now_ms=NOW)


def check(lines: list[str], columns: MappedColumns, mapping: Any = MAPPING) -> None:
    events = [event_of(line, mapping) for line in lines]
    expected = EventColumns(events, ASKED, NUMBERING)
    assert columns.times.tolist() == expected.times.tolist()
    for field in ASKED:
        assert columns.numbers[field].tolist() == expected.numbers[field].tolist(), field
        for row, event in enumerate(events):
            assert columns.value(field, row) == getattr(event, field), field
    ends = [0, *(end + 1 for end in columns.ends.tolist())]
    block = "\n".join([*lines, ""]).encode()
    assert [block[start : end - 1].decode() for start, end in pairwise(ends)] == lines


texts = st.text('ab/é-%"\\', max_size=20)
anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
    st.sampled_from(["-", "none", "007", "9" * 16, "9" * 17, "a\u0000b", "a\tb", "\ud800", "x" * 200]),
    st.lists(texts, max_size=2),
    st.just({"nested": 1}),
)
sound = st.fixed_dictionaries(
    {
        "rid": st.text("abc", min_size=1, max_size=9),
        "code": st.sampled_from([200, "404", None, "-"]),
        "size": st.integers(0, 2**53 - 1) | st.integers(0, 10**6).map(str),
        "who.name": st.sampled_from(["alice", "bob", "-", "none", None, 7, "7"]),
        "ip": st.sampled_from(["192.0.2.1", "2001:DB8:0::1", "::ffff:192.0.2.9", None]),
        "p": texts,
        "t": st.integers(NOW - 10**9, NOW) | st.integers(NOW - 10**9, NOW).map(str),
    },
    optional={
        "ua": texts,
        "g": st.lists(texts, max_size=3) | st.just("a b"),
        "extra": st.floats(0, 1) | texts,
    },
).map(lambda members: json.dumps(members, ensure_ascii=False))
odd = st.builds(
    lambda key, value, escaped: json.dumps(SOUND | {key: value}, ensure_ascii=escaped),
    st.sampled_from([*SOUND, "ua", "g", "extra", "more", "undeclared"]),
    anything,
    st.booleans(),
)
mangled = st.builds(
    lambda line, place, what: line[: place % (len(line) + 1)] + what + line[place % (len(line) + 1) :],
    sound,
    st.integers(0, 500),
    st.sampled_from(
        ["", " ", "\n", "\r", '"', "\\", "{", "}", ",", ":", '"code":1,', "\x7f", "\x00", "}{", "}\n{"]
    ),
)


@given(st.lists(sound, min_size=1, max_size=6))
def test_sound_lines_if_read_have_the_columns_of_their_events(lines: list[str]) -> None:
    columns = columns_of(lines)
    if columns is not None:
        check(lines, columns)


uniform = st.fixed_dictionaries(
    {
        "rid": st.text("abc", min_size=1, max_size=9),
        "code": st.integers(0, 999),
        "size": st.integers(0, 10**15 - 1).map(str) | st.sampled_from(["-", "none", ""]),
        "who.name": st.sampled_from(["alice", "bob", "-", "none", "7", "é"]),
        "ip": st.sampled_from(["192.0.2.1", "2001:DB8:0::1", "::ffff:192.0.2.9", "-"]),
        "p": st.text("/ab%é", max_size=20),
        "t": st.integers(NOW - 10**9, NOW),
        "g": st.sampled_from(["", "a b", "a  b c", "-"]),
        "extra": st.integers(0, 9) | st.floats(0, 1) | st.none() | st.booleans(),
    }
)


@given(st.lists(uniform, min_size=1, max_size=6), st.booleans(), st.sampled_from(["", "\r"]))
def test_lines_of_one_format_are_always_read_as_columns(
    members: list[dict[str, Any]], spaced: bool, end: str
) -> None:
    separators = (", ", ": ") if spaced else (",", ":")
    lines = [
        json.dumps(one, ensure_ascii=False, sort_keys=True, separators=separators) + end for one in members
    ]
    columns = columns_of(lines)
    assert columns is not None
    check(lines, columns)


@given(st.lists(sound | odd | mangled, min_size=1, max_size=4))
@example([written(), '{"rid":"1"}{"rid":"2"}'])
@example([written(code=True), written(code=1)])
@example([written(who__name=True), written(who__name=1)])
@example([written(p=1.0), written(p=1)])
@example([written(g=[]), written(g="a b")])
@example([written(ua=[])])
@example([written() + "\r", written() + "\r"])
def test_what_is_read_as_columns_has_those_of_its_events(lines: list[str]) -> None:
    lines = "\n".join(lines).split("\n")
    columns = columns_of(lines)
    if columns is not None:
        check(lines, columns)


@pytest.mark.parametrize(
    "lines",
    [
        [written() + written(), ""],
        [written()[:-1] + ',"code":200}'],
        [written()[:-1], "}" + written()],
        [written().replace('"code"', '\n"code"')],
        [written(ip="not an address")],
        [written(code="2 0 0")],
        [written(size=-1)],
        [written(t=5)],
        [written(rid="x" * 129)],
        [written(p="a\u0001")],
        ["", written()],
        [" " + written()],
        [written(undeclared=1)],
        [written(p="x" * 20_000)],
    ],
)
def test_lines_that_may_not_be_events_are_left_to_the_line_reader(lines: list[str]) -> None:
    assert columns_of([written(), *lines]) is None


@given(
    st.lists(
        st.integers(0, 10**9)
        | st.floats(0, 10**9)
        | st.from_regex(r"1[0-9]{9}(\.[0-9]{1,9})?", fullmatch=True)
    )
)
def test_times_in_seconds_are_those_of_the_events(times: list[Any]) -> None:
    lines = [json.dumps({"rid": "r", "u": "alice", "t": time}) for time in (*times, 1_700_000_000)]
    columns = columns_of(lines, IN_SECONDS)
    try:
        events = [event_of(line, IN_SECONDS) for line in lines]
    except SourceError:
        assert columns is None
    else:
        assert columns is not None
        assert columns.times.tolist() == [event.time for event in events]
