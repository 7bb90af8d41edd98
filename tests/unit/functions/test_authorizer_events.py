from __future__ import annotations

from typing import Any

import pytest

from functions.authorizer.events import EventOptions, read_event
from sessionwarden.authorizer.request import bearer_token, printable
from tests.support.authorizer_events import (
    appsync_event,
    http_1_event,
    http_event,
    rest_event,
    token_event,
    websocket_event,
)
from tests.support.tokens import token_refusal


def reason_of(authorization: tuple[str, ...]) -> str:
    return token_refusal(bearer_token, authorization)


@pytest.mark.parametrize(
    "value", ["a.b.c", "Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c", " Bearer a.b.c "]
)
def test_a_token_comes_bare_or_after_bearer(value: str) -> None:
    assert bearer_token((value,)) == "a.b.c"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((), "no_token"),
        (("",), "no_token"),
        (("  ",), "no_token"),
        (("a.b.c", "a.b.c"), "many_tokens"),
        (("a.b.c", ""), "many_tokens"),
        (("Bearer a.b.c,Bearer d.e.f",), "many_tokens"),
        (("Basic YTpi",), "wrong_scheme"),
        (("Bearer a b",), "wrong_scheme"),
        (("Bearer\ta",), None),
    ],
)
def test_anything_but_one_bearer_token_is_refused(values: tuple[str, ...], reason: str | None) -> None:
    if reason is None:
        # handed on whole: the parser refuses every character that no token holds
        assert bearer_token(values) == values[0]
    else:
        assert reason_of(values) == reason


@pytest.mark.parametrize("name", ["authorization", "Authorization", "AUTHORIZATION"])
def test_the_headers_name_is_read_in_any_case(name: str) -> None:
    assert read_event(http_event(headers={name: "x"})).authorization == ("x",)
    assert read_event(rest_event(headers={name: "x"}, multiValueHeaders=None)).authorization == ("x",)


def test_two_spellings_of_the_header_are_two_headers() -> None:
    parsed = read_event(rest_event(multiValueHeaders={"Authorization": ["a"], "authorization": ["b"]}))
    assert reason_of(parsed.authorization) == "many_tokens"


def test_a_repeated_header_of_a_rest_api_is_seen_though_the_single_one_hides_it() -> None:
    parsed = read_event(
        rest_event(headers={"Authorization": "b"}, multiValueHeaders={"Authorization": ["a", "b"]})
    )
    assert reason_of(parsed.authorization) == "many_tokens"


def test_an_http_apis_event_gives_the_fields_of_the_decision_line() -> None:
    assert read_event(http_event()).request.fields == {
        "id": "http-request-id=",
        "time": 1_790_000_000_123,
        "api_id": "abc123",
        "stage": "$default",
        "route": "GET /items/{id}",
        "method": "GET",
        "path": "/items/5",
        "host": "api.example.com",
        "source_ip": "203.0.113.7",
        "user_agent": "agent/1.0",
    }


def test_a_rest_apis_event_gives_the_extended_request_id() -> None:
    parsed = read_event(rest_event())
    assert parsed.answer == "policy"
    assert parsed.resource.endswith("/prod/GET/items/5")
    assert parsed.request.fields["id"] == "extended-id="
    assert parsed.request.fields["route"] == "GET /items/{id}"


def test_a_request_id_that_clients_can_set_is_never_the_id() -> None:
    event = rest_event()
    del event["requestContext"]["extendedRequestId"]
    assert "id" not in read_event(event).request.fields


def test_a_country_is_believed_only_from_the_header_that_the_operator_named() -> None:
    event = http_event(headers={"CloudFront-Viewer-Country": "de"})
    assert "country" not in read_event(event).request.fields
    assert read_event(event, EventOptions("cloudfront-viewer-country")).request.fields["country"] == "DE"


