"""`sessionwarden rules rollback`: puts live again, at once, the rule set that was live before."""

from __future__ import annotations

import json

import click

from sessionwarden.cli.deployment import Output, target_options
from sessionwarden.cli.rules.deployment_report import described, short
from sessionwarden.cli.rules.options import wrong_arguments_shown
from sessionwarden.operations.deployment import Target
from sessionwarden.operations.published_rules import Live
from sessionwarden.operations.rollback import roll_back, roll_back_to


@click.command()
@click.option(
    "--to", "digest", help="Digest, or its beginning, of a set published earlier; default: the last."
)
@target_options
def rollback(*, digest: str | None, output: Output, **target: str | None) -> None:
    """Put the rule set live again that was live before, or another one that was published."""
    place = Target.named(target)
    live, by = Live.of(place), place.caller()
    with wrong_arguments_shown():
        live_now = roll_back(live, by=by) if digest is None else roll_back_to(live, digest, by=by)
    if output == "json":
        click.echo(json.dumps({"live": described(live_now) if live_now is not None else None}))
    elif live_now is None:
        click.echo("Nothing is published: detect goes back to the set that came with its code.")
    else:
        click.echo(f"Live is {short(live_now.digest)} (version {live_now.version}).")
