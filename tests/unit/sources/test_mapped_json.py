from __future__ import annotations

import json
from typing import Any

import pytest

from sessionwarden.errors import InputFileError, SourceError
from sessionwarden.model.event import Event
from sessionwarden.sources.mapped_json import FieldMapping, parse_mapped_line
from sessionwarden.sources.mapping_file import load_mapping

NOW = 1_760_000_000_000
MAPPING = """\
fields:
  id: requestId
  user: sub
  source_ip: ip
  status: status
  groups: roles
  path: path
time: {key: ts, unit: ms}
missing: ["-", "none"]
ignore: [protocol]
optional: [roles]
"""
LINE: dict[str, Any] = {
    "requestId": "r-1",
    "sub": "u-1",
    "ip": "203.0.113.5",
    "status": "401",
    "path": "/a",
    "ts": NOW,
}


def mapping(text: str = MAPPING) -> FieldMapping:
    return load_mapping(text, file="fields.yml")


def parse(line: dict[str, Any] | str, *, text: str = MAPPING, position: int = 1) -> Event:
    line = line if isinstance(line, str) else json.dumps(line)
    return parse_mapped_line(line, mapping(text), position=position, now_ms=NOW)


def refused(line: dict[str, Any] | str, *, text: str = MAPPING) -> str:
    with pytest.raises(SourceError) as caught:
        parse(line, text=text)
    return caught.value.reason


def diagnostics(text: str) -> list[str]:
    with pytest.raises(InputFileError) as caught:
        mapping(text)
    return [str(diagnostic) for diagnostic in caught.value.diagnostics]


def test_a_line_under_the_mapping_becomes_an_event_with_typed_fields() -> None:
    event = parse(LINE | {"protocol": "HTTP/1.1", "roles": "staff ops"})
    assert event == Event(
        id="r-1",
        time=NOW,
        source="api_access",
        user="u-1",
        source_ip="203.0.113.5",
        status=401,
        path="/a",
        groups=("staff", "ops"),
    )


@pytest.mark.parametrize("absent", ["-", "", "none", None])
def test_declared_texts_and_null_are_absent(absent: str | None) -> None:
    event = parse(LINE | {"sub": absent, "status": absent, "ip": absent})
    assert (event.user, event.status, event.source_ip) == (None, None, None)


@pytest.mark.parametrize(
    ("value", "time_ms"),
    [(1_759_999_999, 0), ("1759999999", 0), (1_759_999_999.25, 250), ("1759999999.2509", 250)],
)
def test_seconds_become_milliseconds(value: object, time_ms: int) -> None:
    in_seconds = MAPPING.replace("unit: ms", "unit: s")
    assert parse(LINE | {"ts": value}, text=in_seconds).time == 1_759_999_999_000 + time_ms


def test_numbers_serve_as_text_where_the_log_writes_ids_as_numbers() -> None:
    assert parse(LINE | {"sub": 4711}).user == "4711"


def test_without_an_id_two_identical_lines_are_two_events() -> None:
    text = MAPPING.replace("  id: requestId\n", "").replace("[protocol]", "[protocol, requestId]")
    first, second = parse(LINE, text=text, position=1), parse(LINE, text=text, position=2)
    assert first.id != second.id
    assert parse(LINE, text=text, position=1) == first


