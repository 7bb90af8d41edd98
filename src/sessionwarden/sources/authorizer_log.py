"""The authorizer's decision lines: what it made of each request.

Enters: one message of the authorizer's log group. Leaves: an `Event` of source `api_authorizer`, or
`None` for whatever else a Lambda function writes there. Invariant: what an unverified token claimed
stays in `claimed_user`; a line that names a user and denies for a bad token is still only what the
authorizer wrote, field by field, under the fields' own names.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sessionwarden.errors import SourceError
from sessionwarden.model.event import FIELDS, Event
from sessionwarden.sources.strict_json import Scalar, read_flat_object
from sessionwarden.sources.values import MAX_ID_CHARS, address, checked_line, checked_text, checked_time

MARK = "sessionwarden.decision"
"""The value of `type`, and the term that the subscription filter picks lines by."""

_MARK_WITHIN = 64

_FIELDS = FIELDS - {
    *("source", "status", "response_bytes", "latency_ms", "error"),  # known only after the authorizer
    *("query", "referer", "identity", "asn", "ja4"),
}


def is_decision_line(line: str) -> bool:
    """Whether `line` says of itself, at its start, that it is a decision line.

    Only the start counts: further on stands text that clients wrote.
    """
    return line.startswith("{") and f'"{MARK}"' in line[:_MARK_WITHIN]


def parse_decision_line(line: str, *, now_ms: int) -> Event | None:
    """The event of a decision line; `None` if the line is something else (START, a traceback).

    Raises `SourceError` if it claims to be one and is not exactly ours.
    """
    if not is_decision_line(line):
        return None
    members = read_flat_object(checked_line(line))
    if members.pop("type", None) != MARK or members.pop("v", None) != 1:
        raise SourceError("unknown_version")
    if not members.keys() <= _FIELDS:
        raise SourceError("undeclared_key")
    present = {name: _checked(value) for name, value in members.items() if value not in (None, "", "-", [])}
    if not {"id", "time", "decision"} <= present.keys():
        raise SourceError("missing_field")
    if present["decision"] not in ("allow", "deny"):
        raise SourceError("wrong_type")
    try:
        event = msgspec.convert(present | {"source": "api_authorizer"}, Event)
    except msgspec.ValidationError as error:
        raise SourceError("wrong_type") from error
    return _checked_event(event, now_ms=now_ms)


def _checked(value: Scalar | list[str]) -> Any:
    if isinstance(value, str):
        return checked_text(value)
    if isinstance(value, list):
        return tuple(checked_text(item) for item in value)
    return value


def _checked_event(event: Event, *, now_ms: int) -> Event:
    checked_text(event.id, limit=MAX_ID_CHARS)
    checked_time(event.time, now_ms=now_ms)
    if event.source_ip is None:
        return event
    canonical = address(event.source_ip)
    return event if canonical == event.source_ip else msgspec.structs.replace(event, source_ip=canonical)
