"""The format of `<rule>.cases.yml`: events, and the findings that a rule must make of them.

A case is a short scenario: events at offsets from a fixed start, repeated by a shorthand, and the expected
findings (docs/how-to/write-a-rule.md). This module says what the file may hold; `cases` turns it into events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, create_model, model_validator
from pydantic_core import PydanticKnownError

from sessionwarden.documents.check import quoted
from sessionwarden.documents.models import FileModel, Hints, Text, refused
from sessionwarden.model.event import FIELDS, LIST_FIELDS, Event
from sessionwarden.ruleset.vocabulary import field_hint

MAX_EVENTS = 10_000
"""The most events of one case."""

MAX_OFFSET_MS = 30 * 86_400_000

Kind = Literal["matching", "just_under", "just_over", "lookalike", "out_of_order"]
Delivery = Literal["as_written", "reversed", "twice"]

EVENT_FIELDS = FIELDS - {"id", "time", "raw_path"}
"""What an event of a case can say; its id and its time follow from where it is written. Its `path` is
as a client wrote it, like that of a line of a log."""

_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def _offset_ms(value: object) -> int:
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    count = value.rstrip("msdh")
    unit = _UNIT_MS.get(value[len(count) :])
    if unit is None or not (count.isascii() and count.isdigit()) or len(count) > 12:
        raise refused(f"{quoted(value)} is not an offset", "a whole number and ms, s, m, h or d, like 250ms")
    if int(count) * unit > MAX_OFFSET_MS:
        raise refused(f"{quoted(value)} is more than 30d")
    return int(count) * unit


Offset = Annotated[
    int,
    BeforeValidator(_offset_ms),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,12}(ms|s|m|h|d)$", "examples": ["250ms", "5m"]}),
]
"""Milliseconds, written like `250ms`."""


class _OfAnEvent(FileModel):
    @classmethod
    def unknown_key(cls, key: str) -> tuple[str, str]:
        return f"no event has a field {quoted(key)}", field_hint(key)


class Shorthand(_OfAnEvent):
    """What an entry says beside the fields of its events: who did it, when, and how often."""

    actor: Text = Field(default="", alias="as")
    """The actor whose fields the event has."""
    at: Offset = 0
    """How long after the start."""
    repeat: Annotated[int, Field(ge=1, le=MAX_EVENTS)] = 1
    """How many events this is."""
    every: Offset = 0
    """How long from one event to the next."""


def _fields() -> dict[str, Any]:
    """The fields of events, as pydantic wants them: texts, whole numbers, lists of texts, or null."""
    types = {
        name: list[str] | None if name in LIST_FIELDS else kind
        for name, kind in get_type_hints(Event).items()
    }
    return {name: (types[name], None) for name in sorted(EVENT_FIELDS)}


if TYPE_CHECKING:
    EventFields = FileModel
    EventEntry = Shorthand
else:
    EventFields = create_model("EventFields", __base__=_OfAnEvent, **_fields())
    EventEntry = create_model("EventEntry", __base__=Shorthand, **_fields())


def _none_is_nothing(value: object) -> object:
    return ExpectSection.model_construct(exactly=[]) if value == "none" else value


def _or_none(schema: dict[str, Any]) -> None:
    described = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"const": "none"}, described]


Keys = Annotated[
    list[Annotated[dict[str, str], Field(min_length=1)]],
    Field(min_length=1),
    Hints(below="the group key of a finding; none expects no finding"),
]


class ExpectSection(FileModel):
    """The group keys that must have a finding: all there are (`exactly`), or these among others."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    exactly: Keys = Field(default_factory=list)
    at_least: Keys = Field(default_factory=list)

    @model_validator(mode="after")
    def _says_one(self) -> ExpectSection:
        if len(self.model_fields_set) != 1:
            raise refused("must be none, or a map with exactly or at_least")
        return self


class CaseSection(FileModel):
    """One scenario, and what the rule must find in it."""

    name: Text
    kind: Kind
    """How near the case comes to what the rule looks for."""
    deliver: Delivery = "as_written"
    """In which order, and how often, the events arrive."""
    events: Annotated[list[EventEntry], Field(min_length=1)]
    expect: Annotated[ExpectSection, BeforeValidator(_none_is_nothing), Field(json_schema_extra=_or_none)]


class CasesDocument(FileModel):
    """The cases of one rule."""

    rule: Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
    """The id of the rule."""
    defaults: EventFields = Field(default_factory=EventFields)
    """Fields of every event."""
    actors: dict[str, EventFields] = Field(default_factory=dict)
    """Fields of the events of each actor, whom an event names with as."""
    cases: Annotated[list[CaseSection], Field(min_length=1)]