def test_the_operator_may_declare_another_source() -> None:
    assert parse(LINE, text=MAPPING + "source: application\n").source == "application"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("plain text", "not_json"),
        ("[1]", "not_json"),
        ("5", "not_json"),
        (json.dumps(LINE) + " {}", "not_json"),
        (json.dumps(LINE)[:-1] + ', "sub": "victim"}', "duplicate_key"),
        (json.dumps(LINE)[:-1] + ', "s\\u0075b": "victim"}', "duplicate_key"),
        (json.dumps(LINE)[:-1] + ', "ts": 1}', "duplicate_key"),
        (json.dumps(LINE)[:-1] + ', "protocol": null, "protocol": null}', "duplicate_key"),
        (LINE | {"admin": "1"}, "undeclared_key"),
        ({key: value for key, value in LINE.items() if key != "ts"}, "missing_field"),
        ({key: value for key, value in LINE.items() if key != "sub"}, "missing_field"),
        (LINE | {"ts": None}, "missing_field"),
        (LINE | {"ts": "-"}, "missing_field"),
        (LINE | {"ts": True}, "wrong_type"),
        (LINE | {"ts": 1.5}, "wrong_type"),
        (LINE | {"ts": "2025-10-09T08:53:20Z"}, "wrong_type"),
        (LINE | {"ts": float("inf")}, "not_json"),
        (LINE | {"ts": 0}, "time_out_of_range"),
        (LINE | {"ts": NOW // 1000}, "time_out_of_range"),
        (LINE | {"ts": NOW + 86_400_000}, "time_out_of_range"),
        (LINE | {"status": "4 01"}, "wrong_type"),
        (LINE | {"status": 4.5}, "wrong_type"),
        (LINE | {"status": False}, "wrong_type"),
        (LINE | {"status": -1}, "wrong_type"),
        (LINE | {"sub": True}, "wrong_type"),
        (LINE | {"sub": ["a"]}, "wrong_type"),
        (LINE | {"sub": {"a": "b"}}, "wrong_type"),
        (LINE | {"roles": 5}, "wrong_type"),
        (LINE | {"sub": "a\x00"}, "control_character"),
        (json.dumps(LINE).replace("u-1", "u\x00"), "not_json"),
        (json.dumps(LINE).replace("u-1", "\\ud800"), "not_json"),
        (LINE | {"requestId": "x" * 129}, "field_too_long"),
        (LINE | {"path": "x" * 10_241}, "field_too_long"),
        (LINE | {"path": "x" * 1_048_576}, "line_too_long"),
        (LINE | {"ip": "203.0.113.5, 10.0.0.1"}, "bad_address"),
    ],
)
def test_a_line_that_is_not_as_declared_is_refused_with_its_reason(
    line: dict[str, Any] | str, reason: str
) -> None:
    assert refused(line) == reason


@pytest.mark.parametrize("time", ["1e308", "-1e308", "1e400"])
def test_a_time_in_seconds_that_no_clock_can_show_is_refused_not_raised(time: str) -> None:
    text = MAPPING.replace("unit: ms", "unit: s")
    line = json.dumps(LINE | {"ts": 0}).replace('"ts": 0', f'"ts": {time}')
    assert refused(line, text=text) in {"time_out_of_range", "wrong_type"}


def test_a_quote_in_a_user_agent_cannot_override_the_user_written_before_it() -> None:
    text = MAPPING.replace("  path: path\n", "  user_agent: ua\n")
    template = '{"requestId":"r","sub":"u-1","ip":"192.0.2.1","status":"200","ts":%d,"ua":"%s"}'
    assert parse(template % (NOW, "curl"), text=text).user == "u-1"
    assert refused(template % (NOW, 'x","sub":"victim'), text=text) == "duplicate_key"
    assert refused(template % (NOW, 'x","sub":"victim","z":"'), text=text) == "duplicate_key"
    assert refused(template % (NOW, 'x","z":"'), text=text) == "undeclared_key"


def test_all_mistakes_of_a_mapping_are_told_at_once_with_their_places() -> None:
    text = """\
fields:
  usr: sub
  time: ts
  status: 5
time: {key: ts, unit: hours, zone: UTC}
missing: "-"
ignore: [sub, ts]
optional: [other]
colour: red
"""
    assert [diagnostic.split(": ")[0:2] for diagnostic in diagnostics(text)] == [
        ["fields.yml:2:3", "fields.usr"],
        ["fields.yml:3:3", "fields.time"],
        ["fields.yml:4:3", "fields.status"],
        ["fields.yml:5:17", "time.unit"],
        ["fields.yml:5:30", "time.zone"],
        ["fields.yml:6:1", "missing"],
        ["fields.yml:7:15", "ignore[1]"],
        ["fields.yml:8:12", "optional[0]"],
        ["fields.yml:9:1", "colour"],
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "one YAML document"),
        ("- a\n", "must be a map, not a list"),
        ("fields: {}\ntime: {key: t, unit: ms}\n", "fields"),
        ("fields: {user: u}\n", "time is missing"),
        ("time: {key: t, unit: ms}\n", "fields is missing"),
        ("fields: {user: u, user: v}\ntime: {key: t, unit: ms}\n", "duplicate key"),
        ("fields: {user: u}\ntime: {key: t}\n", "unit is missing"),
    ],
)
def test_a_mapping_that_cannot_be_used_says_why(text: str, message: str) -> None:
    assert any(message in diagnostic for diagnostic in diagnostics(text))
