"""API Gateway's authorizer event in, what the authorizer needs of it out.

Enters: any JSON value at all. Leaves: a `Request`; never an exception. Invariants: every text in it
is bounded and printable, since it goes into a log line that must stay parseable; more than one
Authorization header is no token, because the application behind might read the other one.
Events: HTTP API payload 2.0, REST API REQUEST (HTTP API payload 1.0 has its shape).
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from sessionwarden.errors import TokenError

MAX_ARN_LENGTH = 2048
MAX_ID_LENGTH = 128
MAX_PATH_LENGTH = 1024
MAX_AGENT_LENGTH = 512
MAX_NAME_LENGTH = 256

SCHEME = "bearer"


class Request(NamedTuple):
    """One request. `answer` is the shape that API Gateway expects; `method_arn` is empty for `simple`.

    `fields` are event fields for the decision line, by their names; absent ones are left out.
    """

    answer: Literal["simple", "policy", "unknown"]
    method_arn: str
    authorization: tuple[str, ...]
    fields: dict[str, str | int]


def read_request(event: object, *, country_header: str | None = None) -> Request:
    """What `event` asks. `country_header` names the header of a CDN that clients cannot bypass."""
    if not isinstance(event, dict):
        return Request("unknown", "", (), {})
    headers = _header_values(event)
    country = headers.get(country_header, ()) if country_header else ()
    authorization = headers.get("authorization", ())
    if event.get("version") == "2.0":
        return Request("simple", "", authorization, _http_fields(event, country))
    arn = event.get("methodArn")
    if event.get("type") == "REQUEST" and isinstance(arn, str) and 0 < len(arn) <= MAX_ARN_LENGTH:
        return Request("policy", arn, authorization, _rest_fields(event, country))
    return Request("unknown", "", (), {})


def bearer_token(authorization: tuple[str, ...]) -> str:
    """The one token of the Authorization header's values: `Bearer x` or `x`.

    Raises `TokenError`: `no_token`, `many_tokens` (HTTP APIs join repeated headers with a comma,
    which no token holds) or `wrong_scheme`.
    """
    values = [value.strip(" ") for value in authorization if value.strip(" ")]
    if not values:
        raise TokenError("no_token")
    if len(authorization) > 1 or "," in values[0]:
        raise TokenError("many_tokens", actual=len(authorization))
    scheme, space, token = values[0].partition(" ")
    if not space:
        return scheme
    token = token.lstrip(" ")
    if scheme.lower() != SCHEME or " " in token:
        raise TokenError("wrong_scheme", expected=SCHEME)
    return token


def printable(value: object, limit: int) -> str | None:
    """`value` cut to `limit` characters, control characters replaced; `None` if it is absent.

    One NUL or half a surrogate pair would have the whole line quarantined: a way to hide.
    """
    if not isinstance(value, str) or value in ("", "-"):
        return None
    text = value[:limit]
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


def _header_values(event: dict[Any, Any]) -> dict[str, tuple[str, ...]]:
    """All header values by lower-case name; REST APIs say in `multiValueHeaders` what was repeated."""
    many = event.get("multiValueHeaders")
    headers = many if isinstance(many, dict) and many else event.get("headers")
    values: dict[str, tuple[str, ...]] = {}
    if not isinstance(headers, dict):
        return values
    for name, value in headers.items():
        if not isinstance(name, str):
            continue
        listed = value if isinstance(value, list) else [value]
        # what is no text still counts as a value: two headers stay two
        texts = tuple(item if isinstance(item, str) else "" for item in listed)
        key = name.lower()
        values[key] = values.get(key, ()) + texts
    return values


def _http_fields(event: dict[Any, Any], country: tuple[str, ...]) -> dict[str, str | int]:
    context = _object(event, "requestContext")
    http = _object(context, "http")
    return _fields(
        id=printable(context.get("requestId"), MAX_ID_LENGTH),
        time=_time(context.get("timeEpoch")),
        api_id=printable(context.get("apiId"), MAX_ID_LENGTH),
        stage=printable(context.get("stage"), MAX_ID_LENGTH),
        route=printable(event.get("routeKey"), MAX_PATH_LENGTH),
        method=printable(http.get("method"), MAX_ID_LENGTH),
        path=printable(event.get("rawPath"), MAX_PATH_LENGTH),
        host=printable(context.get("domainName"), MAX_NAME_LENGTH),
        source_ip=printable(http.get("sourceIp"), MAX_ID_LENGTH),
        user_agent=printable(http.get("userAgent"), MAX_AGENT_LENGTH),
        country=_country(country),
    )


def _rest_fields(event: dict[Any, Any], country: tuple[str, ...]) -> dict[str, str | int]:
    context = _object(event, "requestContext")
    identity = _object(context, "identity")
    method = printable(event.get("httpMethod"), MAX_ID_LENGTH)
    resource = printable(context.get("resourcePath"), MAX_PATH_LENGTH)
    return _fields(
        # clients can set the REST requestId; an id they choose could make two requests count as one
        id=printable(context.get("extendedRequestId"), MAX_ID_LENGTH),
        time=_time(context.get("requestTimeEpoch")),
        api_id=printable(context.get("apiId"), MAX_ID_LENGTH),
        stage=printable(context.get("stage"), MAX_ID_LENGTH),
        route=f"{method} {resource}" if method and resource else None,
        method=method,
        path=printable(event.get("path"), MAX_PATH_LENGTH),
        host=printable(context.get("domainName"), MAX_NAME_LENGTH),
        source_ip=printable(identity.get("sourceIp"), MAX_ID_LENGTH),
        user_agent=printable(identity.get("userAgent"), MAX_AGENT_LENGTH),
        country=_country(country),
    )


def _fields(**values: str | int | None) -> dict[str, str | int]:
    return {name: value for name, value in values.items() if value is not None}


def _object(parent: dict[Any, Any], name: str) -> dict[Any, Any]:
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def _time(value: object) -> int | None:
    return value if type(value) is int and 0 < value < 1 << 43 else None


def _country(values: tuple[str, ...]) -> str | None:
    """Two letters, ISO 3166-1, if exactly one header says so."""
    code = values[0] if len(values) == 1 else ""
    return code.upper() if len(code) == 2 and code.isascii() and code.isalpha() else None
