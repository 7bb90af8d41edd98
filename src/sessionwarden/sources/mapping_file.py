"""The mapping file of `replay --fields`: which key of a foreign log holds which event field.

The operator's YAML becomes the `FieldMapping` that `mapped_json` reads lines under, or an `InputFileError`
with every mistake at its position. Identity fields that the mapping fills are declared trusted by it, so
an unknown key is refused. Never imported in a Lambda.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from sessionwarden.documents.check import Check, nearest, quoted
from sessionwarden.documents.models import FileModel, Text, as_list, as_map, read_model, refused
from sessionwarden.documents.yaml import read_documents
from sessionwarden.errors import Diagnostic, InputFileError
from sessionwarden.model.event import FIELDS, Category
from sessionwarden.sources.mapped_json import FieldMapping

MAPPABLE = FIELDS - {"time", "source", "raw_path"}


def _mappable(field: str) -> str:
    if field == "time":
        raise refused("time has a section of its own", "time: {key: ..., unit: ms}")
    if field == "raw_path":
        raise refused("raw_path is what the log has for path", "map path")
    if field not in MAPPABLE:
        raise refused(f"no event has a field {quoted(field)}", nearest(field, MAPPABLE))
    return field


EventField = Annotated[str, AfterValidator(_mappable)]
_FIELD_NAMES = Field(min_length=1, json_schema_extra={"propertyNames": {"enum": [*sorted(MAPPABLE)]}})


class TimeKey(FileModel):
    """Where a line says when it happened."""

    key: Text
    """The key of the log that holds the time since 1970."""
    unit: Literal["ms", "s"]
    """Milliseconds, or seconds (a fraction is kept to the millisecond)."""


class MappingDocument(FileModel):
    """Which keys a line of the log has, and which event fields they fill."""

    fields: Annotated[dict[EventField, Text], _FIELD_NAMES]
    """Event field to key of the log. The identity in these keys is trusted."""
    time: TimeKey
    missing: list[str] = Field(default_factory=list)
    """Texts that mean that there is no value, besides - and the empty text."""
    ignore: list[str] = Field(default_factory=list)
    """Keys that lines have and nothing is read from."""
    optional: list[str] = Field(default_factory=list)
    """Keys of `fields` that a line may lack; every other key must be on every line."""
    source: Category = "api_access"
    """The log source that rules see these events in."""


def load_mapping(text: str, *, file: str) -> FieldMapping:
    """The mapping written in `text`. Raises `InputFileError` with every mistake, each at its position."""
    documents, diagnostics = read_documents(text, file=file)
    if len(documents) != 1 and not diagnostics:
        diagnostics.append(Diagnostic(file, 1, 1, "", "expected one YAML document with the mapping"))
    found = None
    for document in documents[:1]:
        check = Check(document, diagnostics)
        found = read_model(MappingDocument, check)
        _refuse_contradictions(as_map(document.data), check)
    if diagnostics or found is None:
        raise InputFileError(diagnostics)
    declared = {*found.fields.values(), found.time.key}
    return FieldMapping(
        fields=found.fields,
        time_key=found.time.key,
        time_unit=found.time.unit,
        missing=frozenset(found.missing) | {"-", ""},
        required=frozenset(declared - set(found.optional)),
        allowed=frozenset(declared | set(found.ignore)),
        source=found.source,
    )


def _refuse_contradictions(data: dict[str, Any], check: Check) -> None:
    """Refuse a key that is ignored though read, or optional though not read; other parts may be wrong."""
    fields = [key for field, key in as_map(data.get("fields")).items() if field in MAPPABLE]
    read = [*fields, as_map(data.get("time")).get("key")]
    for index, key in _texts(data.get("optional")):
        if key not in fields or key == read[-1]:
            check.refuse(
                ("optional", index), f"no field is read from {quoted(key)}", "to skip it, use ignore"
            )
    for index, key in _texts(data.get("ignore")):
        if key in read:
            check.refuse(("ignore", index), f"{quoted(key)} is read, so it cannot be ignored")


def _texts(value: object) -> list[tuple[int, str]]:
    return [(index, item) for index, item in enumerate(as_list(value)) if isinstance(item, str)]
