"""Each API kind from its documented event to its documented answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from functions.authorizer.answer import Unauthorized
from functions.authorizer.events import EventOptions, read_event
from functions.authorizer.handler import Service
from sessionwarden.authorizer.authorizer import Authorizer
from sessionwarden.authorizer.decision import Decision
from sessionwarden.authorizer.operator_notes import note
from sessionwarden.authorizer.request import Request, web_request
from sessionwarden.denylist.broad import BroadDenies
from sessionwarden.errors import DamagedItemError, StoreError
from sessionwarden.model.deny import BroadDeny, Claims, DenyEntry
from sessionwarden.routes.match import NO_ROUTES, Asked, Routes
from sessionwarden.routes.policy import RoutePolicy
from sessionwarden.sources.authorizer_log import parse_decision_line
from sessionwarden.tokens.cognito import CognitoVerifier, Pool
from tests.support.authorizer_events import (
    appsync_event,
    http_1_event,
    http_event,
    rest_event,
    token_event,
    websocket_event,
)
from tests.support.fixed_denylist import FixedDenylist
from tests.support.tokens import CLIENT, NOW, POOL, SUB, claims, jwks, token

DENIED = DenyEntry("d-1", NOW + 900, deny_until=NOW + 900)
EVENTS_ANSWERED_BY_POLICY = (http_1_event, rest_event, token_event, websocket_event)
EXPIRED = token(claims(exp=NOW))
BASE = RoutePolicy()


def service(
    *entries: DenyEntry,
    routes: Routes = NO_ROUTES,
    options: EventOptions = EventOptions(),  # noqa: B008
    error: Exception | None = None,
) -> Service:
    return Service(
        Authorizer(
            verifier=CognitoVerifier(
                [Pool(POOL, frozenset({CLIENT}))], fetch=lambda url: jwks(), clock=lambda: NOW
            ),
            denylist=FixedDenylist(*entries, error=error),
            clock=lambda: float(NOW),
            report=note,
            routes=routes,
        ),
        options,
    )


def answer(event: object, *entries: DenyEntry, **options: Any) -> dict[str, Any]:
    return service(*entries, **options).answer(event, invocation_id="i")


def effect(found: dict[str, Any]) -> str:
    (statement,) = found["policyDocument"]["Statement"]
    return str(statement["Effect"])


@pytest.mark.parametrize("make_event", EVENTS_ANSWERED_BY_POLICY)
def test_a_policy_names_exactly_the_method_and_stage_asked_for(
    make_event: Callable[..., dict[str, Any]],
) -> None:
    event = make_event(token())
    found = answer(event)
    assert found["principalId"] == SUB
    assert found["policyDocument"] == {
        "Version": "2012-10-17",
        "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": event["methodArn"]}],
    }
    assert found["context"]["user"] == SUB
    assert all(isinstance(value, str) for value in found["context"].values())


@pytest.mark.parametrize("make_event", EVENTS_ANSWERED_BY_POLICY)
def test_a_denied_token_is_a_deny_policy_which_is_403(make_event: Callable[..., dict[str, Any]]) -> None:
    found = answer(make_event(token()), DENIED)
    assert (effect(found), found["context"]["reason"]) == ("Deny", "denied_until")


@pytest.mark.parametrize("make_event", [rest_event, token_event, websocket_event])
@pytest.mark.parametrize("bad", ["", "x", EXPIRED])
def test_an_expired_or_malformed_token_is_the_exception_that_is_401(
    make_event: Callable[..., dict[str, Any]], bad: str
) -> None:
    with pytest.raises(Unauthorized):
        answer(make_event(bad))


@pytest.mark.parametrize("bad", ["", "x", EXPIRED])
def test_an_http_api_has_no_401_so_a_bad_token_is_a_deny(bad: str) -> None:
    assert effect(answer(http_1_event(bad))) == "Deny"
    assert answer(http_event(bad))["isAuthorized"] is False
    assert effect(answer(http_event(bad), options=EventOptions(http_api_answer="policy"))) == "Deny"


def test_an_http_api_of_payload_2_can_be_answered_with_a_policy_for_its_route_arn() -> None:
    event = http_event(token())
    found = answer(event, options=EventOptions(http_api_answer="policy"))
    assert found["policyDocument"]["Statement"][0]["Resource"] == event["routeArn"]
    assert effect(found) == "Allow"


def test_an_appsync_answer_is_never_cached_and_carries_the_identity() -> None:
    found = answer(appsync_event(token()))
    assert (found["isAuthorized"], found["ttlOverride"], found["deniedFields"]) == (True, 0, [])
    assert found["resolverContext"]["user"] == SUB
    for bad in (answer(appsync_event(EXPIRED)), answer(appsync_event(token()), DENIED)):
        assert (bad["isAuthorized"], bad["ttlOverride"]) == (False, 0)


def test_appsync_denies_the_fields_whose_groups_the_caller_lacks() -> None:
    routes = Routes(
        default=BASE._replace(denylist_open=True),
        fields={
            "Query.salaries": BASE._replace(any_groups=(frozenset({"payroll"}),), denylist_open=True),
            "Query.me": BASE._replace(any_groups=(frozenset({"staff"}),), denylist_open=True),
            "Mutation.pay": BASE,
        },
    )
    assert answer(appsync_event(token()), routes=routes)["deniedFields"] == ["Query.salaries"]
    found = answer(appsync_event(token()), routes=routes, error=StoreError("down"))
    assert found["isAuthorized"] is True
    assert found["deniedFields"] == ["Mutation.pay", "Query.salaries"]


def test_a_web_socket_of_a_browser_brings_its_token_in_the_parameter_that_the_operator_named() -> None:
    event = websocket_event(
        headers={},
        multiValueHeaders={},
        queryStringParameters={"access_token": token()},
        multiValueQueryStringParameters={"access_token": [token()]},
    )
    named = EventOptions(token_parameter="access_token")
    assert effect(answer(event, options=named)) == "Allow"
    with pytest.raises(Unauthorized):
        answer(event)
    twice = event | {"multiValueQueryStringParameters": {"access_token": [token(), token()]}}
    with pytest.raises(Unauthorized):
        answer(twice, options=named)
    both = event | {"multiValueHeaders": {"Authorization": ["x"]}}
    with pytest.raises(Unauthorized):
        answer(both, options=named)


def test_each_api_kind_asks_for_the_route_that_its_api_names() -> None:
    asked = {
        "http": (http_event(), Asked("GET /items/{id}", "GET", "/items/5")),
        "http 1.0": (http_1_event(), Asked("GET /request", "GET", "/request")),
        "rest": (rest_event(), Asked("GET /items/{id}", "GET", "/items/5")),
        "token": (token_event(), Asked("", "GET", "/items/5")),
        "websocket": (websocket_event(), Asked("$connect")),
        "appsync": (appsync_event(), Asked()),
    }
    for event, expected in asked.values():
        assert read_event(event).request.asked == expected
    default = http_1_event(resource="$default")
    default["requestContext"]["resourcePath"] = "$default"
    assert read_event(default).request.asked.route == "$default"


SECRET = BASE._replace(any_groups=(frozenset({"admin"}),))
USERS = Routes(
    by_key={
        "GET /users/{}": BASE._replace(denylist_open=True),
        "GET /users/{}/secrets": SECRET,
        "GET /{}/{}": BASE._replace(denylist_open=True),
    }
)


@pytest.mark.parametrize(
    ("route", "path", "parameters"),
    [
        # an HTTP API decodes the path; behind a stage it looks like a path of the route
        ("GET /users/{id}", "/users/5/secrets", {"id": "5/secrets"}),
        ("GET /users/{id}", "/prod/users/5/secrets", {"id": "5/secrets"}),
        ("GET /{a}/{b}", "/users/5/secrets", {"a": "users", "b": "5/secrets"}),
        ("GET /{a}/{b}", "/users/5/secrets", {"a": "users/5", "b": "secrets"}),
        ("GET /{a}/{b}", "/prod/users/5/secrets", {"a": "users", "b": "5/secrets"}),
        ("GET /users/{id}", "/users/5", {"id": "5/secrets?x"}),
        ("GET /users/{id}", "/users/5", {"id": "5/secrets#"}),
        ("GET /users/{id}", "/users/5", {"id": "5%2fsecrets?"}),
        ("GET /users/{id}", "/users/5%2fsecrets", {"id": "5/secrets"}),
        ("GET /users/{id}", "/users/5%2fsecrets", {}),
        ("GET /users/{id}", "/users/5%2fsecrets", {"id": "5%2fsecrets"}),
    ],
)
def test_a_parameter_that_divides_the_path_does_not_skip_what_the_longer_route_asks(
    route: str, path: str, parameters: dict[str, str]
) -> None:
    resource = route.partition(" ")[2]
    context = rest_event()["requestContext"] | {"resourcePath": resource}
    rest = rest_event(
        token(), resource=resource, path=path, pathParameters=parameters, requestContext=context
    )
    for event in (http_event(token(), routeKey=route, rawPath=path, pathParameters=parameters), rest):
        request = read_event(event).request
        assert USERS.policy(request.asked).any_groups == SECRET.any_groups
        assert request.fields["path"] == path


@pytest.mark.parametrize(
    ("path", "parameters"),
    [("/users/5", {"id": "5"}), ("/users/a b", {"id": "a b"}), ("/users/a b", {"id": "a%20b"}),
     ("/prod/users/100%", {"id": "100%"}), ("/users/5", {}), ("/users/5", None)],
)  # fmt: skip
def test_a_parameter_that_divides_nothing_gets_its_own_routes_policy(path: str, parameters: Any) -> None:
    event = http_event(token(), routeKey="GET /users/{id}", rawPath=path, pathParameters=parameters)
    assert USERS.policy(read_event(event).request.asked) == USERS.by_key["GET /users/{}"]


def test_a_colon_in_the_path_does_not_move_what_a_token_authorizer_is_told() -> None:
    event = token_event(methodArn="arn:aws:execute-api:r:1:abc/prod/DELETE/admin/a:b/c/GET/public")
    request = read_event(event).request
    assert request.asked == Asked("", "DELETE", "/admin/a:b/c/GET/public")
    assert (request.fields["api_id"], request.fields["stage"]) == ("abc", "prod")


@pytest.mark.parametrize(
    ("make_event", "fields"),
    [
        (http_1_event, {"id": "http-request-id=", "stage": "test", "route": "GET /request"}),
        (token_event, {"api_id": "abc123", "stage": "prod", "method": "GET", "path": "/items/5"}),
        (websocket_event, {"id": "extended-id=", "route": "$connect", "source_ip": "203.0.113.7"}),
        (appsync_event, {"id": "b80ed838-14c6-4500-b4c3-b694c7bef086", "path": "MyNewTask"}),
    ],
)
def test_each_api_kind_writes_one_line_that_ingest_reads(
    make_event: Callable[..., dict[str, Any]], fields: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    answer(make_event(token()))
    (text,) = capsys.readouterr().out.splitlines()
    assert parse_decision_line(text, now_ms=NOW * 1000) is not None
    line = json.loads(text)
    assert fields.items() <= line.items()
    assert (line["user"], line["decision"]) == (SUB, "allow")


def test_the_address_that_appsyncs_clients_write_is_no_source_ip() -> None:
    assert "source_ip" not in read_event(appsync_event()).request.fields


STAFF = BASE._replace(any_groups=(frozenset({"staff"}),))
ADMIN = BASE._replace(any_groups=(frozenset({"admin"}),))
SCOPED = BASE._replace(all_scopes=frozenset({"orders"}))


@pytest.mark.parametrize(
    ("policy", "status", "reason"),
    [
        (STAFF, 200, "ok"),
        (ADMIN, 403, "insufficient_group"),
        (SCOPED, 403, "insufficient_scope"),
        (BASE._replace(uses=frozenset({"id"})), 401, "wrong_token_use"),
    ],
)
def test_a_route_asks_what_the_file_says(policy: RoutePolicy, status: int, reason: str) -> None:
    routes = Routes(by_key={"GET /items/{}": policy})
    found = decide(routes=routes)
    assert (found.status, found.reason) == (status, reason)
    other = decide(web_request(method="GET", path="/x", route="GET /x"), routes=routes)
    assert other.status == 200


def decide(
    request: Request | None = None, text: str | None = None, *entries: DenyEntry, **options: Any
) -> Decision:
    authorizer = service(*entries, **options).authorizer
    assert authorizer is not None
    default = web_request(method="GET", path="/items/5", route="GET /items/{id}")
    return authorizer.decide(token() if text is None else text, request or default)


def test_the_plain_function_decides_like_the_lambda_function() -> None:
    assert decide(None, f"Bearer {token()}").claims is not None
    assert (decide(None, EXPIRED).status, decide(None, "").reason) == (401, "no_token")
    assert (decide(None, None, DENIED).status, decide(None, None, DENIED).reason) == (403, "denied_until")


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (StoreError("down"), 200, "denylist_unavailable"),
        (DamagedItemError("unknown attributes"), 403, "denylist_damaged"),
    ],
)
def test_a_route_that_fails_open_passes_when_the_denylist_is_down_but_not_when_it_is_damaged(
    error: Exception, status: int, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    routes = Routes(by_key={"GET /items/{}": BASE._replace(denylist_open=True)})
    found = decide(routes=routes, error=error)
    assert (found.status, found.reason) == (status, reason)
    assert decide(error=error).status == 403
    assert type(error).__name__ in capsys.readouterr().err


class Cognito:
    def __init__(self, answer: bool | Exception) -> None:
        self.answer = answer
        self.asked: list[int] = []

    def confirms(self, claims: Claims, token: str, *, max_age_seconds: int) -> bool:
        self.asked.append(max_age_seconds)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def ask_cognito(cognito: Cognito | None, policy: RoutePolicy, text: str, *entries: DenyEntry) -> Decision:
    authorizer = service(*entries, routes=Routes(default=policy)).authorizer
    assert authorizer is not None
    return authorizer._replace(online=cognito).decide(text, web_request(method="GET", path="/x"))


ONLINE = BASE._replace(online_seconds=30)


@pytest.mark.parametrize(
    ("answer", "policy", "status", "reason"),
    [
        (True, ONLINE, 200, "ok"),
        (False, ONLINE, 403, "revoked_online"),
        (StoreError("throttled"), ONLINE, 403, "online_unavailable"),
        (StoreError("throttled"), ONLINE._replace(online_open=True), 200, "online_unavailable"),
        (False, ONLINE._replace(online_open=True), 403, "revoked_online"),
    ],
)
def test_a_route_that_asks_cognito_believes_it_and_fails_as_the_file_says(
    answer: bool | Exception, policy: RoutePolicy, status: int, reason: str
) -> None:
    cognito = Cognito(answer)
    found = ask_cognito(cognito, policy, token())
    assert (found.status, found.reason, cognito.asked) == (status, reason, [30])


@pytest.mark.parametrize(("seconds", "asked"), [(None, []), (0, [0]), (1, [1]), (30, [30])])
def test_cognito_is_asked_on_each_request_where_the_route_says_always(
    seconds: int | None, asked: list[int]
) -> None:
    cognito = Cognito(False)
    found = ask_cognito(cognito, BASE._replace(online_seconds=seconds), token())
    assert cognito.asked == asked
    assert found.reason == ("revoked_online" if asked else "ok")


def test_cognito_is_not_asked_where_no_route_says_so_nor_about_who_is_refused_anyway() -> None:
    cognito = Cognito(True)
    assert ask_cognito(cognito, BASE, token()).allowed
    assert ask_cognito(cognito, ONLINE, token(), DENIED).reason == "denied_until"
    assert ask_cognito(cognito, ONLINE, EXPIRED).reason == "expired"
    # GetUser would refuse it whatever happened, and each question costs quota
    assert ask_cognito(cognito, ONLINE, token(claims(scope="openid"))).reason == "insufficient_scope"
    assert cognito.asked == []


def test_a_route_that_asks_cognito_refuses_without_an_online_check() -> None:
    assert ask_cognito(None, ONLINE, token()).reason == "online_unavailable"


def test_a_denied_client_or_network_is_refused_and_a_poll_that_fails_is_the_denylists_failure() -> None:
    network = BroadDenies([BroadDeny("d", NOW + 60, network="203.0.113.0/24")])

    def down() -> BroadDenies:
        raise StoreError("down")

    def found(broad: Callable[[], BroadDenies], policy: RoutePolicy, address: str) -> tuple[int, str]:
        authorizer = service(routes=Routes(default=policy)).authorizer
        assert authorizer is not None
        request = web_request(method="GET", path="/x", source_ip=address)
        decision = authorizer._replace(broad=broad).decide(token(), request)
        return decision.status, decision.reason

    assert found(lambda: network, BASE, "203.0.113.7") == (403, "network_denied")
    assert found(lambda: network, BASE, "192.0.2.1") == (200, "ok")
    assert found(down, BASE, "192.0.2.1") == (403, "denylist_unavailable")
    assert found(down, BASE._replace(denylist_open=True), "192.0.2.1") == (200, "denylist_unavailable")


PREFLIGHT = {"origin": "https://app.example", "access-control-request-method": "GET"}


HONEST_PREFLIGHT = {
    "accept": "*/*",
    "accept-encoding": "gzip, deflate, br",
    "accept-language": "en",
    "access-control-request-headers": "authorization,x-http-method-override",
    "access-control-request-private-network": "true",
    "cache-control": "no-cache",
    "cloudfront-viewer-country": "DE",
    "content-length": "0",
    "host": "api.example.com",
    "priority": "u=1, i",
    "referer": "https://app.example/",
    "sec-fetch-mode": "cors",
    "user-agent": "Mozilla/5.0",
    "via": "1.1 edge",
    "x-amz-cf-id": "a",
    "x-amzn-trace-id": "Root=1-5fff599f",
    "x-forwarded-for": "203.0.113.7",
    "x-forwarded-host": "api.example.com",
    "x-forwarded-port": "443",
    "x-forwarded-proto": "https",
    "x-security-context": "1",
}
OBEYED_HEADERS = (
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Method",
    "X-Original-Method",
    "X-Original-URL",
    "X-Original-Uri",
    "X-Rewrite-URL",
    "X_HTTP_Method_Override",
    "X-Forwarded-Method",
    "X-Forwarded-Uri",
    "X-Forwarded-Path",
    "X-Forwarded-Prefix",
    "X-Envoy-Original-Path",
    "X-Http-DestinationUrl",
    "X-Override-Url",
    "X-HttpMethod",
    "Method",
    "_method",
    "Request-Uri",
    "Access-Control-Request-Method-Override",
    "Access_Control_Request_Method",
)


@pytest.mark.parametrize(
    ("headers", "method", "passes"),
    [
        (PREFLIGHT, "OPTIONS", True),
        (PREFLIGHT, "GET", False),
        (PREFLIGHT, "options", False),
        (PREFLIGHT | {"authorization": "Bearer x"}, "OPTIONS", False),
        ({"origin": "https://app.example"}, "OPTIONS", False),
        ({}, "OPTIONS", False),
        (PREFLIGHT | HONEST_PREFLIGHT, "OPTIONS", True),
        *((PREFLIGHT | {name: "DELETE"}, "OPTIONS", False) for name in OBEYED_HEADERS),
    ],
)
def test_a_preflight_passes_without_a_token_only_where_the_file_says_so(
    headers: dict[str, str], method: str, passes: bool
) -> None:
    event = http_event(headers=headers, routeKey="ANY /items/{id}")
    event["requestContext"]["http"]["method"] = method
    routes = Routes(by_key={"ANY /items/{}": BASE._replace(preflight_open=True)})
    found = answer(event, routes=routes)
    assert found["isAuthorized"] is passes
    assert answer(event)["isAuthorized"] is False
    if passes:
        assert found["context"] == {"decision": "allow", "reason": "preflight"}


@pytest.mark.parametrize(
    ("parameter", "passes"),
    [("_method", False), ("_METHOD", False), ("$httpMethod", False), ("x-http-method-override", False),
     ("payment_method", True), ("page", True), ("_", True), ("", True)],
)  # fmt: skip
def test_a_preflight_whose_query_may_name_another_method_is_none(parameter: str, passes: bool) -> None:
    routes = Routes(default=BASE._replace(preflight_open=True))
    query = {parameter: "DELETE"}
    event = http_event(headers=PREFLIGHT, routeKey="ANY /x", rawPath="/x", queryStringParameters=query)
    event["requestContext"]["http"]["method"] = "OPTIONS"
    assert answer(event, routes=routes)["isAuthorized"] is passes
    rest = rest_event(
        headers=PREFLIGHT,
        multiValueHeaders={},
        httpMethod="OPTIONS",
        multiValueQueryStringParameters={parameter: ["DELETE"]},
    )
    assert read_event(rest).request.preflight is passes
