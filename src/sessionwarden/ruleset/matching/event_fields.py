"""Reads the fields of an event that expressions test: its own, and those that are made of several.

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

RAW_PATH = "raw_path"
"""The path as the client wrote it. An event has it only where it is not `path` itself."""

RAW_URI = "raw_uri"
"""Like `URI`, with the path as the client wrote it."""

LINE = "line"
"""The request as one line, as a web server would log it, and `path` behind it if the client wrote it in
another way. Keywords are searched in this line."""

_AFTER_STATUS = ("referer", "user_agent", "host", "route", "username", "claimed_user", "error")

PARTS = {
    URI: ("path", "query"),
    RAW_PATH: ("raw_path", "path"),
    RAW_URI: ("raw_path", "path", "query"),
    LINE: ("method", "raw_path", "path", "query", "status", *_AFTER_STATUS),
}
"""The event fields of which each of them is made."""


def read_field(field: str) -> Callable[[Event], Any]:
    """A function that reads an event field or one of `PARTS`. Raises `RulesetError` for any other name."""
    if field in _READERS:
        return _READERS[field]
    if field not in FIELDS:
        raise RulesetError(f"not an event field: {field[:80]!r}")
    return attrgetter(field)


def _uri(event: Event) -> str | None:
    return _with_query(event.path, event)


def _raw_path(event: Event) -> str | None:
    return event.path if event.raw_path is None else event.raw_path


def _raw_uri(event: Event) -> str | None:
    return _with_query(_raw_path(event), event)


def _with_query(path: str | None, event: Event) -> str | None:
    if path is None:
        return None
    return path if event.query is None else f"{path}?{event.query}"


_read_after_status = attrgetter(*_AFTER_STATUS)


def _line(event: Event) -> str | None:
    status = None if event.status is None else str(event.status)
    values = (event.method, _raw_uri(event) or event.query, status, *_read_after_status(event))
    spelt_otherwise = None if event.raw_path is None else event.path
    return " ".join(filter(None, (*values, spelt_otherwise))) or None


_READERS: dict[str, Callable[[Event], Any]] = {
    URI: _uri,
    RAW_PATH: _raw_path,
    RAW_URI: _raw_uri,
    LINE: _line,
}
