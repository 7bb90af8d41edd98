"""One request, whatever API it came through, and the one token it may carry.

Enters: what a door (an API's event, or a web framework) knows. Leaves: a `Request` that the decision
and its log line are made from. Invariants: every text for the line is bounded and printable, since
the line must stay parseable; more than one Authorization header is no token, because the application
behind might read the other one.
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
"""Characters of each text of the decision line."""


class Request(NamedTuple):
    """What is asked for. `preflight`: it is a CORS preflight without a token.

    `fields` are event fields for the decision line, by their names; absent ones are left out.
    `graphql`: it may ask for any field of the API, so the decision says which are denied.
    `nameable`: an answer that lets it pass can name it and nothing else.
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

    `route` is the matched route's template (`GET /orders/{id}`). Leave it empty if the framework has
    not matched one: the path then asks for whatever any route that it may mean asks.

    >>> web_request(method="GET", path="/orders/5", route="GET /orders/{id}").asked.route
    'GET /orders/{id}'
    """
    texts = {"id": id, "source_ip": source_ip, "user_agent": user_agent, "host": host}
    texts |= {"method": method, "path": path, "route": route}
    return Request(Asked(route, method, path), fields=line_fields(texts))


def line_fields(texts: Mapping[str, object], **numbers: int | None) -> dict[str, str | int]:
    """Fields of the decision line; what is absent or no text is left out."""
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

    One NUL or half a surrogate pair would have the whole line quarantined: a way to hide.
    """
    if not isinstance(value, str) or value in ("", "-"):
        return None
    text = value[:limit]
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)
