"""Which rules a command reads if its operator names none.

`rules/` of the working folder; where there is none, the rules that came with Sessionwarden, and the command
says so on standard error. Only commands that change nothing do that: `rules publish` wants its rules named.
"""

from __future__ import annotations

from pathlib import Path

import click

from sessionwarden.authoring.shipped import shipped_rules

RULES_FOLDER = Path("rules")


def default_rules() -> tuple[Path, ...]:
    """The folder of rules to read."""
    if RULES_FOLDER.is_dir():
        return (RULES_FOLDER,)
    shipped = shipped_rules()
    click.echo(f"There is no folder rules/ here, so these are Sessionwarden's own: {shipped}", err=True)
    return (shipped,)


def default_rules_folder() -> Path:
    """As `default_rules`, for a command that reads one folder."""
    return default_rules()[0]
