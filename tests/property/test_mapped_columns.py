"""JSON lines under a mapping read as columns against the events of the same lines."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionwarden.errors import SourceError
from sessionwarden.model.event import FIELDS
from sessionwarden.replay.columns.line_columns import LineColumns
from sessionwarden.replay.columns.mapped_json import MappedColumns
from sessionwarden.sources.mapped_json import parse_mapped_line
from sessionwarden.sources.mapping_file import load_mapping
from tests.support.columns import NUMBERING, assert_columns_of

NOW = 1_760_000_000_000
MAPPING_TEXT = """
fields:
  {id: requestId, user: sub, source_ip: ip, status: status, groups: roles, path: path, asn: asn, client: sub}
time: {key: ts, unit: ms}
missing: ["none"]
ignore: [protocol, size]
optional: [roles, asn]
"""
MAPPING = load_mapping(MAPPING_TEXT, file="fields.yml")
IN_SECONDS = load_mapping(MAPPING_TEXT.replace("unit: ms", "unit: s"), file="fields.yml")
READ = FIELDS - {"id"}
"""An id may depend on the number of its line, which the first pass does not know."""

PLAIN: dict[str, Any] = {
    "requestId": "r-1",
    "sub": "u-1",
    "ip": "203.0.113.5",
    "status": "401",
    "path": "/a",
    "ts": str(NOW),
    "protocol": "HTTP/1.1",
}


def columns_of(lines: list[str], *, mapping: Any = MAPPING) -> LineColumns | None:
    reader = MappedColumns(mapping, READ, NUMBERING, now_ms=NOW)
    return reader.read("\n".join(lines).encode("utf-8", "surrogatepass"))


def check(lines: list[str], columns: LineColumns, *, mapping: Any = MAPPING) -> None:
    events = [
        parse_mapped_line(line, mapping, position=number, now_ms=NOW) for number, line in enumerate(lines)
    ]
    assert_columns_of(columns, lines, events, fields=READ)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "requestId": st.text("abc=/", max_size=20) | st.sampled_from(["-", "none", "x" * 129, 7]),
    "sub": st.sampled_from(["u-1", "", "-", "none", "é", 'a"b', "x\x7f", 12, None, True, "a,b:{}[]", -1]),
    "ip": st.sampled_from(
        ["192.0.2.1", "10.0.0.1", "2001:DB8::1", "::ffff:192.0.2.9", "-", "nobody", None, 5]
    ),
    "status": st.sampled_from(
        [
            "200",
            "0200",
            "-",
            "none",
            "",
            "2O0",
            200,
            0,
            None,
            2.5,
            10**16,
            "9007199254740991",
            "9007199254740993",
        ]
    ),
    "roles": st.sampled_from(["staff ops", "staff", " ", "-", None, 5, ["a"]]),
    "path": st.text("/ab.%2{}", max_size=60) | st.sampled_from(["x" * 10_241, "eyJa.eyJb.c/x"]),
    "asn": st.sampled_from(["AS1", 64_512, None, 1.5]),
    "ts": st.integers(NOW - 10**9, NOW).map(str)
    | st.integers(NOW - 10**9, NOW)
    | st.sampled_from(["", "-", None, NOW + 10**6, 5, "0" + str(NOW), NOW // 1000, NOW / 1000]),
    "protocol": st.sampled_from(["HTTP/1.1", "", None, 5, 1.5, True, {"a": 1}, "é"]),
    "size": st.sampled_from([1, 0, "5", None]),
}
PLAIN_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "requestId": st.text("abc=/", min_size=1, max_size=20),
    "sub": st.sampled_from(["u-1", "", "-", "none", "a,b:{}[]"]),
    "ip": st.sampled_from(["192.0.2.1", "10.0.0.1", "2001:DB8::1", "::ffff:192.0.2.9"]),
    "status": st.sampled_from(["200", "-", "", "401", "9007199254740991"]),
    "roles": st.sampled_from(["staff ops", "staff", " ", "-"]),
    "path": st.text("/ab.%2{}", max_size=60),
    "asn": st.sampled_from([64_512, None]),
    "ts": st.integers(NOW - 10**9, NOW),
    "protocol": st.sampled_from(["HTTP/1.1", ""]),
    "size": st.sampled_from([1, 0, None, 99_999_999_999]),
}


@st.composite
def logs(draw: st.DrawFn, values: dict[str, st.SearchStrategy[Any]]) -> list[str]:
    """Lines of one template: the same keys, in one order, with the same spaces."""
    keys = draw(st.permutations(sorted(PLAIN)))
    keys += draw(st.lists(st.sampled_from(["roles", "asn", "size"]), unique=True))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,  ", " : ")]))
    lines = draw(st.lists(st.fixed_dictionaries({key: values[key] for key in keys}), min_size=1, max_size=5))
    return [
        json.dumps({key: line[key] for key in keys}, separators=separators, ensure_ascii=False)
        for line in lines
    ]


@settings(max_examples=50, deadline=None)
@given(logs(PLAIN_VALUES))
def test_lines_of_one_template_have_the_columns_of_their_events(lines: list[str]) -> None:
    columns = columns_of(lines)
    assert columns is not None
    check(lines, columns)


@settings(max_examples=120, deadline=None)
@given(logs(VALUES))
def test_what_is_read_as_columns_has_those_of_its_events(lines: list[str]) -> None:
    columns = columns_of(lines)
    if columns is not None:
        check(lines, columns)


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from([1_759_999_999, "1759999999", 1_759_999_999.25, "1759999999.2509", 1e308, "1e9", 0.5, -1])
    | st.floats(1.5e9, 1.76e9).map(lambda time: round(time, 3))
)
def test_times_in_seconds_are_those_of_the_events(time: Any) -> None:
    lines = [json.dumps(PLAIN | {"ts": time})]
    columns = columns_of(lines, mapping=IN_SECONDS)
    if columns is not None:
        check(lines, columns, mapping=IN_SECONDS)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_line_that_was_tampered_with_is_refused_or_means_what_it_says(data: st.DataObject) -> None:
    text = json.dumps(PLAIN)
    place = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 12))
    insert = data.draw(
        st.sampled_from(
            ['"', ",", '","sub":"victim', '","z":"', "\\", "\\u0041", "\n", "\t", "{", "}", " ", "1"]
        )
        | st.text(max_size=3)
    )
    tampered = text[:place] + insert + text[place + length :]
    lines = [text, *tampered.split("\n"), text]
    columns = columns_of(lines)
    if columns is not None:
        check(lines, columns)


@pytest.mark.parametrize(
    "line",
    [
        json.dumps(PLAIN)[:-1] + ', "sub": "victim"}',
        json.dumps(PLAIN | {"admin": "1"}),
        json.dumps({key: value for key, value in PLAIN.items() if key != "sub"}),
        json.dumps(PLAIN | {"status": "4 01"}),
        json.dumps(PLAIN | {"sub": ["a"]}),
        json.dumps(PLAIN).replace("u-1", "u\x00"),
        json.dumps(PLAIN | {"ip": "203.0.113.5, 10.0.0.1"}),
        json.dumps(PLAIN) + " {}",
        json.dumps(PLAIN | {"ts": str(NOW + 10**6)}),
    ],
)
def test_a_line_that_the_parser_refuses_is_in_no_columns(line: str) -> None:
    with pytest.raises(SourceError):
        parse_mapped_line(line, MAPPING, position=1, now_ms=NOW)
    plain = json.dumps(PLAIN)
    assert columns_of([plain]) is not None
    assert columns_of([line]) is None
    assert columns_of([plain, line, plain]) is None
