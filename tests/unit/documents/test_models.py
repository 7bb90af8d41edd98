from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from sessionwarden.documents.check import Check
from sessionwarden.documents.durations import Duration
from sessionwarden.documents.models import FileModel, Hints, Text, Texts, read_model, schema_of_model
from sessionwarden.documents.yaml import read_documents


class Part(FileModel):
    name: Text
    """What it is called."""
    kind: Literal["long", "short"] = "long"


class Whole(FileModel):
    parts: Annotated[list[Part], Field(min_length=1)]
    by_name: dict[str, Part | None] = Field(default_factory=dict)
    count: Annotated[int, Field(ge=1, le=9), Hints(below="leave it out", above="nine will do")] = 1
    wait: Duration = 60
    tags: Texts = Field(default_factory=list)
    loud: bool = False


def found(text: str) -> list[str]:
    documents, diagnostics = read_documents(text, file="f.yml")
    assert read_model(Whole, Check(documents[0], diagnostics)) is None
    return [str(diagnostic) for diagnostic in diagnostics]


def test_a_document_that_fits_becomes_the_model() -> None:
    (document,), _ = read_documents("parts: [{name: a}]\nwait: 2m\nby_name: {b: }\n", file="f.yml")
    check = Check(document, [])
    whole = read_model(Whole, check)
    assert whole is not None
    assert whole.parts == [Part(name="a")]
    assert whole.by_name == {"b": None}
    assert whole.wait == 120
    assert check.diagnostics == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", "1:1: must be a map, not a list"),
        ("parts: []", "1:1: parts: must list at least one part"),
        ("count: 1", "1:1: parts is missing"),
        ("parts: [{}]", "1:9: parts[0]: name is missing"),
        ("parts: [5]", "1:9: parts[0]: must be a map, not a whole number"),
        (
            "parts: [{name: 5}]",
            "1:10: parts[0].name: must be text, not a whole number (quote it if it is text)",
        ),
        ("parts: [{name: ''}]", "1:10: parts[0].name: must not be empty"),
        ("parts: [{name: a, kin: long}]", "1:19: parts[0].kin: unknown key (did you mean kind?)"),
        ("parts: [{name: a, kind: lng}]", "1:19: parts[0].kind: unknown value 'lng' (did you mean long?)"),
    ],
)
def test_a_mistake_is_named_where_it_stands_with_what_would_be_right(text: str, expected: str) -> None:
    assert found(text) == [f"f.yml:{expected}"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("count: true", "count: must be a whole number, not true or false"),
        ("count: '5'", "count: must be a whole number, not text"),
        ("count: 1.0", "count: must be a whole number, not the fraction 1.0"),
        ("count: 0", "count: must be at least 1, not 0 (leave it out)"),
        ("count: 10", "count: must be at most 9, not 10 (nine will do)"),
        ("loud: 1", "loud: must be true or false, not a whole number"),
        ("tags: [a, a]", "tags[1]: 'a' is listed twice"),
        ("tags:", "tags: must be a list, not nothing"),
        ("wait: 60", "wait: must be text, not a whole number (quote it if it is text)"),
        ("wait: 60y", "wait: '60y' is not a duration (a whole number and s, m, h or d, like 15m)"),
        ("wait: 31d", "wait: '31d' must be longer than 0 and at most 30d"),
        ("by_name: {b: {nme: x, name: y}}", "by_name.b.nme: unknown key (did you mean name?)"),
    ],
)
def test_types_are_strict_and_bounds_are_said_in_words(line: str, expected: str) -> None:
    (diagnostic,) = found(f"parts: [{{name: a}}]\n{line}\n")
    assert diagnostic.partition(": ")[2] == expected


def test_all_mistakes_come_at_once_and_one_that_yaml_reported_only_once() -> None:
    assert [
        line.split(": ")[0] for line in found("parts: [{name: *x}, 5]\ncount: *y\nwait: 1y\nparst: 1\n")
    ] == [
        "f.yml:1:16",
        "f.yml:2:8",
        "f.yml:1:21",
        "f.yml:3:1",
        "f.yml:4:1",
    ]


def test_a_hostile_text_is_shortened_and_cannot_steer_a_terminal() -> None:
    (line,) = found(f'parts: [{{name: a, kind: "\\e[2J{"x" * 500}"}}]')
    assert "\x1b" not in line
    assert len(line) < 300


def test_a_schema_has_neither_the_names_of_classes_nor_defaults_in_our_units() -> None:
    schema = schema_of_model(Whole)
    assert "title" not in schema
    assert "default" not in schema["properties"]["wait"]
    assert schema["$defs"]["Part"]["properties"]["name"]["description"] == "What it is called."
