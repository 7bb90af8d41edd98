from __future__ import annotations

import pytest

from sessionwarden.documents.yaml import MAX_BYTES, Position, load_documents, read_documents
from sessionwarden.errors import InputFileError


def diagnostics(text: str) -> list[str]:
    return [str(diagnostic) for diagnostic in read_documents(text, file="f.yml")[1]]


def test_every_path_has_the_place_where_it_is_written() -> None:
    (document,) = load_documents("a:\n  b: [1, {c: 2}]\n", file="f.yml")
    assert document.data == {"a": {"b": [1, {"c": 2}]}}
    assert document.position(("a", "b")) == Position(2, 3)
    assert document.position(("a", "b", 1)) == Position(2, 10)
    assert document.position(("a", "b", 1, "c")) == Position(2, 11)


def test_unknown_path_has_the_place_of_its_nearest_parent() -> None:
    (document,) = load_documents("a:\n  b: 1\n", file="f.yml")
    assert document.position(("a", "x", 0)) == Position(1, 1)


def test_documents_keep_the_lines_of_the_file_and_empty_ones_are_left_out() -> None:
    first, second = load_documents("a: 1\n---\n---\nb: 2\n", file="f.yml")
    assert (first.data, second.data) == ({"a": 1}, {"b": 2})
    assert second.position(("b",)) == Position(4, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2\n", "f.yml:2:1: a: duplicate key, first on line 1"),
        ("x:\n  - {k: 1, k: 2}\n", "f.yml:2:12: x[0].k: duplicate key, first on line 2"),
        ("a: &x 1\nb: *x\n", "f.yml:2:4: alias *x is not allowed (write it out)"),
        ("a: *never\n", "f.yml:1:4: alias *never is not allowed (write it out)"),
        ("a: !foo 1\n", "f.yml:1:4: a: tag !foo is not allowed (leave the tag out)"),
        ("a: !foo {b: 1}\n", "f.yml:1:4: a: tag !foo is not allowed (leave the tag out)"),
        ("a: !foo [1]\n", "f.yml:1:4: a: tag !foo is not allowed (leave the tag out)"),
        ("a: !!set {b}\n", "f.yml:1:4: a: tag !!set is not allowed (leave the tag out)"),
        ("a: !!binary aGk=\n", "f.yml:1:4: a: tag !!binary is not allowed (leave the tag out)"),
        (
            "a: !!python/name:os.system x\n",
            "f.yml:1:4: a: tag !!python/name:os.system is not allowed (leave the tag out)",
        ),
        ("a: !!timestamp 2024-01-01\n", "f.yml:1:4: a: tag !!timestamp is not allowed (leave the tag out)"),
        ("!t a: 1\n", "f.yml:1:1: tag !t is not allowed (leave the tag out)"),
        ("a: !!int x\n", "f.yml:1:4: a: not a valid int (quote it if it is text)"),
        ("a: !!bool no\n", "f.yml:1:4: a: not a valid bool (quote it if it is text)"),
        ("a: !!null x\n", "f.yml:1:4: a: not a valid null (quote it if it is text)"),
        ("? [a]\n: 1\n", "f.yml:1:3: a key must be plain text (write the keys out)"),
        ("<<: {a: 1}\n", "f.yml:1:1: a key must be plain text (write the keys out)"),
        ("a: 1\n\tb: 2\n", "f.yml:2:1: not YAML: found character '\\t' that cannot start any token"),
        ("a: [1\n", "f.yml:2:1: not YAML: expected ',' or ']', but got '<stream end>'"),
        ("%YAML 1." + "1" * 5000 + "\n---\na: 1\n", "f.yml:1:9: not YAML: cannot be read from here on"),
        ('a: 1\nb: "\\UFFFFFFFF"\n', "f.yml:2:7: not YAML: cannot be read from here on"),
        ('a: "\\U00110000"\n', "f.yml:1:7: not YAML: cannot be read from here on"),
        ("a: 1\nb: \x00\n", "f.yml:2:4: not YAML: character U+0000 is not allowed"),
        ("a: " + "[" * 5000, "f.yml:1:44: nested too deeply"),
        ("a: " + "[" * 50 + "]" * 50, "f.yml:1:44: nested too deeply"),
        ("#" * (MAX_BYTES + 1), "f.yml: larger than 1,000,000 bytes"),
    ],
)
def test_what_a_reader_would_misread_is_a_mistake_with_its_place(text: str, expected: str) -> None:
    assert diagnostics(text) == [expected]


def test_a_file_of_wide_characters_is_measured_in_bytes() -> None:
    assert diagnostics("#" + "é" * (MAX_BYTES // 2)) == ["f.yml: larger than 1,000,000 bytes"]


def test_all_mistakes_of_a_file_are_reported_beside_an_alias() -> None:
    text = "a: &x [1]\nb: *x\nc: 1\nc: 2\n---\nd: !t {}\n*x : 1\n"
    assert sorted(diagnostics(text)) == [
        "f.yml:2:4: alias *x is not allowed (write it out)",
        "f.yml:4:1: c: duplicate key, first on line 3",
        "f.yml:6:4: d: tag !t is not allowed (leave the tag out)",
        "f.yml:7:1: alias *x is not allowed (write it out)",
    ]


def test_nested_aliases_do_not_explode() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    documents, found = read_documents("\n".join(lines), file="bomb.yml")
    assert len(found) == 78
    assert documents[0].data["a39"] == [None, None]


def test_unreadable_values_are_marked_so_that_nobody_reports_them_again() -> None:
    documents, _ = read_documents("a: &x 1\nb: *x\nc: {d: !t 1}\n", file="f.yml")
    assert documents[0].broken == {("b",), ("c", "d")}


def test_load_raises_all_mistakes_at_once() -> None:
    with pytest.raises(InputFileError) as caught:
        load_documents("a: 1\na: 2\na: 3\n", file="f.yml")
    assert [diagnostic.line for diagnostic in caught.value.diagnostics] == [2, 3]
