"""The options by which every command against a deployment names it, and how such a command says no."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NoReturn

import click

from sessionwarden.errors import AnswerIsNoError

Output = Literal["text", "json"]


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--stack`, `--region`, `--profile`, `--endpoint-url` and `--output` to a command."""
    options = (
        click.option("--stack", default="sessionwarden", show_default=True, help="CloudFormation stack."),
        click.option("--region", help="AWS Region."),
        click.option("--profile", help="AWS profile."),
        click.option("--endpoint-url", help="Another endpoint than AWS's own, such as an emulator."),
        click.option(
            "--output",
            type=click.Choice(["text", "json"]),
            default="text",
            show_default=True,
            help="Form of output.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def refuse(message: str) -> NoReturn:
    """End the command with exit status 1 and one sentence."""
    raise AnswerIsNoError(message)
