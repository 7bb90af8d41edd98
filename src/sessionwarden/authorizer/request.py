"""Describes one request in the same way for every API kind, and finds the one token it may carry.

The decision and its log line are made from a `Request`. Invariants: every text for the line is bounded and
printable, since the line must stay parseable; several Authorization headers count as no token, because the
application behind the API might read another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sessionwarden.errors import TokenError
from sessionwarden.routes.match import Asked

MAX_ID_LENGTH = 128
MAX_PATH_LENGTH = 1024
MAX_AGENT_LENGTH = 512
MAX_NAME_LENGTH = 256

SCHEME = "bearer"

LIMITS: Mapping[str, int] = {
    "id": MAX_ID_LENGTH,
    "api_id": MAX_ID_LENGTH,
    "stage": MAX_ID_LENGTH,
    "method": MAX_ID_LENGTH,
    "source_ip": MAX_ID_LENGTH,
    "route": MAX_PATH_LENGTH,
    "path": MAX_PATH_LENGTH,
    "host": MAX_NAME_LENGTH,
    "user_agent": MAX_AGENT_LENGTH,
}
"""The most characters of each text in the decision line."""


class Request(NamedTuple):
    """One request to decide on. `preflight`: it is a CORS preflight without a token.

    `fields` are event fields for the decision line, by name; absent ones are left out. `graphql`: it may ask
    for any field of the API, so the decision lists the denied ones. `nameable`: a policy can allow exactly
    this method and nothing else.
    """

    asked: Asked = Asked()
    preflight: bool = False
    graphql: bool = False
    nameable: bool = True
    fields: Mapping[str, str | int] = {}


def web_request(
    *,
    method: str,
    path: str,
    route: str = "",
    id: str | None = None,  # noqa: A002 - the event field's name
    source_ip: str | None = None,
    user_agent: str | None = None,
    host: str | None = None,
) -> Request:
    """A request as a load balancer or a web framework sees it.

    `path` is the whole path as the client wrote it: a spelling that other software may read differently asks
    for more, and a decoded one hides it. `route` is the matched route's template (`GET /orders/{id}`,
    `{name+}` for a parameter of several segments). Leave it empty if the framework has not matched one:
    every route that the path may mean then applies, and the strictest requirements hold.

    >>> web_request(method="GET", path="/orders/5", route="GET /orders/{id}").asked.route
    'GET /orders/{id}'
    """
    texts = {"id": id, "source_ip": source_ip, "user_agent": user_agent, "host": host}
    texts |= {"method": method, "path": path, "route": route}
    return Request(Asked(route, method, path), fields=line_fields(texts))


def line_fields(texts: Mapping[str, object], **numbers: int | None) -> dict[str, str | int]:
    """Fields of the decision line; values that are absent or not text are left out."""
    fields: dict[str, str | int] = {}
    for name, value in texts.items():
        text = printable(value, LIMITS[name])
        if text is not None:
            fields[name] = text
    for name, number in numbers.items():
        if number is not None:
            fields[name] = number
    return fields


def bearer_token(authorization: str | tuple[str, ...] | None) -> str:
    """The one token of an Authorization header's value or values: `Bearer x` or `x`.

    Raises `TokenError`: `no_token`, `many_tokens` (HTTP APIs join repeated headers with a comma,
    which no token holds) or `wrong_scheme`.
    """
    given = (authorization,) if isinstance(authorization, str) else authorization or ()
    values = [value.strip(" ") for value in given if value.strip(" ")]
    if not values:
        raise TokenError("no_token")
    if len(given) > 1 or "," in values[0]:
        raise TokenError("many_tokens", actual=len(given))
    scheme, space, token = values[0].partition(" ")
    if not space:
        return scheme
    token = token.lstrip(" ")
    if scheme.lower() != SCHEME or " " in token:
        raise TokenError("wrong_scheme", expected=SCHEME)
    return token


def printable(value: object, limit: int) -> str | None:
    """`value` cut to `limit` characters, control characters replaced; `None` if it is absent.

    A client could hide its request otherwise: one NUL or half a surrogate pair quarantines the whole line.
    """
    if not isinstance(value, str) or value in ("", "-"):
        return None
    text = value[:limit]
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)
