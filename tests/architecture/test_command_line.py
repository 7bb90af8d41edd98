"""The command line holds no logic that others need: they enter it where its user does.

What a test wants to call lies in the room of its subject, and is tested there. The commands are tested by
their words, through `sessionwarden.cli.main`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import PROJECT

ROOM = "sessionwarden.cli"
ENTRIES = {f"{ROOM}.main", f"{ROOM}.main.cli", f"{ROOM}.main.main"}
"""The module, its group of commands, and the function that the installed program calls."""

OF_THE_COMMANDS = "tests/unit/cli"
"""Here a test may replace a name within a command, by its path in a string."""

_DOTTED = re.compile(r"[\w.]+")


def imported(tree: ast.AST) -> Iterator[str]:
    """The full names that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def replaced(tree: ast.AST) -> Iterator[str]:
    """Strings that are a name within the room, as `monkeypatch` accepts them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
            yield node.value


def past_the_entry(source: str, *, of_the_commands: bool) -> list[str]:
    """The names within the room that a module reaches otherwise than by its entries."""
    tree = ast.parse(source)
    names = [*imported(tree), *(() if of_the_commands else replaced(tree))]
    return [name for name in names if f"{name}.".startswith(f"{ROOM}.") and name not in ENTRIES]


def modules() -> Iterator[Path]:
    for folder in ("tests", "functions", "benchmarks", "fuzz", "mutants", "stacks"):
        yield from sorted((PROJECT / folder).rglob("*.py"))


def test_the_command_line_is_entered_by_its_entry_alone() -> None:
    found = {}
    for file in modules():
        path = file.relative_to(PROJECT).as_posix()
        names = past_the_entry(file.read_text("utf-8"), of_the_commands=path.startswith(OF_THE_COMMANDS))
        if names and file != Path(__file__):
            found[path] = names
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "import sessionwarden.cli.rules.publish",
        "from sessionwarden.cli import deployment",
        "from sessionwarden.cli.rules.schema import schema",
        "def late():\n    from sessionwarden.cli.main import COMMANDS",
        "patch('sessionwarden.cli.rules.publish.SHOWN_CASES', 1)",
    ],
)
def test_every_other_way_in_is_found(source: str) -> None:
    assert past_the_entry(source, of_the_commands=False)


@pytest.mark.parametrize("source", ["from sessionwarden.cli.main import main", "import sessionwarden.clip"])
def test_the_entry_and_other_rooms_are_open(source: str) -> None:
    assert not past_the_entry(source, of_the_commands=False)
