"""Parses API Gateway access logs in our own two formats.

Enters: `{json head}` TAB `"path"` TAB `"user agent"`, one request. Leaves: an `Event` of source
`api_access`. Invariant: identity comes from the head alone, whose values API Gateway and our
authorizer wrote; whatever a client puts into path and user agent, escaped or not, at worst costs
those two fields and never the head, so that a client cannot hide by breaking its own line.

Public reports differ on whether API Gateway escapes `$context` values, so nothing relies on it.
Variables: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
and .../http-api-logging-variables.html
"""

from __future__ import annotations

import msgspec

from sessionwarden.errors import SourceError
from sessionwarden.model.event import Event
from sessionwarden.sources.redaction import redacted
from sessionwarden.sources.strict_json import UNREADABLE, delimiters, explain
from sessionwarden.sources.values import (
    MAX_FIELD_CHARS,
    MAX_ID_CHARS,
    address,
    checked_line,
    checked_text,
    checked_time,
    integer,
)

MAX_HEAD_CHARS = 4_096


_AUTHORIZER_CONTEXT = ("user", "session", "token", "client", "pool", "decision", "reason")


def _log_format(*, request_id: str, route: str) -> str:
    head = {
        "v": "1",
        "id": request_id,
        "time": "$context.requestTimeEpoch",
        "source_ip": "$context.identity.sourceIp",
        "api_id": "$context.apiId",
        "stage": "$context.stage",
        "route": route,
        "method": "$context.httpMethod",
        "status": "$context.status",
        "response_bytes": "$context.responseLength",
        "latency_ms": "$context.responseLatency",
        **{name: f"$context.authorizer.{name}" for name in _AUTHORIZER_CONTEXT},
    }
    members = ",".join(f'"{key}":"{variable}"' for key, variable in head.items())
    return f'{{{members}}}\t"$context.path"\t"$context.identity.userAgent"'


HTTP_API_FORMAT = _log_format(request_id="$context.requestId", route="$context.routeKey")
"""For an HTTP API's stage. API Gateway takes at most 1,024 characters here."""

REST_API_FORMAT = _log_format(
    # a client can choose the REST requestId with a header, and so repeat one to be counted once
    request_id="$context.extendedRequestId",
    route="$context.httpMethod $context.resourcePath",
)
"""For a REST API's stage. API Gateway takes at most 3 KB here."""


class Head(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The trusted head as it is written: every key occurs, every value is a text."""

    v: str
    id: str
    time: str
    source_ip: str
    api_id: str
    stage: str
    route: str
    method: str
    status: str
    response_bytes: str
    latency_ms: str
    user: str
    session: str
    token: str
    client: str
    pool: str
    decision: str
    reason: str


_HEAD_KEYS = frozenset(Head.__struct_fields__)
HEAD_DELIMITERS = 4 * len(_HEAD_KEYS)
"""Every key occurs and every value is a string: 4 quotation marks per member, if none is repeated."""

_decode_head = msgspec.json.Decoder(Head).decode
_decode_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.encode


def parse_access_line(line: str, *, now_ms: int) -> Event:
    """The event of one line, without its line end. `now_ms` bounds its time from above.

    Raises `SourceError` with one of the reasons of docs/reference/log-formats.md if the head is not
    exactly ours. A malformed tail costs only `path`, `user_agent` or both.
    """
    head_text, _, tail = checked_line(line).partition("\t")
    head = _read_head(head_text)
    path, user_agent = _read_tail(tail)
    source_ip = present(head.source_ip)
    route = present(head.route)
    decision, pool = present(head.decision), present(head.pool)
    ours = is_ours(decision, pool)
    return Event(
        id=head.id,
        time=checked_time(integer(head.time), now_ms=now_ms),
        source="api_access",
        api_id=present(head.api_id),
        stage=present(head.stage),
        # a REST request that met no resource has no resourcePath
        route=None if route is None or route.endswith(" -") else route,
        method=present(head.method),
        path=path,
        status=number(head.status),
        response_bytes=number(head.response_bytes),
        latency_ms=number(head.latency_ms),
        user=present(head.user) if ours else None,
        session=present(head.session) if ours else None,
        token=present(head.token) if ours else None,
        client=present(head.client) if ours else None,
        pool=pool if ours else None,
        source_ip=None if source_ip is None else address(source_ip),
        user_agent=user_agent,
        decision=decision,
        reason=present(head.reason),
    )


def format_access_line(event: Event) -> str:
    """The line that API Gateway writes for `event`, in either format, without a line end.

    Fields that the formats do not carry are left out. Values are escaped as JSON, which is the
    kinder of the two behaviours that have been seen.
    """
    head = {"v": "1"}
    for key in Head.__struct_fields__[1:]:
        value = getattr(event, key)
        head[key] = "-" if value is None else str(value)
    tail = f"{_encode(event.path or '-').decode()}\t{_encode(event.user_agent or '-').decode()}"
    return f"{_encode(head).decode()}\t{tail}"


def _read_head(text: str) -> Head:
    try:
        head = _decode_head(text)
    except UNREADABLE as error:
        raise SourceError(_explain_head(text, error)) from error
    if delimiters(text) != HEAD_DELIMITERS:
        raise SourceError("duplicate_key")
    if "\\" in text or "\x7f" in text:  # only an escape brings a control character past JSON
        for value in msgspec.structs.astuple(head):
            checked_text(value)
    if head.v != "1":
        raise SourceError("unknown_version")
    if head.id in ("", "-") or head.time in ("", "-"):
        raise SourceError("missing_field")
    if len(head.id) > MAX_ID_CHARS or len(text) > MAX_HEAD_CHARS:
        raise SourceError("field_too_long")
    return head


def _explain_head(text: str, error: Exception) -> str:
    reason = explain(text)
    if reason != "wrong_type" or not isinstance(error, msgspec.ValidationError):
        return reason
    try:
        keys = msgspec.json.decode(text).keys()
    except RecursionError:  # it gives up a few levels before the reader that `explain` uses
        return reason
    if not keys >= _HEAD_KEYS:
        return "missing_field"
    return "undeclared_key" if keys - _HEAD_KEYS else "wrong_type"


def _read_tail(tail: str) -> tuple[str | None, str | None]:
    # only the first TAB separates: a TAB is legal in a header, and must not cost the path
    path, _, user_agent = tail.partition("\t")
    return untrusted(path), untrusted(user_agent)


def untrusted(quoted: str) -> str | None:
    """The text of one field of the tail, without tokens; `None` if it is absent or malformed."""
    try:
        text = _decode_text(quoted)
        if "\\" in quoted:
            checked_text(text)
    except (*UNREADABLE, SourceError):
        return None
    return present(redacted(text)) if len(text) <= MAX_FIELD_CHARS else None


def is_ours(decision: str | None, pool: str | None) -> bool:
    """Whether our authorizer wrote the identity: another one's context may hold `user` as well.

    Ours always says what it decided and in which pool; what another one calls `user` may be a header.
    """
    return pool is not None and decision in ("allow", "deny")


def present(text: str) -> str | None:
    """The value of a head's key; `None` if API Gateway had none."""
    return None if text in ("-", "") else text


def number(text: str) -> int | None:
    """The number of a head's key; `None` if API Gateway had none. Raises `SourceError`."""
    return None if text in ("-", "") else integer(text)
