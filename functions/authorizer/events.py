"""Reads the authorizer events of every API kind: what is asked for, with which token, and how to answer.

API kinds: HTTP API payload 2.0 and 1.0, REST `REQUEST` and `TOKEN`, WebSocket `$connect`, AppSync. Invariant:
no JSON value raises an exception. Sources:
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html
https://docs.aws.amazon.com/appsync/latest/devguide/security-authz.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from sessionwarden.authorizer.request import Request, line_fields
from sessionwarden.routes.match import CATCH_ALL, Asked

MAX_ARN_LENGTH = 2048
CONNECT = "$connect"
# A browser sends no such header with a preflight, except the one that names the method to come. Applications
# that obey one would run another method, or serve another path, for a request that passed without a token:
# X-HTTP-Method-Override, X-Method, X-Original-Method, X-Original-URL, X-Rewrite-URL and more.
_PREFLIGHT_METHOD = "access-control-request-method"
_REDIRECTING = ("method", "override", "rewrite", "url", "uri", "path", "prefix", "verb")
# An ARN ends in the path as the client wrote it, and these are wildcards and variables to IAM. If the
# API's owner has switched on a result cache, an Allow for such an ARN would open other methods.
_UNNAMEABLE = ("*", "?", "${")
_DIVIDING = ("/", "?", "#")
# What the request context of a WebSocket API holds, and that of no other API.
_WEBSOCKET_KEYS = frozenset({"connectionId", "connectedAt", "eventType", "messageDirection", "messageId"})

Answer = Literal["simple", "policy", "graphql", "unknown"]
Event = Mapping[Any, Any]


class ParsedEvent(NamedTuple):
    """One request, and the form of answer that its API expects.

    `resource` is the ARN for a policy, otherwise empty. `raises`: a 401 is the exception `Unauthorized`.
    `authorization` are all values of the Authorization header, or of the event field that replaces it.
    """

    answer: Answer
    request: Request = Request()
    authorization: tuple[str, ...] = ()
    resource: str = ""
    raises: bool = False


class EventOptions(NamedTuple):
    """Settings that are needed to read events.

    `country_header`: a header set by a CDN that clients cannot bypass. `token_parameter`: the query
    parameter that may hold the token of a WebSocket's `$connect`, since browsers cannot set headers there.
    `http_api_answer`: the answer that HTTP APIs of payload 2.0 are set to.
    """

    country_header: str | None = None
    token_parameter: str | None = None
    http_api_answer: Literal["simple", "policy"] = "simple"


UNKNOWN = ParsedEvent("unknown")


def read_event(event: object, options: EventOptions = EventOptions()) -> ParsedEvent:  # noqa: B008 - immutable
    """The request in `event`; its `answer` is `unknown` if no API kind sends such an event."""
    parsed = _read(event, options)
    if parsed.answer == "policy" and any(sign in parsed.resource for sign in _UNNAMEABLE):
        return parsed._replace(request=parsed.request._replace(nameable=False))
    return parsed


def _read(event: object, options: EventOptions) -> ParsedEvent:
    if not isinstance(event, dict):
        return UNKNOWN
    version, kind = event.get("version"), event.get("type")
    websocket = not _object(event, "requestContext").keys().isdisjoint(_WEBSOCKET_KEYS)
    if version == "2.0":
        return UNKNOWN if websocket else _http_2(event, options)
    arn = event.get("methodArn")
    if isinstance(arn, str) and 0 < len(arn) <= MAX_ARN_LENGTH:
        if kind == "REQUEST" and version == "1.0":
            return UNKNOWN if websocket else _http_1(event, arn, options)
        # the method of a REST API's ARN is never a route of a WebSocket API, and these begin with a dollar
        if websocket or ("/$" in arn and _arn_parts(arn)[2].startswith("$")):
            return _websocket(event, arn, options) if _connects(event, arn) else UNKNOWN
        if kind == "TOKEN":
            return _rest_token(event, arn)
        if kind == "REQUEST":
            return _rest_request(event, arn, options)
    if kind is None and version is None and isinstance(event.get("authorizationToken"), str):
        return UNKNOWN if websocket else _appsync(event)
    return UNKNOWN


def _connects(event: Event, arn: str) -> bool:
    """Whether a WebSocket API asks about `$connect`, and in every part of the event about nothing else.

    API Gateway asks an authorizer at no other moment. An Allow for another route, or for an ARN of another
    route, would be one that no connection was opened with.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html
    """
    context = _object(event, "requestContext")
    return (
        event.get("type") == "REQUEST"
        and event.get("version") is None
        and context.get("eventType") == "CONNECT"
        and context.get("routeKey") == CONNECT
        and _arn_parts(arn)[2:] == (CONNECT, "")
    )


def _arn_parts(arn: str) -> tuple[str, str, str, str]:
    """API id, stage, method (or a WebSocket's route) and path of `arn:...:<api>/<stage>/<method>/<path>`.

    It is split from the left because the client's path may hold colons; absent parts are empty.
    """
    api_id, stage, method, path = (*arn.split(":", 5)[-1].split("/", 3), "", "", "", "")[:4]
    return api_id, stage, method, path


def _http_2(event: Event, options: EventOptions) -> ParsedEvent:
    context = _object(event, "requestContext")
    http = _object(context, "http")
    headers = _headers(event)
    route, method, path = _text(event.get("routeKey")), _text(http.get("method")), _text(event.get("rawPath"))
    texts = {
        "id": context.get("requestId"),
        "api_id": context.get("apiId"),
        "stage": context.get("stage"),
        "route": route,
        "method": method,
        "path": path,
        "host": context.get("domainName"),
        "source_ip": http.get("sourceIp"),
        "user_agent": http.get("userAgent"),
    }
    fields = _fields(texts, context.get("timeEpoch"), headers, options)
    request = _request(Asked(route, method, _as_written(event, route, path)), event, headers, fields)
    authorization = headers.get("authorization", ())
    arn = _text(event.get("routeArn"))
    if options.http_api_answer == "policy" and 0 < len(arn) <= MAX_ARN_LENGTH:
        return ParsedEvent("policy", request, authorization, arn)
    return ParsedEvent("simple", request, authorization)


def _http_1(event: Event, arn: str, options: EventOptions) -> ParsedEvent:
    # unlike a REST API's, an HTTP API's requestId cannot be set by clients
    parsed = _rest_request(event, arn, options, id_name="requestId")
    # an exception would become a 500, so a Deny, which becomes a 403, is the best answer
    return parsed._replace(raises=False)


def _rest_request(
    event: Event, arn: str, options: EventOptions, *, id_name: str = "extendedRequestId"
) -> ParsedEvent:
    context = _object(event, "requestContext")
    headers = _headers(event)
    method = _text(event.get("httpMethod"))
    resource = _text(context.get("resourcePath")) or _text(event.get("resource"))
    route = CATCH_ALL if resource == CATCH_ALL else f"{method} {resource}" if method and resource else ""
    # clients can set a REST API's requestId, and could so make two requests count as one
    texts = _gateway_texts(context) | {
        "id": context.get(id_name),
        "route": route,
        "method": method,
        "path": event.get("path"),
    }
    fields = _fields(texts, context.get("requestTimeEpoch"), headers, options)
    path = _as_written(event, route, _text(event.get("path")))
    request = _request(Asked(route, method, path), event, headers, fields)
    return ParsedEvent("policy", request, headers.get("authorization", ()), arn, raises=True)


def _rest_token(event: Event, arn: str) -> ParsedEvent:
    # the event holds only the token and the ARN
    api_id, stage, method, path = _arn_parts(arn)
    token = event.get("authorizationToken")
    texts = {"api_id": api_id, "stage": stage, "method": method, "path": f"/{path}"}
    request = Request(Asked("", method, f"/{path}"), fields=line_fields(texts))
    return ParsedEvent("policy", request, (token,) if isinstance(token, str) else (), arn, raises=True)


def _websocket(event: Event, arn: str, options: EventOptions) -> ParsedEvent:
    context = _object(event, "requestContext")
    headers = _headers(event)
    authorization = headers.get("authorization", ())
    if not authorization and options.token_parameter:
        authorization = _values(event, "QueryStringParameters").get(options.token_parameter, ())
    texts = _gateway_texts(context) | {"id": context.get("extendedRequestId"), "route": CONNECT}
    fields = _fields(texts, context.get("requestTimeEpoch"), headers, options)
    return ParsedEvent("policy", Request(Asked(CONNECT), fields=fields), authorization, arn, raises=True)


def _appsync(event: Event) -> ParsedEvent:
    context = _object(event, "requestContext")
    agents = _lower(_object(event, "requestHeaders")).get("user-agent", ())
    texts = {
        "id": context.get("requestId"),
        "api_id": context.get("apiId"),
        # a name that the client chose, so rules can match it, but it is no route
        "path": context.get("operationName"),
        "user_agent": agents[0] if agents else None,
    }
    request = Request(graphql=True, fields=line_fields(texts))
    return ParsedEvent("graphql", request, (event["authorizationToken"],))


def _as_written(event: Event, route: str, path: str) -> str:
    """`path`, or what `route` and its parameters make of it if one of these holds what divides a path.

    HTTP APIs decode the path of the event, and cut it at a decoded question mark. `/users/5%2fsecrets` then
    reads like a longer path, whose beginning may be a stage, and only the parameter tells. Signs that were
    decoded are encoded again, so that they are seen to be odd.
    https://github.com/middleapi/standard-server/pull/93
    """
    values = event.get("pathParameters")
    if not isinstance(values, dict) or not any(map(_divides, values.values())) or route.endswith("+}"):
        return path
    texts = {f"{{{name}}}": _encoded(value) for name, value in values.items() if isinstance(value, str)}
    return "/".join(texts.get(part, part) for part in route.partition(" ")[2].split("/"))


def _divides(value: object) -> bool:
    return isinstance(value, str) and ("/" in value or "?" in value or "#" in value)


def _encoded(text: str) -> str:
    # the percent sign first, or it would encode the others' again
    for sign in ("%", *_DIVIDING):
        text = text.replace(sign, f"%{ord(sign):02X}")
    return text


def _gateway_texts(context: Event) -> dict[str, object]:
    identity = _object(context, "identity")
    return {
        "api_id": context.get("apiId"),
        "stage": context.get("stage"),
        "host": context.get("domainName"),
        "source_ip": identity.get("sourceIp"),
        "user_agent": identity.get("userAgent"),
    }


def _request(
    asked: Asked, event: Event, headers: Mapping[str, tuple[str, ...]], fields: Mapping[str, str | int]
) -> Request:
    """A request, which is a preflight if it has the form of a browser's.

    https://fetch.spec.whatwg.org/#cors-preflight-fetch
    """
    preflight = (
        asked.method == "OPTIONS"
        and any(headers.get("origin", ()))
        and any(headers.get(_PREFLIGHT_METHOD, ()))
        and "authorization" not in headers
        and not any(map(_redirects, headers))
        and not any(map(_overrides, _values(event, "QueryStringParameters")))
    )
    return Request(asked, preflight=preflight, fields=fields)


def _redirects(header: str) -> bool:
    """Whether an application may take another method or path from `header` (lower case).

    The name is looked at, not a list of names, since frameworks and proxies invent new ones: one word of it
    ends in a telling one. Many servers hold `_` for `-`.
    """
    words = header.replace("_", "-").split("-")
    return header != _PREFLIGHT_METHOD and any(word.strip().endswith(_REDIRECTING) for word in words)


def _overrides(parameter: str) -> bool:
    """Whether an application may take another method from a query's parameter: `_method`, `$httpMethod`."""
    return parameter[:1] in ("_", "$", "x", "X") and parameter.lower().endswith(("method", "override"))


def _fields(
    texts: Mapping[str, object], time: object, headers: Mapping[str, tuple[str, ...]], options: EventOptions
) -> dict[str, str | int]:
    fields = line_fields(texts, time=_time(time))
    country = _country(headers.get(options.country_header, ())) if options.country_header else None
    return fields if country is None else fields | {"country": country}


def _headers(event: Event) -> dict[str, tuple[str, ...]]:
    """All header values by lower-case name."""
    return _lower(_values(event, "Headers"))


def _values(event: Event, name: str) -> dict[str, tuple[str, ...]]:
    """Values by name; REST and WebSocket APIs list repeated ones in `multiValue...`."""
    many = event.get(f"multiValue{name}")
    single = event.get(name[0].lower() + name[1:])
    found = many if isinstance(many, dict) and many else single
    values: dict[str, tuple[str, ...]] = {}
    if not isinstance(found, dict):
        return values
    for key, value in found.items():
        if isinstance(key, str):
            # a value that is no text still counts, so that two headers stay two
            values[key] = tuple(map(_text, value)) if isinstance(value, list) else (_text(value),)
    return values


def _lower(values: Mapping[Any, Any]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, value in values.items():
        if isinstance(name, str):
            key = name.lower()
            given = value if isinstance(value, tuple) else (_text(value),)
            found[key] = found[key] + given if key in found else given
    return found


def _object(parent: Event, name: str) -> Event:
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _time(value: object) -> int | None:
    return value if type(value) is int and 0 < value < 1 << 43 else None


def _country(values: tuple[str, ...]) -> str | None:
    """A country of two letters (ISO 3166-1), if exactly one header names it."""
    code = values[0] if len(values) == 1 else ""
    return code.upper() if len(code) == 2 and code.isascii() and code.isalpha() else None
