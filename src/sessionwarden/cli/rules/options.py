"""What the commands on rules share: their arguments, and how they print.

Invariant: JSON is ASCII only and text is cut and escaped before it gets here, so nothing that a rule
file or a log holds can drive a terminal. A pipe or a file has no width to fold at; `NO_COLOR` and
`COLUMNS` are Rich's business.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console

from sessionwarden.cli.default_rules import default_rules
from sessionwarden.errors import WrongArgumentError

PIPE_WIDTH = 10_000
"""More than any row has, so that a row is a line and can be searched for."""

NARROW = 130
"""Below so many columns a table of rules would fold its ids and read as confetti."""

PATHS = click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
RULES = click.option(
    "--rules",
    "paths",
    multiple=True,
    default=default_rules,
    show_default="rules",
    type=click.Path(path_type=Path),
    help="Rule file or folder; can be given several times.",
)
POLICY = click.option(
    "--policy",
    type=click.Path(path_type=Path),
    help="Policy file; default: policy.yml in the folder, else the built-in defaults.",
)
OUTPUT = click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)


@contextmanager
def wrong_arguments_shown() -> Iterator[None]:
    """Report an argument that cannot be meant as Click does its own: usage, one sentence, exit status 2."""
    try:
        yield
    except WrongArgumentError as error:
        raise click.BadParameter(str(error)) from error


def console() -> Console:
    """Where text goes: as wide as the terminal, or wide enough for a table if there is none."""
    found = Console(highlight=False, emoji=False)
    if not found.is_terminal:
        found.width = PIPE_WIDTH
    return found


def print_json(value: Any) -> None:
    """Print a value, structs included, as indented JSON."""
    # ASCII only: a terminal obeys C1 control characters too, which JSON would leave as they are
    click.echo(json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=True))
