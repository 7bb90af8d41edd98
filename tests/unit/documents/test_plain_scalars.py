from __future__ import annotations

from typing import Any

import pytest

from sessionwarden.documents.yaml import read_documents


def read(text: str) -> tuple[Any, list[str]]:
    documents, diagnostics = read_documents(f"a: {text}\n", file="f.yml")
    return documents[0].data["a"], [str(diagnostic) for diagnostic in diagnostics]


@pytest.mark.parametrize(
    "text",
    [
        "12:30:45",
        "1:1",
        "190:20:30.15",
        "1_000",
        "0b101",
        "0_",
        "yes",
        "No",
        "on",
        "OFF",
        "y",
        "2024-01-01",
        "2024-13-45",
        "2001-12-14t21:59:43.10-05:00",
        "=",
        "nUll",
        "tRUE",
        "0X1F",
        "+0x1f",
        "1e",
        ".",
        "+",
        "1.2.3",
        "1.e+",
        "inf",
        "-.iNF",
        "٣",
    ],
)
def test_what_is_no_value_in_yaml_1_2_is_text(text: str) -> None:
    assert read(text) == (text, [])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5", 1.5),
        (".5", 0.5),
        ("-1.", -1.0),
        ("1e3", 1000.0),
        ("012.5", 12.5),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("Null", None),
        ("!!str 5", "5"),
        ("'5'", "5"),
        ("!!float 5", 5.0),
    ],
)
def test_a_value_of_the_core_schema_is_read_as_what_it_looks_like(text: str, value: object) -> None:
    found, diagnostics = read(text)
    assert (found, type(found), diagnostics) == (value, type(value), [])


@pytest.mark.parametrize("text", ["017", "-08", "+00", "0123456789"])
def test_a_number_that_readers_disagree_about_is_a_mistake(text: str) -> None:
    found, (message,) = read(text)
    assert found is None
    assert "YAML's readers disagree about a number that begins with 0" in message
    assert f"write {int(text)}, or quote it" in message


@pytest.mark.parametrize(
    "text",
    ["9" * 5000, "0x" + "f" * 6000, "0o" + "7" * 6000, "0." + "9" * 5000, "1e" + "9" * 5000, "-" + "9" * 41],
)
def test_a_number_of_thousands_of_digits_is_a_mistake_and_never_converted(text: str) -> None:
    assert read(text) == (None, ["f.yml:1:4: a: a number has at most 40 characters (quote it if it is text)"])


@pytest.mark.parametrize("text", [".inf", "-.INF", ".nan", "1e999"])
def test_a_number_that_is_not_finite_is_a_mistake(text: str) -> None:
    assert read(text) == (None, ["f.yml:1:4: a: this number is not finite (quote it if it is text)"])
