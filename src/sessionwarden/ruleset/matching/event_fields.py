"""Reads the fields of an event that expressions test: its own, and two that are joined from several.

Invariant: a value is `None` if and only if all of its parts are missing.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from sessionwarden.errors import RulesetError
from sessionwarden.model.event import FIELDS, Event

URI = "uri"
"""The path, `?` and the query, like Sigma's `cs-uri`."""

LINE = "line"
"""The request as one line, as a web server would log it. Keywords are searched in this line."""

_AFTER_STATUS = ("referer", "user_agent", "host", "route", "username", "claimed_user", "error")

PARTS = {
    URI: ("path", "query"),
    LINE: ("method", "path", "query", "status", *_AFTER_STATUS),
}
"""The event fields from which each of the two is joined."""


def read_field(field: str) -> Callable[[Event], Any]:
    """A function that reads an event field, `URI` or `LINE`. Raises `RulesetError` for any other name."""
    if field == URI:
        return _uri
    if field == LINE:
        return _line
    if field not in FIELDS:
        raise RulesetError(f"not an event field: {field[:80]!r}")
    return attrgetter(field)


def _uri(event: Event) -> str | None:
    if event.path is None:
        return None
    return event.path if event.query is None else f"{event.path}?{event.query}"


_read_after_status = attrgetter(*_AFTER_STATUS)


def _line(event: Event) -> str | None:
    status = None if event.status is None else str(event.status)
    values = (event.method, _uri(event) or event.query, status, *_read_after_status(event))
    return " ".join(filter(None, values)) or None
