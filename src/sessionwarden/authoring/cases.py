"""`<rule>.cases.yml` in, events and the findings expected of them out.

A case is a story: events at offsets from a fixed start, repeated by a shorthand, and what the rule
must say (docs/how-to/write-a-rule.md). Invariant: a case never depends on the day it is run; offsets
are exact, and `{n}` counts up wherever a repetition must differ. Leaves out: running them, which
needs the engine, and whether their rule exists, which needs all rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast, get_args

import msgspec

from sessionwarden.documents.check import Check, nearest, quoted
from sessionwarden.documents.files import read_files
from sessionwarden.documents.yaml import Document
from sessionwarden.documents.yaml import Path as KeyPath
from sessionwarden.errors import Diagnostic, InputFileError
from sessionwarden.model.event import FIELDS, Event
from sessionwarden.ruleset.vocabulary import field_hint

START_MS = 1_750_000_000_000
"""The time of offset 0."""

MAX_EVENTS = 10_000
"""Of one case."""

MAX_EVENTS_OF_FILE = 200_000
"""A line can ask for thousands, and a megabyte holds many lines."""

MAX_OFFSET_MS = 30 * 86_400_000

Kind = Literal["matching", "just_under", "just_over", "lookalike", "out_of_order"]
Delivery = Literal["as_written", "reversed", "twice"]
Key = dict[str, str]

KEYS = ("rule", "defaults", "actors", "cases")
CASE_KEYS = ("name", "kind", "deliver", "events", "expect")

COVERAGE: tuple[Kind, ...] = ("matching", "just_under", "lookalike")
"""The kinds without which nobody knows whom a rule spares."""

ACTOR = "as"
"""The key of an event that names who did it."""

_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_EVENT_FIELDS = FIELDS - {"id", "time"}
_SHORTHAND = frozenset({"at", "repeat", "every", ACTOR})


class Expectation(NamedTuple):
    """The group keys that must have a finding: all there are (`exactly`), or among others."""

    how: Literal["exactly", "at_least"]
    keys: tuple[Key, ...]


class Case(NamedTuple):
    """One story, written at `line`. `events` are in the order in which they are delivered."""

    name: str
    line: int
    kind: Kind
    events: tuple[Event, ...]
    expectation: Expectation


class CaseFile(NamedTuple):
    """The cases of one rule, which is meant by its id. `document` knows the place of everything."""

    file: str
    rule: str
    cases: tuple[Case, ...]
    document: Document


class _Cast(NamedTuple):
    """What an event has without saying so: the fields of every event, and those of each actor."""

    defaults: dict[str, Any]
    actors: dict[str, dict[str, Any]]


def lacking_kinds(cases: Iterable[Case]) -> tuple[Kind, ...]:
    """Which kinds of cases are still to be written, of those that every rule needs."""
    there = {case.kind for case in cases}
    return tuple(kind for kind in COVERAGE if kind not in there)


def load_cases(path: Path) -> CaseFile:
    """The cases of one file. Raises `InputFileError` with every mistake."""
    documents, diagnostics = read_files([path])
    found = [_read_file(document, Check(document, diagnostics)) for document in documents[:1]]
    diagnostics += [document.diagnostic((), "cases are one document") for document in documents[1:]]
    if not documents and not diagnostics:
        diagnostics.append(Diagnostic(str(path), 0, 0, "", "no cases"))
    if diagnostics:
        raise InputFileError(diagnostics)
    return found[0]


def _read_file(document: Document, check: Check) -> CaseFile:
    data = check.typed(document.data, dict, ()) or {}
    check.keys(data, KEYS, ())
    for key in ("rule", "cases"):
        if key not in data:
            check.refuse((), f"{key} is missing")
    rule = check.option(data, "rule", str, ()) or ""
    defaults = _read_fields(check.section(data, "defaults", ()) or {}, check, ("defaults",))
    cast_of = _Cast(defaults, _read_actors(check.section(data, "actors", ()) or {}, check))
    stories = check.option(data, "cases", list, ()) or []
    cases: list[Case] = []
    for index, story in enumerate(stories):
        case = _read_case(story, cast_of, check, ("cases", index))
        cases += [case] if case is not None else []
        if sum(len(one.events) for one in cases) > MAX_EVENTS_OF_FILE:
            check.refuse(("cases", index), f"the cases have more than {MAX_EVENTS_OF_FILE:,} events")
            break
    if stories == [] and "cases" in data:
        check.refuse(("cases",), "must list at least one case")
    return CaseFile(document.file, rule, tuple(cases), document)


def _read_actors(section: dict[str, Any], check: Check) -> dict[str, dict[str, Any]]:
    actors = {}
    for name in section:
        path = ("actors", name)
        actors[name] = _read_fields(check.section(section, name, ("actors",)) or {}, check, path)
    return actors


def _read_case(story: Any, cast_of: _Cast, check: Check, path: KeyPath) -> Case | None:
    if check.typed(story, dict, path) is None:
        return None
    check.keys(story, CASE_KEYS, path)
    for key in ("name", "kind", "events", "expect"):
        if key not in story:
            check.refuse(path, f"{key} is missing")
    before = len(check.diagnostics)
    name = check.option(story, "name", str, path)
    kind = check.one_of(story.get("kind", "matching"), get_args(Kind), (*path, "kind"))
    delivery = check.one_of(story.get("deliver", "as_written"), get_args(Delivery), (*path, "deliver"))
    events: list[Event] = []
    for index, entry in enumerate(check.option(story, "events", list, path) or []):
        events.extend(_read_events(entry, cast_of, check, (*path, "events", index)))
        if len(events) > MAX_EVENTS:
            check.refuse((*path, "events", index), f"the case has more than {MAX_EVENTS:,} events")
            return None
    if story.get("events") == []:
        check.refuse((*path, "events"), "must list at least one event")
    expectation = _read_expectation(story.get("expect", "none"), check, (*path, "expect"))
    if len(check.diagnostics) > before or expectation is None:
        return None
    # two events are one if their ids are: each gets the place at which it is written
    numbered = [msgspec.structs.replace(event, id=f"case-{number}") for number, event in enumerate(events)]
    delivered = {"reversed": numbered[::-1], "twice": [*numbered, *numbered]}.get(str(delivery), numbered)
    line = check.document.position(path).line
    return Case(str(name), line, cast("Kind", kind), tuple(delivered), expectation)


def _read_events(entry: Any, cast_of: _Cast, check: Check, path: KeyPath) -> list[Event]:
    if check.typed(entry, dict, path) is None:
        return []
    shorthand = {key: entry[key] for key in entry if key in _SHORTHAND}
    own = _read_fields({key: entry[key] for key in entry if key not in _SHORTHAND}, check, path)
    fields = cast_of.defaults | _actor_fields(shorthand, cast_of, check, path) | own
    at = _offset_ms(shorthand.get("at", "0s"), check, (*path, "at"))
    every = _offset_ms(shorthand.get("every", "0s"), check, (*path, "every"))
    repeat = check.typed(shorthand.get("repeat", 1), int, (*path, "repeat")) or 0
    if not 1 <= repeat <= MAX_EVENTS:
        check.refuse((*path, "repeat"), f"must be from 1 to {MAX_EVENTS}")
        return []
    events = []
    for number in range(repeat):
        counted = {key: _counted(value, number) for key, value in fields.items()}
        try:
            time = START_MS + at + number * every
            events.append(msgspec.convert({"id": "-", "time": time, **counted}, Event))
        except msgspec.ValidationError as error:
            check.refuse(path, f"not an event: {error}")
            return []
    return events


def _actor_fields(shorthand: dict[str, Any], cast_of: _Cast, check: Check, path: KeyPath) -> dict[str, Any]:
    if ACTOR not in shorthand:
        return {}
    name: str | None = check.typed(shorthand[ACTOR], str, (*path, ACTOR))
    if name is None or name in cast_of.actors:
        return cast_of.actors.get(name or "", {})
    hint = nearest(name, cast_of.actors) or "list them under actors, each with its fields"
    check.refuse((*path, ACTOR), f"no actor is called {quoted(name)}", hint)
    return {}


def _counted(value: Any, number: int) -> Any:
    return value.replace("{n}", str(number)) if isinstance(value, str) else value


def _read_fields(section: dict[str, Any], check: Check, path: KeyPath) -> dict[str, Any]:
    for key in section:
        if key not in _EVENT_FIELDS:
            check.refuse((*path, key), f"no event has a field {quoted(key)}", field_hint(key))
    return {key: value for key, value in section.items() if key in _EVENT_FIELDS}


def _offset_ms(value: Any, check: Check, path: KeyPath) -> int:
    text = check.typed(value, str, path)
    if text is None:
        return 0
    count = text.rstrip("msdh")
    unit = _UNIT_MS.get(text[len(count) :])
    if unit is None or not (count.isascii() and count.isdigit()) or len(count) > 12:
        check.refuse(
            path, f"{quoted(text)} is not an offset", "a whole number and ms, s, m, h or d, like 250ms"
        )
        return 0
    offset = int(count) * unit
    if offset > MAX_OFFSET_MS:
        check.refuse(path, f"{quoted(text)} is more than 30d")
        return 0
    return offset


def _read_expectation(value: Any, check: Check, path: KeyPath) -> Expectation | None:
    if value == "none":
        return Expectation("exactly", ())
    if check.typed(value, dict, path) is None:
        return None
    check.keys(value, ("exactly", "at_least"), path)
    known = [key for key in value if key in ("exactly", "at_least")]
    if len(known) != 1:
        check.refuse(path, "must be none, or a map with exactly or at_least")
        return None
    how = known[0]
    keys = check.option(value, how, list, path)
    if not keys:
        check.refuse((*path, how), "must list the group keys of findings", "none expects no finding")
        return None
    for index, key in enumerate(keys):
        if not isinstance(key, dict) or not all(isinstance(text, str) for text in key.values()):
            check.refuse((*path, how, index), "must be a map of group-by field to text")
            return None
    return Expectation(cast("Literal['exactly', 'at_least']", how), tuple(keys))
