"""The command line: the top commands, and what becomes of an error that one of them raises.

A command's module is imported when the command is called: replaying a log must not wait for boto3, and must
not need the emulator. Errors that we raise on purpose are printed without a traceback; anything else is a
mistake of ours, and its traceback is wanted. Exit statuses: `sessionwarden.cli.exit_statuses`.
"""

from __future__ import annotations

import sys

import click

from sessionwarden import __version__
from sessionwarden.cli.exit_statuses import ANSWER_IS_NO, COULD_NOT_RUN, WRONG_INPUT
from sessionwarden.cli.lazy import LazyGroup, Subcommand
from sessionwarden.errors import AnswerIsNoError, InputFileError, SessionwardenError

COMMANDS = {
    "decisions": Subcommand(
        "sessionwarden.cli.decisions.command:decisions", "List, show, add and undo decisions."
    ),
    "demo": Subcommand(
        "sessionwarden.cli.demo:demo", "Watch an abused session die between one request and the next."
    ),
    "enforcement": Subcommand(
        "sessionwarden.cli.operations.enforcement:enforcement",
        "Stop or resume all enforcement of a deployment.",
    ),
    "replay": Subcommand(
        "sessionwarden.cli.replay.command:replay",
        "Run the rules over LOGS (plain or gzip; `-` or none for standard input) and print findings.",
    ),
    "routes": Subcommand(
        "sessionwarden.cli.routes:routes", "Check and compile what each route asks of a token."
    ),
    "rules": Subcommand(
        "sessionwarden.cli.rules.group:rules", "Write, check, test, explain and publish detection rules."
    ),
    "simulate": Subcommand(
        "sessionwarden.cli.simulate:simulate",
        "Write a made-up day of an API's access log, with abuse and lookalikes planted in it.",
    ),
}


@click.group(cls=LazyGroup, subcommands=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sessionwarden")
def cli() -> None:
    """End abused API sessions at once."""


def main() -> None:
    """Run the command line, with `sys.argv`; print our own errors and end with their exit status."""
    try:
        cli()
    except InputFileError as error:
        from sessionwarden.documents.diagnostics import describe

        click.echo(describe(error.diagnostics), err=True)
        sys.exit(WRONG_INPUT)
    except AnswerIsNoError as error:
        click.echo(str(error), err=True)
        sys.exit(ANSWER_IS_NO)
    except OSError as error:
        click.echo(f"sessionwarden: {error.filename or 'a file'}: {error.strerror or error}", err=True)
        sys.exit(COULD_NOT_RUN)
    except SessionwardenError as error:
        click.echo(f"sessionwarden: {error}", err=True)
        sys.exit(COULD_NOT_RUN)
