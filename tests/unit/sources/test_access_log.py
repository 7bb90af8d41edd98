from __future__ import annotations

import json

import pytest

from sessionwarden.errors import SourceError
from sessionwarden.model.event import Event
from sessionwarden.sources.access_log.block import parse_access_block
from sessionwarden.sources.access_log.line import (
    HTTP_API_FORMAT,
    REST_API_FORMAT,
    format_access_line,
    parse_access_line,
)

NOW = 1_760_000_000_000

EVENT = Event(
    id="JKJaXmPLvHcESHA=",
    time=NOW - 60_000,
    source="api_access",
    api_id="a1b2c3",
    stage="$default",
    route="GET /orders/{id}",
    method="GET",
    path="/orders/17",
    status=200,
    response_bytes=512,
    latency_ms=31,
    user="0a1b2c3d-0000-4000-8000-000000000001",
    session="0a1b2c3d-0000-4000-8000-000000000002",
    token="0a1b2c3d-0000-4000-8000-000000000003",
    client="1example23456789",
    pool="us-east-1_Example01",
    source_ip="203.0.113.5",
    user_agent="Mozilla/5.0 (X11; Linux)",
    decision="allow",
    reason="ok",
)
HEAD, PATH, AGENT = format_access_line(EVENT).split("\t")


def parse(line: str) -> Event:
    return parse_access_line(line, now_ms=NOW)


def refused(line: str) -> str:
    with pytest.raises(SourceError) as caught:
        parse(line)
    return caught.value.reason


def with_head(**changes: str) -> str:
    return "\t".join((json.dumps(json.loads(HEAD) | changes, separators=(",", ":")), PATH, AGENT))


def test_the_http_format_fits_into_the_1024_characters_that_api_gateway_takes() -> None:
    assert len(HTTP_API_FORMAT) < 1_024
    assert len(REST_API_FORMAT) < 3_000


@pytest.mark.parametrize("log_format", [HTTP_API_FORMAT, REST_API_FORMAT])
def test_every_value_of_a_format_is_quoted_and_the_head_holds_nothing_a_client_writes(
    log_format: str,
) -> None:
    head, path, agent = log_format.split("\t")
    assert all(isinstance(value, str) for value in json.loads(head).values())
    assert (path, agent) == ('"$context.path"', '"$context.identity.userAgent"')
    for written_by_clients in ("domainName", "userAgent", "context.path", "error", "protocol", "username"):
        assert written_by_clients not in head


def test_the_rest_format_takes_the_request_id_that_clients_cannot_choose() -> None:
    assert "$context.extendedRequestId" in REST_API_FORMAT
    assert "$context.requestId" not in REST_API_FORMAT


def test_a_line_as_api_gateway_renders_a_format_is_read_whole() -> None:
    values = {"requestTimeEpoch": str(EVENT.time), "status": "401", "identity.sourceIp": "198.51.100.7"}
    line = REST_API_FORMAT
    for name, value in values.items():
        line = line.replace(f"$context.{name}", value)
    for name in ("authorizer.user", "responseLength", "responseLatency"):
        line = line.replace(f"$context.{name}", "-")
    line = line.replace("$context.httpMethod $context.resourcePath", "GET /orders/{id}")
    event = parse(line)
    assert (event.status, event.source_ip, event.route) == (401, "198.51.100.7", "GET /orders/{id}")
    assert event.user is None
    assert event.response_bytes is None


def test_what_is_formatted_is_read_back() -> None:
    assert parse(format_access_line(EVENT)) == EVENT
    bare = Event(id="x", time=NOW, source="api_access")
    assert parse(format_access_line(bare)) == bare


@pytest.mark.parametrize("absent", ["-", ""])
def test_a_dash_or_nothing_is_absent(absent: str) -> None:
    event = parse(with_head(user=absent, session=absent, source_ip=absent, status=absent, route=absent))
    assert (event.user, event.session, event.source_ip, event.status, event.route) == (None,) * 5


