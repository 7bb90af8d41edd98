"""`sessionwarden rules`: the commands of the people who own the rules, each in a module of its own."""

from __future__ import annotations

import click

from sessionwarden.cli.lazy import LazyGroup, Subcommand

COMMANDS = {
    "check": Subcommand(
        "sessionwarden.cli.rules.check:check", "Report every mistake in the rules of PATHS, or what they do."
    ),
    "compile": Subcommand(
        "sessionwarden.cli.rules.check:compile_command",
        "Check the rules of PATHS and write the compiled rule set.",
    ),
    "diff": Subcommand(
        "sessionwarden.cli.rules.diff:diff", "Say how the rules of PATHS differ from those that are live."
    ),
    "explain": Subcommand(
        "sessionwarden.cli.rules.explain:explain", "Say what each rule makes of EVENT, and why."
    ),
    "list": Subcommand(
        "sessionwarden.cli.rules.list:list_command",
        "List the rules of PATHS.",
    ),
    "new": Subcommand(
        "sessionwarden.cli.rules.new:new", "Write a new rule with its cases, for you to change."
    ),
    "publish": Subcommand(
        "sessionwarden.cli.rules.publish:publish",
        "Put the rules of PATHS live, in steps, after proving them.",
    ),
    "rollback": Subcommand(
        "sessionwarden.cli.rules.rollback:rollback",
        "Put the rule set live again that was live before, or another one that was published.",
    ),
    "schema": Subcommand(
        "sessionwarden.cli.rules.schema:schema", "Print the JSON Schema of the files of one kind."
    ),
    "show": Subcommand(
        "sessionwarden.cli.rules.show:show",
        "Show everything about one RULE.",
    ),
    "status": Subcommand(
        "sessionwarden.cli.rules.status:status",
        "Say which rule set is live, what was published before, and whether the policy file is deployed.",
    ),
    "test": Subcommand(
        "sessionwarden.cli.rules.test:test",
        "Run the cases beside the rules of PATHS.",
    ),
}


@click.group(cls=LazyGroup, subcommands=COMMANDS)
def rules() -> None:
    """Write, check, test, explain and publish detection rules."""
