"""A Click group whose commands are imported when they are called, not when they are listed.

Without it `sessionwarden --help` would import boto3, pySigma and Rich: a second, not a tenth. Invariant:
`--help` of a group imports none of its commands; the line that it prints for each is written beside the
command's address, and a test holds it equal to what the command says of itself.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import click

SUMMARY_CHARACTERS = 200
"""Longer than any first sentence: summaries are folded, never cut."""


class Subcommand(NamedTuple):
    """Where a command lives, as `package.module:name`, and the first sentence of its help."""

    target: str
    summary: str


class LazyGroup(click.Group):
    """A group whose commands are named in `subcommands` and imported on demand, beside those it has."""

    def __init__(self, *args: Any, subcommands: Mapping[str, Subcommand], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.subcommands = subcommands

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.subcommands, *self.commands})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.subcommands:
            return super().get_command(ctx, cmd_name)
        module, _, name = self.subcommands[cmd_name].target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._summary(name)) for name in self.list_commands(ctx)])

    def _summary(self, name: str) -> str:
        if name in self.subcommands:
            return self.subcommands[name].summary
        return self.commands[name].get_short_help_str(SUMMARY_CHARACTERS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        near = difflib.get_close_matches(args[0], known, n=1)
        if args[0] not in known and near:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)
