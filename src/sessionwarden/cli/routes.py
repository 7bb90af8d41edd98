"""`sessionwarden routes`: check `authorizer.yml`, and compile it to what the authorizer loads.

In that file operators say which tokens, scopes and groups each route asks for. Every mistake is printed
with its place, and the exit status is then 2. Nothing is written but the file that `--out` names.
"""

from __future__ import annotations

from pathlib import Path

import click

from sessionwarden.documents.writing import write_whole
from sessionwarden.routes.compile import compile_routes, dump_routes
from sessionwarden.routes.match import Routes
from sessionwarden.routes.policy import RoutePolicy

FILE = click.argument("file", default="authorizer.yml", type=click.Path(path_type=Path, dir_okay=False))


@click.group()
def routes() -> None:
    """Check and compile what each route asks of a token."""


@routes.command()
@FILE
def check(file: Path) -> None:
    """Report every mistake in FILE (default: authorizer.yml), or what its routes ask.

    Exit status 0 if it can be deployed, 2 if not.
    """
    compiled = compile_routes(file)
    for name, policy in rows(compiled):
        click.echo(f"{name}: {describe(policy)}")
    count = len(compiled.by_key) + len(compiled.fields)
    click.echo(f"\n{count} route{'s' if count != 1 else ''}, no mistakes.")


@routes.command(name="compile")
@FILE
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
def compile_command(file: Path, out: Path) -> None:
    """Check FILE (default: authorizer.yml) and write the compiled routes.

    The same file makes the same bytes. Nothing is written if there is a mistake.
    """
    data = dump_routes(compile_routes(file))
    write_whole(out, data)
    click.echo(f"{out}: {len(data):,} bytes")


def rows(compiled: Routes) -> list[tuple[str, RoutePolicy]]:
    """Every route with its policy: the default, then HTTP and WebSocket routes, then GraphQL fields."""
    return [("default", compiled.default), *sorted(compiled.by_key.items()), *sorted(compiled.fields.items())]


def describe(policy: RoutePolicy) -> str:
    """A policy in one line of words."""
    parts = [f"{' or '.join(sorted(policy.uses))} token"]
    if policy.all_scopes:
        parts.append(f"all scopes of {_list(policy.all_scopes)}")
    parts += [f"a scope of {_list(names)}" for names in policy.any_scopes]
    parts += [f"a group of {_list(names)}" for names in policy.any_groups]
    if policy.denylist_open:
        parts.append("PASSES if the denylist cannot be read")
    if policy.online_seconds is not None:
        often = f"every {policy.online_seconds} s" if policy.online_seconds else "on each request"
        parts.append(f"asks Cognito {often}{', PASSES if it does not answer' if policy.online_open else ''}")
    if policy.preflight_open:
        parts.append("preflight passes without a token")
    return ", ".join(parts)


def _list(names: frozenset[str]) -> str:
    text = " | ".join(sorted(names))
    return "".join(character if character.isprintable() else "?" for character in text)
