"""The `sessionwarden` command: sub-commands are imported when they are called.

Replaying a log must not wait for CDK or the emulator to import. Exit statuses: 0 done, 1 the answer
is no, 2 wrong usage or a bad input file, 3 could not run.
"""

from __future__ import annotations

import importlib
import sys

import click

from sessionwarden import __version__
from sessionwarden.errors import InputFileError, SessionwardenError

COMMANDS = {
    "decisions": "sessionwarden.cli.decisions:decisions",
    "demo": "sessionwarden.cli.demo:demo",
    "enforcement": "sessionwarden.cli.enforcement:enforcement",
    "replay": "sessionwarden.cli.replay:replay",
    "routes": "sessionwarden.cli.routes:routes",
    "rules": "sessionwarden.cli.rules:rules",
    "simulate": "sessionwarden.cli.simulate:simulate",
}


class LazyGroup(click.Group):
    """A group whose commands are named here and imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sessionwarden")
def cli() -> None:
    """End abused API sessions at once."""


def main() -> None:
    """Run the command line; turn our errors into messages and exit statuses."""
    try:
        cli()
    except InputFileError as error:
        from sessionwarden.cli.mistakes import describe_mistakes

        click.echo(describe_mistakes(error.mistakes), err=True)
        sys.exit(2)
    except OSError as error:
        click.echo(f"sessionwarden: {error.filename or 'a file'}: {error.strerror or error}", err=True)
        sys.exit(3)
    except SessionwardenError as error:
        click.echo(f"sessionwarden: {error}", err=True)
        sys.exit(3)
