from __future__ import annotations

import json
from typing import Any

import pytest

from sessionwarden.errors import SourceError
from sessionwarden.model.event import Event
from sessionwarden.sources.authorizer_log import parse_decision_line

NOW = 1_760_000_000_000
ALLOWED: dict[str, Any] = {
    "type": "sessionwarden.decision",
    "v": 1,
    "id": "JKJaXmPLvHcESHA=",
    "time": NOW,
    "api_id": "a1b2c3",
    "route": "GET /orders",
    "path": '/orders?"x"\\',
    "source_ip": "2001:db8:0::1",
    "user_agent": "curl/8 sessionwarden.decision",
    "decision": "allow",
    "reason": "ok",
    "user": "u-1",
    "username": 'o"brien',
    "session": "s-1",
    "groups": ["staff", "ops"],
    "scope": [],
}


def parse(line: str) -> Event | None:
    return parse_decision_line(line, now_ms=NOW)


def refused(line: str) -> str:
    with pytest.raises(SourceError) as caught:
        parse(line)
    return caught.value.reason


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_a_decision_line_becomes_an_event_of_the_authorizer(separators: tuple[str, str]) -> None:
    event = parse(json.dumps(ALLOWED, separators=separators))
    assert event is not None
    assert (event.source, event.id, event.time) == ("api_authorizer", "JKJaXmPLvHcESHA=", NOW)
    assert (event.username, event.path, event.raw_path) == ('o"brien', "/orders", '/orders?"x"\\')
    assert (event.groups, event.scope) == (("staff", "ops"), None)
    assert event.source_ip == "2001:db8::1"


def test_what_a_refused_token_claimed_never_becomes_the_user() -> None:
    denied = {key: value for key, value in ALLOWED.items() if key not in ("user", "username", "session")}
    event = parse(
        json.dumps(denied | {"decision": "deny", "reason": "bad_signature", "claimed_user": "victim"})
    )
    assert event is not None
    assert (event.user, event.claimed_user, event.decision) == (None, "victim", "deny")


@pytest.mark.parametrize(
    "line",
    [
        "START RequestId: 5a0c Version: $LATEST",
        "END RequestId: 5a0c",
        "REPORT RequestId: 5a0c Duration: 3.1 ms",
        "Traceback (most recent call last):",
        '{"level":"ERROR","message":"boom"}',
        '{"type":"sessionwarden.decisions"}',
        '{"level":"INFO","note":"' + "x" * 64 + '","type":"sessionwarden.decision"}',
        "",
    ],
)
def test_other_lines_of_a_function_are_ignored(line: str) -> None:
    assert parse(line) is None


def _without(key: str) -> str:
    return json.dumps({name: value for name, value in ALLOWED.items() if name != key})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (json.dumps(ALLOWED)[:-1], "not_json"),
        (json.dumps(ALLOWED)[:-1] + ', "user": "victim"}', "duplicate_key"),
        (json.dumps(ALLOWED)[:-1] + ', "time": 5}', "duplicate_key"),
        (json.dumps(ALLOWED)[:-1] + ', "groups": []}', "duplicate_key"),
        (json.dumps(ALLOWED | {"status": 200}), "undeclared_key"),
        (json.dumps(ALLOWED | {"v": 2}), "unknown_version"),
        (_without("id"), "missing_field"),
        (_without("time"), "missing_field"),
        (_without("decision"), "missing_field"),
        (json.dumps(ALLOWED | {"decision": "maybe"}), "wrong_type"),
        (json.dumps(ALLOWED | {"time": "now"}), "wrong_type"),
        (json.dumps(ALLOWED | {"time": float("nan")}), "not_json"),
        (json.dumps(ALLOWED | {"user": 7}), "wrong_type"),
        (json.dumps(ALLOWED | {"user": {"sub": "u"}}), "wrong_type"),
        (json.dumps(ALLOWED | {"user": "a\x00b"}), "control_character"),
        (json.dumps(ALLOWED | {"path": "x" * 20_000}), "field_too_long"),
        (json.dumps(ALLOWED | {"path": "x" * 1_000_000}), "line_too_long"),
        (json.dumps(ALLOWED | {"time": 0}), "time_out_of_range"),
        (json.dumps(ALLOWED | {"source_ip": "here"}), "bad_address"),
    ],
)
def test_a_line_that_claims_to_be_a_decision_is_exactly_one_or_refused(line: str, reason: str) -> None:
    assert refused(line) == reason
