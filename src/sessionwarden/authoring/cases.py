"""`<rule>.cases.yml`: the events of every case, and the findings expected of them.

`cases_document` says what the file may hold; here repetitions are written out and actors get their fields.
Invariant: a case never depends on the day it is run; offsets are exact, and `{n}` counts up wherever a
repetition must differ. Left out: running cases, which needs the engine, and whether their rule exists, which
needs all rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from sessionwarden.authoring.cases_document import (
    EVENT_FIELDS,
    MAX_EVENTS,
    CasesDocument,
    CaseSection,
    EventEntry,
    EventFields,
    Kind,
    Shorthand,
)
from sessionwarden.documents.check import Check, nearest, quoted
from sessionwarden.documents.files import read_files
from sessionwarden.documents.models import FileModel, as_list, as_map, read_model, sound
from sessionwarden.documents.yaml import Document
from sessionwarden.documents.yaml import Path as KeyPath
from sessionwarden.errors import Diagnostic, InputFileError
from sessionwarden.model.event import LIST_FIELDS, Event

START_MS = 1_750_000_000_000
"""The time of offset 0."""

MAX_EVENTS_OF_FILE = 200_000
"""One line can ask for thousands of events, and a megabyte holds many lines."""

MAX_REPEATED_CHARACTERS = 20_000_000
"""Of texts that hold `{n}`, which are written out for each event of a file: what is in memory at once."""

COVERAGE: tuple[Kind, ...] = ("matching", "just_under", "lookalike")
"""The kinds of cases without which a rule's author cannot know whom it spares."""

Key = dict[str, str]


COUNTER = "{n}"
"""Stands in a text for the number of the repetition."""


class Expectation(NamedTuple):
    """The group keys that must have a finding: all there are (`exactly`), or among others."""

    how: Literal["exactly", "at_least"]
    keys: tuple[Key, ...]


class Case(NamedTuple):
    """One scenario, written at `line`. `events` are in the order in which they are delivered."""

    name: str
    line: int
    kind: Kind
    events: tuple[Event, ...]
    expectation: Expectation


class CaseFile(NamedTuple):
    """The cases of one rule, which is named by its id. `document` knows the position of everything."""

    file: str
    rule: str
    cases: tuple[Case, ...]
    document: Document


class _Actors(NamedTuple):
    """What an event has without saying so: the fields of every event, and those of each actor.

    `None` stands for fields that are wrong themselves.
    """

    defaults: FileModel | None
    by_name: dict[str, FileModel | None]


class _Room:
    """What is left of the characters that the texts of a file may become."""

    def __init__(self) -> None:
        self._left = MAX_REPEATED_CHARACTERS

    def is_left_for(self, fields: dict[str, Any], *, repeat: int) -> bool:
        """Take what the fields become when they are repeated, if there is as much."""
        counted = (value for value in fields.values() if isinstance(value, str) and COUNTER in value)
        self._left -= repeat * sum(map(len, counted))
        return self._left >= 0


def lacking_kinds(cases: Iterable[Case]) -> tuple[Kind, ...]:
    """Which kinds of cases are still to be written, among those that every rule needs."""
    there = {case.kind for case in cases}
    return tuple(kind for kind in COVERAGE if kind not in there)


def load_cases(path: Path) -> CaseFile:
    """The cases of one file. Raises `InputFileError` with every mistake."""
    documents, diagnostics = read_files([path])
    found = [_read_file(document, Check(document, diagnostics)) for document in documents[:1]]
    diagnostics += [document.diagnostic((), "cases are one document") for document in documents[1:2]]
    if not documents and not diagnostics:
        diagnostics.append(Diagnostic(str(path), 0, 0, "", "no cases"))
    if diagnostics:
        raise InputFileError(diagnostics)
    return found[0]


def _read_file(document: Document, check: Check) -> CaseFile:
    read_model(CasesDocument, check)
    # judged from the data, not from the model: a case is looked at although another one is wrong
    data = as_map(document.data)
    named = as_map(data.get("actors")).items()
    actors = _Actors(
        sound(EventFields, data.get("defaults", {})), {name: sound(EventFields, one) for name, one in named}
    )
    cases: list[Case] = []
    total = 0
    room = _Room()
    for index, one in enumerate(as_list(data.get("cases"))):
        section = sound(CaseSection, one)
        entries = [sound(EventEntry, entry) for entry in as_list(as_map(one).get("events"))]
        events = _events(entries, actors, room, check, ("cases", index, "events"))
        if section is not None:
            cases.append(_case(section, events, line=document.position(("cases", index)).line))
        total += len(events)
        if total > MAX_EVENTS_OF_FILE:
            check.refuse(("cases", index), f"the cases have more than {MAX_EVENTS_OF_FILE:,} events")
            break
    return CaseFile(document.file, str(data.get("rule", "")), tuple(cases), document)


def _case(section: CaseSection, events: list[Event], *, line: int) -> Case:
    delivered = {"as_written": events, "reversed": events[::-1], "twice": events * 2}[section.deliver]
    how: Literal["exactly", "at_least"] = "at_least" if section.expect.at_least else "exactly"
    return Case(
        name=section.name,
        line=line,
        kind=section.kind,
        events=tuple(delivered),
        expectation=Expectation(how, tuple(getattr(section.expect, how))),
    )


def _events(
    entries: Iterable[Shorthand | None], actors: _Actors, room: _Room, check: Check, path: KeyPath
) -> list[Event]:
    """The events of a case, without those of entries that are wrong."""
    events: list[Event] = []
    for index, entry in enumerate(entries):
        here = (*path, index)
        fields = None if entry is None else _fields(entry, actors, check, here)
        if entry is None or fields is None:
            continue
        if len(events) + entry.repeat > MAX_EVENTS:
            check.refuse(here, f"the case has more than {MAX_EVENTS:,} events")
            break
        if not room.is_left_for(fields, repeat=entry.repeat):
            limit = f"{MAX_REPEATED_CHARACTERS:,} characters"
            check.refuse(here, f"texts with {COUNTER} become more than {limit} in this file")
            break
        events += _repeated(entry, fields, first=len(events))
    return events


def _fields(entry: Shorthand, actors: _Actors, check: Check, path: KeyPath) -> dict[str, Any] | None:
    """The fields of an entry's events; `None` if they cannot be known, which is reported."""
    if entry.actor and entry.actor not in actors.by_name:
        hint = nearest(entry.actor, actors.by_name) or "list them under actors, each with its fields"
        check.refuse((*path, "as"), f"no actor is called {quoted(entry.actor)}", hint)
        return None
    parts = [actors.defaults, *([actors.by_name[entry.actor]] if entry.actor else []), entry]
    fields: dict[str, Any] = {}
    for part in parts:
        if part is None:
            return None
        fields |= {name: getattr(part, name) for name in part.model_fields_set & EVENT_FIELDS}
    if "source" not in fields:
        check.refuse(path, "an event needs a source", "write it here or under defaults, like api_access")
        return None
    return {
        name: tuple(value) if name in LIST_FIELDS and value is not None else value
        for name, value in fields.items()
    }


def _repeated(entry: Shorthand, fields: dict[str, Any], *, first: int) -> Iterator[Event]:
    """The events of an entry. Two events are one if their ids are, so each is numbered within its case."""
    for number in range(entry.repeat):
        counted: dict[str, Any] = {
            name: value.replace(COUNTER, str(number)) if isinstance(value, str) else value
            for name, value in fields.items()
        }
        time = START_MS + entry.at + number * entry.every
        yield Event(id=f"case-{first + number}", time=time, **counted)
