"""Logs in somebody else's format: one JSON object per line, under a mapping that the operator declares.

Enters: the mapping file of `replay --fields`, then lines. Leaves: `Event`s. Invariant: a line is
believed only if its keys are exactly those declared, each once. Formats that put client-written
text beside identity can be broken open by a quote in a User-Agent, and what comes out of that has a
duplicate or an undeclared key. Identity fields that the mapping fills are declared trusted by it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple, cast, get_args

from sessionwarden.documents.yaml import Document, load_documents
from sessionwarden.errors import Diagnostic, InputFileError, SourceError
from sessionwarden.model.event import FIELDS, INTEGER_FIELDS, LIST_FIELDS, Category, Event
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

MAPPABLE = FIELDS - {"time", "source"}
_KEYS = ("fields", "time", "missing", "ignore", "optional", "source")


class FieldMapping(NamedTuple):
    """A checked mapping. `fields` is event field to log key; `optional` and `ignore` are log keys."""

    fields: Mapping[str, str]
    time_key: str
    time_unit: str
    missing: frozenset[str]
    required: frozenset[str]
    allowed: frozenset[str]
    source: Category


def load_mapping(text: str, *, file: str) -> FieldMapping:
    """The mapping written in `text`. Raises `InputFileError` with every mistake, each at its place."""
    documents = load_documents(text, file=file)
    if len(documents) != 1:
        raise InputFileError([Diagnostic(file, 1, 1, "", "expected one YAML document with the mapping")])
    check = _Check(documents[0])
    mapping = check.mapping()
    if check.diagnostics:
        raise InputFileError(check.diagnostics)
    return mapping


class _Check:
    """Reads a mapping document and collects what is wrong with it."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.diagnostics: list[Diagnostic] = []

    def wrong(self, path: tuple[str | int, ...], message: str, hint: str = "") -> None:
        self.diagnostics.append(self.document.diagnostic(path, message, hint))

    def mapping(self) -> FieldMapping:
        data = self.keys((), self.document.data, _KEYS, required=("fields", "time"))
        fields = self.fields(data.get("fields", {}))
        time = self.keys(("time",), data.get("time", {}), ("key", "unit"), required=("key", "unit"))
        time_key = self.text(("time", "key"), time.get("key", ""))
        unit = self.one_of(("time", "unit"), time.get("unit", "ms"), ("ms", "s"))
        source = self.one_of(("source",), data.get("source", "api_access"), get_args(Category))
        declared = {*fields.values(), time_key}
        optional = self.texts("optional", data.get("optional", []))
        for index, key in enumerate(optional):
            if key not in declared - {time_key}:
                self.wrong(("optional", index), f"no field is read from {key!r}", "to skip it, use ignore")
        ignore = self.texts("ignore", data.get("ignore", []))
        for index, key in enumerate(ignore):
            if key in declared:
                self.wrong(("ignore", index), f"{key!r} is read, so it cannot be ignored")
        return FieldMapping(
            fields=fields,
            time_key=time_key,
            time_unit=unit,
            missing=frozenset(self.texts("missing", data.get("missing", []))) | {"-", ""},
            required=frozenset(declared - set(optional)),
            allowed=frozenset(declared | set(ignore)),
            source=cast(Category, source),
        )

    def keys(
        self, path: tuple[str, ...], data: Any, known: tuple[str, ...], *, required: tuple[str, ...]
    ) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.wrong(path, "expected a mapping of " + ", ".join(known))
            return {}
        for key in data.keys() - set(known):
            self.wrong((*path, key), "unknown key", "expected " + ", ".join(known))
        for key in required:
            if key not in data:
                self.wrong(path, f"{key} is missing")
        return data

    def fields(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict) or not data:
            self.wrong(("fields",), "expected a mapping of event field to log key")
            return {}
        fields = {}
        for field, key in data.items():
            if field == "time":
                self.wrong(("fields", field), "time has a section of its own", "time: {key: ..., unit: ms}")
            elif field not in MAPPABLE:
                known = ", ".join(sorted(MAPPABLE))
                self.wrong(("fields", field), "unknown event field", f"expected one of {known}")
            else:
                fields[field] = self.text(("fields", field), key)
        return fields

    def text(self, path: tuple[str | int, ...], value: Any) -> str:
        if isinstance(value, str) and value:
            return value
        self.wrong(path, "expected a text", "quote it" if value is not None else "")
        return ""

    def texts(self, key: str, value: Any) -> list[str]:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
        self.wrong((key,), "expected a list of texts", 'such as ["-"]')
        return []

    def one_of(self, path: tuple[str, ...], value: Any, known: tuple[str, ...]) -> str:
        if value in known:
            return str(value)
        self.wrong(path, "expected " + " or ".join(known))
        return known[0]


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
    return checked_text(value, limit=MAX_ID_CHARS) if field == "id" else checked_text(value)


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