def test_a_rest_request_that_met_no_resource_has_no_route() -> None:
    assert parse(with_head(route="GET -")).route is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("not a log line", "not_json"),
        ("", "not_json"),
        ("[]", "not_json"),
        ("{" * 3_000, "not_json"),
        (HEAD[:-1], "not_json"),
        (HEAD.replace('"status":"200"', '"status":NaN'), "not_json"),
        (HEAD.replace('"status":"200"', '"status":200'), "wrong_type"),
        (HEAD.replace('"status":"200"', '"status":null'), "wrong_type"),
        (HEAD.replace('"status":"200"', '"status":{"a":"b"}'), "wrong_type"),
        (HEAD.replace('"status":"200"', '"status":"20x"'), "wrong_type"),
        (HEAD.replace('"status":"200"', '"status":"-1"'), "wrong_type"),
        (HEAD.replace('"status":"200"', '"status":"٢٠٠"'), "wrong_type"),
        (HEAD.replace('"status":"200"', f'"status":"{"9" * 3_000}"'), "wrong_type"),
        (HEAD.replace('"status":"200",', ""), "missing_field"),
        (HEAD.replace('"id":"JKJaXmPLvHcESHA="', '"id":"-"'), "missing_field"),
        (HEAD.replace(f'"time":"{EVENT.time}"', '"time":""'), "missing_field"),
        (HEAD.replace('"status":"200"', '"status":"200","admin":"yes"'), "undeclared_key"),
        (HEAD.replace('"v":"1"', '"v":"2"'), "unknown_version"),
        (HEAD.replace("JKJa", "JK\x00Ja"), "not_json"),
        (HEAD.replace("JKJa", "JK\\u0000Ja"), "control_character"),
        (HEAD.replace("JKJa", "JK\x7fJa"), "control_character"),
        ("\x00" + HEAD, "not_json"),
        (HEAD.replace("JKJa", "x" * 200), "field_too_long"),
        (HEAD.replace("JKJa", "x" * 5_000), "field_too_long"),
        (HEAD.replace("JKJa", "x" * 1_000_000), "line_too_long"),
        (HEAD + "\t" + "x" * 1_000_000, "line_too_long"),
        (HEAD.replace(str(EVENT.time), "0"), "time_out_of_range"),
        (HEAD.replace(str(EVENT.time), "1420070399999"), "time_out_of_range"),
        (HEAD.replace(str(EVENT.time), str(NOW + 300_001)), "time_out_of_range"),
        (HEAD.replace("203.0.113.5", "203.0.113.500"), "bad_address"),
        (HEAD.replace("203.0.113.5", "fe80::1%eth0"), "bad_address"),
        (HEAD.replace("203.0.113.5", "unknown"), "bad_address"),
    ],
)
def test_a_head_that_is_not_exactly_ours_is_refused_with_its_reason(line: str, reason: str) -> None:
    assert refused(line) == reason


@pytest.mark.parametrize("key", list(json.loads(HEAD)))
def test_a_repeated_key_is_refused_whichever_it_is_and_wherever_it_stands(key: str) -> None:
    again = f'"{key}":"0a1b2c3d-0000-4000-8000-00000000000f"'
    assert refused(HEAD[0] + again + "," + HEAD[1:]) == "duplicate_key"
    assert refused(HEAD[:-1] + "," + again + "}") == "duplicate_key"
    spelled_otherwise = f'"\\u{ord(key[0]):04x}{key[1:]}":"x"'
    assert refused(HEAD[:-1] + "," + spelled_otherwise + "}") == "duplicate_key"


def test_a_value_that_hides_quotes_behind_escapes_does_not_unbalance_the_count() -> None:
    line = HEAD.replace("GET /orders/{id}", r"GET \"\\\" \/orders")
    assert parse(line).route == 'GET "\\" /orders'
    assert refused(line[:-1] + r',"user":"\\"}') == "duplicate_key"


@pytest.mark.parametrize(
    ("tail", "path", "agent"),
    [
        ("", None, None),
        ('\t"/a"', "/a", None),
        ('\t"/a"\t"b', "/a", None),
        ('\t"/a\t"b"', None, "b"),
        ('\t"-"\t"-"', None, None),
        ('\t"/a"\t"say "hi""', "/a", None),
        ('\t"/a"\t"tab\there"', "/a", None),
        ('\t"/a\x00b"\t"c"', None, "c"),
        ('\t"/a\\u0000b"\t"c"', None, "c"),
        ('\t"/a"\t"b"\n{"v":"1"}', "/a", None),
        ('\t"/\\"quoted\\""\t"b"', '/"quoted"', "b"),
        (f'\t"/{"x" * 10_240}"\t"b"', None, "b"),
    ],
)
def test_a_malformed_tail_loses_only_its_own_fields(tail: str, path: str | None, agent: str | None) -> None:
    event = parse(HEAD + tail)
    assert (event.path, event.user_agent) == (path, agent)
    assert (event.user, event.status, event.source_ip) == (EVENT.user, 200, "203.0.113.5")


@pytest.mark.parametrize(
    "forged",
    [
        '","user":"victim","x":"',
        '"}\t{"v":"1","user":"victim"}',
        '"\n{"v":"1","user":"victim"}',
        '\\","user":"victim',
    ],
)
def test_nothing_a_client_writes_becomes_identity(forged: str) -> None:
    event = parse(f'{HEAD}\t"/a{forged}"\t"b{forged}"')
    assert event.user == EVENT.user
    assert event.session == EVENT.session


def test_an_address_has_one_spelling() -> None:
    assert parse(with_head(source_ip="2001:DB8:0:0::1")).source_ip == "2001:db8::1"
    assert parse(with_head(source_ip="::ffff:203.0.113.5")).source_ip == "203.0.113.5"


@pytest.mark.parametrize("changes", [{"decision": "-"}, {"pool": "-"}, {"decision": "maybe"}])
def test_a_user_that_another_authorizer_put_into_its_context_is_not_believed(changes: dict[str, str]) -> None:
    line = with_head(**changes)

    for event in (parse(line), *(parse_access_block(line.encode(), now_ms=NOW) or ())):
        assert (event.user, event.session, event.token, event.client, event.pool) == (None,) * 5
        assert event.status == 200
