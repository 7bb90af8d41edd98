"""The command line as a user runs it: by its words, through its one entry."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest
from click.testing import CliRunner, Result

from sessionwarden.cli.main import cli, main


def invoke(*arguments: object, given: str | bytes | None = None, color: bool = False) -> Result:
    """What `sessionwarden ARGUMENTS` prints, with `given` on standard input. Its errors are not caught."""
    return CliRunner().invoke(cli, list(map(str, arguments)), input=given, color=color)


def run(arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit status of `sessionwarden ARGUMENTS`; what it printed is for capsys."""
    monkeypatch.setattr(sys, "argv", ["sessionwarden", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    status = caught.value.code
    return status if isinstance(status, int) else 0
