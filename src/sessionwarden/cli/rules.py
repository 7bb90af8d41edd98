"""`sessionwarden rules`: check rule files, and compile them to the bytes that Lambdas load.

Enters: rule files and folders. Leaves: every mistake with its place and exit status 2, or a table of
what the rules do and the digest of the set. Writes nothing but the file it was asked for.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sessionwarden.cli.rules_diff import diff
from sessionwarden.cli.rules_publish import publish
from sessionwarden.cli.rules_rollback import rollback
from sessionwarden.cli.rules_status import status
from sessionwarden.errors import InputFileError, SessionwardenError
from sessionwarden.ruleset.compile import compile_rules, dump_ruleset
from sessionwarden.ruleset.compiled import CompiledRule, CompiledRuleset

PIPE_WIDTH = 200
SECOND_MS = 1000
UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))

PATHS = click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
POLICY = click.option(
    "--policy",
    type=click.Path(path_type=Path),
    help="Policy file; default: policy.yml in the folder, else the built-in defaults.",
)


@click.group()
def rules() -> None:
    """Check, compile and publish detection rules."""


rules.add_command(diff)
rules.add_command(publish)
rules.add_command(rollback)
rules.add_command(status)


@rules.command()
@PATHS
@POLICY
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def check(context: click.Context, paths: tuple[Path, ...], policy: Path | None, output: str) -> None:
    """Report every mistake in the rules of PATHS (default: rules/), or what the rules do.

    Exit status 0 if they can be published, 2 if not.
    """
    try:
        ruleset = compile_rules(paths or (Path("rules"),), policy)
    except InputFileError as error:
        if output == "text":
            raise
        click.echo(_json({"valid": False, "mistakes": [mistake._asdict() for mistake in error.mistakes]}))
        context.exit(2)
    if output == "json":
        click.echo(_json({"valid": True, **_summary(ruleset)}))
        return
    console = Console()
    if not console.is_terminal:  # a file or a pipe has no width to fold ids at
        console.width = PIPE_WIDTH
    console.print(_table(ruleset.rules))
    count = len(ruleset.rules)
    click.echo(f"\n{count} rule{'s' if count != 1 else ''}, no mistakes. Digest {ruleset.digest}")


@rules.command(name="compile")
@PATHS
@POLICY
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
def compile_command(paths: tuple[Path, ...], policy: Path | None, out: Path) -> None:
    """Check the rules of PATHS (default: rules/) and write the compiled rule set.

    The same rules give the same bytes. Nothing is written if there is a mistake.
    """
    ruleset = compile_rules(paths or (Path("rules"),), policy)
    data = dump_ruleset(ruleset)
    try:
        _write_whole(out, data)
    except OSError as error:
        raise SessionwardenError(f"{out} cannot be written: {error.strerror}") from error
    click.echo(f"{out}: {len(ruleset.rules)} rules, {len(data):,} bytes, digest {ruleset.digest}")


def _write_whole(path: Path, data: bytes) -> None:
    """Replace `path` at once: a bundle must never hold half a rule set."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
        file.write(data)
    try:
        temporary.chmod(0o644)
        os.replace(temporary, path)
    except OSError:
        temporary.unlink()
        raise


def _summary(ruleset: CompiledRuleset) -> dict[str, Any]:
    rows = [
        {
            "id": rule.id,
            "title": rule.title,
            "level": rule.level,
            "kind": rule.kind,
            "group_by": rule.group_by,
            "timespan_ms": rule.timespan_ms,
            "threshold": rule.threshold,
            "value_field": rule.value_field,
            "response": msgspec.to_builtins(rule.response),
        }
        for rule in ruleset.rules
    ]
    return {"digest": ruleset.digest, "rules": rows, "policy": msgspec.to_builtins(ruleset.policy)}


def _table(compiled: tuple[CompiledRule, ...]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("id", "title", "kind", "group-by", "threshold", "scope", "mode", "actions"):
        table.add_column(heading, overflow="fold")
    for rule in compiled:
        response = rule.response
        cells = (rule.id, rule.title, rule.kind, ", ".join(rule.group_by), _threshold(rule))
        answer = (response.scope, response.mode, ", ".join(response.actions) + _denied_for(rule))
        table.add_row(*map(escape, (*cells, *answer)))
    return table


def _threshold(rule: CompiledRule) -> str:
    if rule.kind == "event":
        return "each event"
    what = f" {rule.value_field}" if rule.value_field else ""
    return f"{rule.threshold}{what} in {_span(rule.timespan_ms // SECOND_MS)}"


def _denied_for(rule: CompiledRule) -> str:
    seconds = rule.response.deny_seconds
    return "" if seconds is None else f" (denied for {_span(seconds)})"


def _span(seconds: int) -> str:
    unit, length = next((unit, length) for unit, length in UNITS if seconds % length == 0)
    return f"{seconds // length}{unit}"


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
