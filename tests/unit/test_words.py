"""One vocabulary: no name in the code contains a word that docs/reference/glossary.md replaces.

And no sentence leaves open who acts.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import PROJECT

SOURCES = ("src/sessionwarden", "functions", "stacks", "app.py")

RETIRED = {
    "shelf": "shared log",
    "shelves": "shared log",
    "shelved": "shared log",
    "burn": "suppress",
    "burnt": "suppressed",
    "gauge": "aggregate",
    "gauges": "aggregate",
    "culprit": "trigger",
    "door": "API kind, registrations or endpoint",
    "doors": "API kind, registrations or endpoint",
    "deed": "action",
    "acts": "actions",
    "wish": "requested response",
    "fired": "rule match",
    "firing": "rule match",
    "quantum": "bucket",
    "tick": "step",
    "ticks": "step",
    "survey": "prefilter",
    "looker": "scan",
    "cover": "necessary tests",
    "probe": "field lookup",
    "soundness": "validation",
    "mistake": "diagnostic",
    "mistakes": "diagnostics",
    "cast": "actors",
    "story": "scenario",
    "stories": "scenarios",
    "crowd": "load",
    "suspect": "sample attacker",
}
"""Words that no name may contain, each with the word to use instead."""

PROSE = ("src/sessionwarden", "functions", "stacks", "docs", "rules", "samples", "README.md", "app.py")

TEXTS = {".py", ".md", ".yml", ".yaml", ".json"}

UNNAMED = re.compile("somebody|nobody|whoever", re.IGNORECASE)
"""Words that hide who acts: an attacker, an operator, a rule author, another process, a Lambda, a reader."""

_CODE_SPAN = re.compile(r"`[^`\n]+`")

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def names_defined(tree: ast.AST) -> Iterator[str]:
    """The names of classes, functions, arguments, variables and attributes that a module defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname


def words(name: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(name)}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for source in SOURCES:
        path = PROJECT / source
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            yield str(file.relative_to(PROJECT)), ast.parse(file.read_text(encoding="utf-8"))


def retired_names() -> dict[str, set[str]]:
    """Names that contain a retired word, each with its file, by word."""
    found: dict[str, set[str]] = defaultdict(set)
    for file, tree in modules():
        for name in (*names_defined(tree), *Path(file).with_suffix("").parts):
            for word in words(name) & RETIRED.keys():
                found[word].add(f"{name} in {file}: say {RETIRED[word]}")
    return found


def test_no_name_contains_a_retired_word() -> None:
    found = retired_names()
    assert sorted(name for word in found for name in found[word]) == []


def test_no_class_has_the_name_of_another_in_its_stage() -> None:
    classes: dict[tuple[str, str], list[str]] = defaultdict(list)
    for file, tree in modules():
        stage = "/".join(Path(file).parts[:3]) if file.startswith("src/") else file
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes[stage, node.name].append(file)
    assert {name: files for name, files in classes.items() if len(files) > 1} == {}


def unnamed_actors(text: str) -> list[str]:
    """The lines that hide who acts; names set as code, such as those of tests, do not count."""
    return [line for line in text.splitlines() if UNNAMED.search(_CODE_SPAN.sub("", line))]


@pytest.mark.parametrize("source", PROSE)
def test_every_sentence_names_who_acts(source: str) -> None:
    path = PROJECT / source
    files = path.rglob("*") if path.is_dir() else [path]
    texts = [file for file in files if file.suffix in TEXTS]
    assert texts, "the folder holds no text any more"
    hidden = {
        str(file.relative_to(PROJECT)): lines
        for file in texts
        if (lines := unnamed_actors(file.read_text(encoding="utf-8")))
    }
    assert hidden == {}


def test_an_unnamed_actor_is_found_in_prose_and_not_in_names_of_tests() -> None:
    assert unnamed_actors("Nobody asks.\n\nsome name: whoever comes") == [
        "Nobody asks.",
        "some name: whoever comes",
    ]
    assert unnamed_actors("| `test_that_nobody_is_asked` |") == []


@pytest.mark.parametrize("name", ["survey_of_rules", "LogShelf", "Doors", "_burnt", "HTTPDoor"])
def test_a_retired_word_is_found_within_any_kind_of_name(name: str) -> None:
    assert words(name) & RETIRED.keys()
