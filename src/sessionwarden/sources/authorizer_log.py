"""Reads the authorizer's decision lines: each says how one request was decided.

A message of the authorizer's log group becomes an `Event` of source `api_authorizer`, or `None` if it is some
other output of the Lambda function. Invariant: each field is read under its own name, so a name that an
unverified token claimed stays in `claimed_user`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sessionwarden.errors import SourceError
from sessionwarden.model.event import FIELDS, Event
from sessionwarden.sources.redaction import CLIENT_TEXTS, redacted
from sessionwarden.sources.strict_json import Scalar, read_flat_object
from sessionwarden.sources.values import MAX_ID_CHARS, address, checked_line, checked_text, checked_time

MARK = "sessionwarden.decision"
"""The value of `type`, by which the subscription filter selects decision lines."""

_MARK_WITHIN = 64

_FIELDS = FIELDS - {
    *("source", "status", "response_bytes", "latency_ms", "error"),  # known only after the authorizer
    *("query", "referer", "identity", "asn", "ja4"),
}


def is_decision_line(line: str) -> bool:
    """Whether `line` is marked as a decision line at its start; later parts hold text that clients wrote."""
    return line.startswith("{") and f'"{MARK}"' in line[:_MARK_WITHIN]


def parse_decision_line(line: str, *, now_ms: int) -> Event | None:
    """The event of a decision line; `None` if the line is something else (START, a traceback).

    Raises `SourceError` if it is marked as a decision line but does not have exactly its form.
    """
    if not is_decision_line(line):
        return None
    members = read_flat_object(checked_line(line))
    if members.pop("type", None) != MARK or members.pop("v", None) != 1:
        raise SourceError("unknown_version")
    if not members.keys() <= _FIELDS:
        raise SourceError("undeclared_key")
    present = {
        name: _checked(name, value) for name, value in members.items() if value not in (None, "", "-", [])
    }
    if not {"id", "time", "decision"} <= present.keys():
        raise SourceError("missing_field")
    if present["decision"] not in ("allow", "deny"):
        raise SourceError("wrong_type")
    try:
        event = msgspec.convert(present | {"source": "api_authorizer"}, Event)
    except msgspec.ValidationError as error:
        raise SourceError("wrong_type") from error
    return _checked_event(event, now_ms=now_ms)


def _checked(name: str, value: Scalar | list[str]) -> Any:
    if isinstance(value, str):
        return redacted(checked_text(value)) if name in CLIENT_TEXTS else checked_text(value)
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
