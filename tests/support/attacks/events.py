"""Requests that must be refused even with a valid token; `attacks/cases.py` sends them."""

from __future__ import annotations

from tests.support.attacks.tokens import GOOD
from tests.support.authorizer_events import (
    appsync_event,
    http_1_event,
    http_event,
    rest_event,
    token_event,
    websocket_event,
)

PREFLIGHT = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
NO_PREFLIGHTS: tuple[tuple[dict[str, str], str], ...] = (
    *((PREFLIGHT, method) for method in ("GET", "POST", "HEAD", "options", "OPTIONS ", "DELETE", "")),
    (PREFLIGHT | {"Authorization": "Bearer x"}, "OPTIONS"),
    (PREFLIGHT | {"authorization": ""}, "OPTIONS"),
    (PREFLIGHT | {"AUTHORIZATION": " "}, "OPTIONS"),
    (PREFLIGHT | {"X-HTTP-Method-Override": "DELETE"}, "OPTIONS"),
    (PREFLIGHT | {"x-method-override": "DELETE"}, "OPTIONS"),
    ({"Origin": "https://app.example"}, "OPTIONS"),
    ({"Access-Control-Request-Method": "GET"}, "OPTIONS"),
    (PREFLIGHT | {"Origin": ""}, "OPTIONS"),
    ({f"{name} ": value for name, value in PREFLIGHT.items()}, "OPTIONS"),
    ({"X-HTTP-Method": "OPTIONS"} | PREFLIGHT, "GET"),
)
ARN = "arn:aws:execute-api:r:1:a/prod/GET/"
SPACES = ("\t", "\n", "\r\n ", "\u00a0", "\u2003", "\u200b", "\x00")
CARRIERS: tuple[object, ...] = (
    *(token_event(authorizationToken=f"Bearer{space}{GOOD}") for space in SPACES),
    *(token_event(authorizationToken=f"Bearer {GOOD}{space}") for space in SPACES),
    *(appsync_event(f"{GOOD}{space}") for space in SPACES),
    *(
        http_event(headers={name: f"Bearer {GOOD}"})
        for name in ("Authorization ", "Proxy-Authorization", "X-Authorization", "Auth\u014drization", "")
    ),
    http_event(headers={"authorization": [f"Bearer {GOOD}", ""]}),
    http_event(headers={"authorization": {"Bearer": GOOD}}),
    rest_event(multiValueHeaders={"Authorization": [f"Bearer {GOOD}"], "AUTHORIZATION": ["x"]}),
    rest_event(multiValueHeaders={"Authorization": [], "x": ["y"]}),
    http_1_event(headers={}, authorizationToken=f"Bearer {GOOD}"),
    rest_event("", queryStringParameters={"t": GOOD}, multiValueQueryStringParameters={"t": [GOOD]}),
    *(
        websocket_event(
            headers={}, multiValueHeaders=headers, multiValueQueryStringParameters={"t": parameters}
        )
        for headers, parameters in (
            ({"Authorization": ["x"]}, [GOOD]),
            ({"Authorization": [""]}, [GOOD]),
            ({"Authorization": [GOOD, GOOD]}, [GOOD]),
            ({}, [GOOD, GOOD]),
            ({}, [GOOD, ""]),
            ({}, [{"t": GOOD}]),
        )
    ),
    websocket_event(headers={}, multiValueHeaders={}, multiValueQueryStringParameters={"T": [GOOD]}),
)
EVENTS: tuple[object, ...] = (
    None,
    [],
    "x",
    5,
    {},
    {"type": "REQUEST"},
    http_event(GOOD, version="3.0"),
    rest_event(GOOD, type="OTHER"),
    rest_event(GOOD, methodArn=None),
    rest_event(GOOD, methodArn="a" * 3000),
    *(rest_event(GOOD, methodArn=f"{ARN}{path}") for path in ("*", "a?", "${x}")),
    token_event(GOOD, methodArn="arn:aws:execute-api:r:1:a/*/GET/x"),
)


def options_event(headers: dict[str, str], *, method: str) -> dict[str, object]:
    event = http_event(headers=headers, routeKey="$default")
    event["requestContext"]["http"]["method"] = method
    return event
