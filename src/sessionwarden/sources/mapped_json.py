"""Logs in a foreign format: one JSON object per line, under a mapping that the operator declares.

A line becomes an `Event`, or a `SourceError` with its reason. Invariant: a line is believed only if its keys
are exactly those declared, each once. Formats that put client-written text beside identity can be broken
open by a quote in a User-Agent, and the result has a duplicate or an undeclared key. `mapping_file` reads
the mapping; identity fields that it fills are declared trusted by it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from sessionwarden.errors import SourceError
from sessionwarden.model.event import INTEGER_FIELDS, LIST_FIELDS, Category, Event
from sessionwarden.sources.redaction import CLIENT_TEXTS, redacted
from sessionwarden.sources.strict_json import Scalar, read_flat_object
from sessionwarden.sources.values import (
    MAX_ID_CHARS,
    address,
    checked_integer,
    checked_line,
    checked_text,
    checked_time,
    integer,
    milliseconds,
)


class FieldMapping(NamedTuple):
    """A checked mapping. `fields` is event field to log key; `optional` and `ignore` are log keys."""

    fields: Mapping[str, str]
    time_key: str
    time_unit: str
    missing: frozenset[str]
    required: frozenset[str]
    allowed: frozenset[str]
    source: Category


def parse_mapped_line(line: str, mapping: FieldMapping, *, position: int, now_ms: int) -> Event:
    """The event of one line. `position` tells identical lines apart where the log has no ids.

    Raises `SourceError` with one of the reasons of docs/reference/log-formats.md.
    """
    members = read_flat_object(checked_line(line))
    if not members.keys() >= mapping.required:
        raise SourceError("missing_field")
    if not members.keys() <= mapping.allowed:
        raise SourceError("undeclared_key")
    values: dict[str, Any] = {}
    for field, key in mapping.fields.items():
        value = members.get(key)
        if value is None or value == [] or (isinstance(value, str) and value in mapping.missing):
            continue
        values[field] = convert(field, value)
    time_ms = checked_time(time_of(members[mapping.time_key], mapping), now_ms=now_ms)
    event_id = values.pop("id", None) or _derived_id(line, position)
    return Event(id=event_id, time=time_ms, source=mapping.source, **values)


def convert(field: str, value: Scalar | list[str]) -> int | str | tuple[str, ...]:
    """What an event field holds for a value of a log. Raises `SourceError` if it can hold no such value."""
    if field in INTEGER_FIELDS:
        return _integer(value)
    if field in LIST_FIELDS:
        items = value.split() if isinstance(value, str) else value
        if not isinstance(items, list):
            raise SourceError("wrong_type")
        return tuple(checked_text(item) for item in items)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # an id or an AS number that the log writes as a number
    if not isinstance(value, str):
        raise SourceError("wrong_type")
    if field == "source_ip":
        return address(value)
    if field == "id":
        return checked_text(value, limit=MAX_ID_CHARS)
    return redacted(checked_text(value)) if field in CLIENT_TEXTS else checked_text(value)


def _integer(value: Scalar | list[str]) -> int:
    if isinstance(value, str):
        return integer(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise SourceError("wrong_type")
    return checked_integer(value)


def time_of(value: Scalar | list[str], mapping: FieldMapping) -> int:
    """Epoch milliseconds of the value under the time's key. Raises `SourceError`."""
    if value is None or value in ("", "-"):
        raise SourceError("missing_field")
    if mapping.time_unit == "ms":
        return _integer(value)
    if isinstance(value, str):
        return milliseconds(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SourceError("wrong_type")
    return _milliseconds_of(value)


def _milliseconds_of(seconds: float) -> int:
    try:
        return round(seconds * 1000)
    except (OverflowError, ValueError):  # not finite, or too large to be a time
        raise SourceError("time_out_of_range") from None


def _derived_id(line: str, position: int) -> str:
    digest = hashlib.sha256(f"{position}\n{line}".encode())
    return f"line-{digest.hexdigest()[:32]}"