@pytest.mark.parametrize("value", ["", "D", "DEU", "d1", "дe", ["DE", "FR"], 5])
def test_a_country_is_two_letters(value: Any) -> None:
    event = rest_event(multiValueHeaders={"Cc": value if isinstance(value, list) else [value]})
    assert "country" not in read_event(event, EventOptions("cc")).request.fields


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\x00b\n", "a\ufffdb\ufffd"),
        ("\ud800", "\ufffd"),
        ("x" * 50, "x" * 10),
        ("-", None),
        ("", None),
        (5, None),
        (None, None),
        (["a"], None),
    ],
)
def test_text_for_the_line_is_bounded_and_printable(value: object, expected: str | None) -> None:
    assert printable(value, 10) == expected


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "x",
        5,
        True,
        {},
        {"version": 2.0},
        {"version": "1.0"},
        {"type": "TOKEN", "authorizationToken": "x"},
        {"type": "TOKEN", "authorizationToken": "x", "methodArn": ""},
        {"type": "OTHER", "authorizationToken": "x", "methodArn": "arn:x"},
        {"authorizationToken": 5, "requestContext": {}},
        {"version": "3.0", "authorizationToken": "x"},
        {"type": "REQUEST"},
        {"type": "REQUEST", "methodArn": ""},
        {"type": "REQUEST", "methodArn": ["arn"]},
        {"type": "REQUEST", "methodArn": "x" * 3000},
        {"headers": "x"},
    ],
)
def test_an_event_of_another_kind_is_unknown(event: object) -> None:
    assert read_event(event).answer == "unknown"


CONNECT_ARN = websocket_event()["methodArn"]


def websocket_context(**changes: Any) -> dict[str, Any]:
    return {"requestContext": websocket_event()["requestContext"] | changes}


@pytest.mark.parametrize(
    "event",
    [
        websocket_event(**websocket_context(eventType="MESSAGE")),
        websocket_event(**websocket_context(eventType="DISCONNECT")),
        websocket_event(**websocket_context(eventType="connect")),
        websocket_event(**websocket_context(eventType=None)),
        websocket_event(**websocket_context(routeKey="$disconnect")),
        websocket_event(**websocket_context(routeKey="$default")),
        websocket_event(**websocket_context(routeKey="sendMessage")),
        websocket_event(**websocket_context(routeKey=None)),
        websocket_event(methodArn=CONNECT_ARN.replace("$connect", "$default")),
        websocket_event(methodArn=CONNECT_ARN.replace("$connect", "sendMessage")),
        websocket_event(methodArn=CONNECT_ARN.replace("$connect", "GET/admin")),
        websocket_event(methodArn=f"{CONNECT_ARN}/x"),
        websocket_event(requestContext={}),
        websocket_event(requestContext={"eventType": "CONNECT"}),
        websocket_event(requestContext={"connectionId": "c"}),
        websocket_event(type="TOKEN", authorizationToken="x"),
        websocket_event(version="1.0"),
        websocket_event(version="2.0"),
        rest_event(requestContext=rest_event()["requestContext"] | {"connectionId": "c"}),
        rest_event(requestContext=rest_event()["requestContext"] | {"eventType": "MESSAGE"}),
        rest_event(methodArn=CONNECT_ARN),
        http_1_event(requestContext=http_1_event()["requestContext"] | {"messageId": "m"}),
        http_event(requestContext=http_event()["requestContext"] | {"connectedAt": 5}),
        token_event(methodArn=CONNECT_ARN),
        token_event(methodArn=CONNECT_ARN.replace("$connect", "$default")),
        appsync_event(requestContext={"connectionId": "c"}),
    ],
)
def test_what_a_websocket_asks_after_connect_is_no_event_of_an_authorizer(event: object) -> None:
    assert read_event(event).answer == "unknown"


def test_a_websocket_that_connects_is_known() -> None:
    assert read_event(websocket_event()).answer == "policy"


@pytest.mark.parametrize(
    "value", [None, [], "x", 5, {"http": 5}, {"http": {"method": {}}, "timeEpoch": True}, {"identity": []}]
)
def test_wrong_types_inside_an_event_are_absent_fields(value: object) -> None:
    for event in (http_event(requestContext=value), rest_event(requestContext=value)):
        assert "source_ip" not in read_event(event).request.fields
        assert "time" not in read_event(event).request.fields


@pytest.mark.parametrize(
    "value",
    [None, [], "x", {5: "x"}, {"authorization": 5}, {"authorization": [1, None]}, {"authorization": {}}],
)
def test_wrong_types_among_the_headers_are_no_token(value: object) -> None:
    for event in (http_event(headers=value), rest_event(headers=value, multiValueHeaders=value)):
        assert reason_of(read_event(event).authorization) in ("no_token", "many_tokens")
