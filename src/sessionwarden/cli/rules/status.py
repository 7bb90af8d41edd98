"""`sessionwarden rules status`: which rules are live, what is under way, and who published what."""

from __future__ import annotations

import json

import click

from sessionwarden.adapters.aws.appconfig_publishing import Deployment
from sessionwarden.cli.deployment import Output, target_options
from sessionwarden.cli.rules.live import Live, described, in_words, short
from sessionwarden.operations.deployment import Target
from sessionwarden.printable import printable

TEXT_LIMIT = 200


@click.command()
@click.option(
    "--limit", type=click.IntRange(1, 50), default=10, show_default=True, help="Deployments to list."
)
@target_options
def status(*, limit: int, output: Output, **target: str | None) -> None:
    """Say which rule set is live, what is under way, and what was published before."""
    live = Live.of(Target.named(target))
    history = live.publishing.history()
    listed = [live.publishing.deployment(one.number) for one in history.deployments[:limit]]
    if output == "json":
        facts = {
            "live": described(history.live) if history.live is not None else None,
            "running": described(history.running) if history.running is not None else None,
            "shipped_digest": live.shipped_digest,
            "history": [described(one) | {"description": text} for one, text in listed],
        }
        click.echo(json.dumps(facts))
        return
    if history.live is not None:
        click.echo(f"live     {in_words(history.live)}")
    else:
        click.echo("live     nothing published: detect runs what came with its code")
    if history.running is not None:
        click.echo(f"running  {_state(history.running)}")
    click.echo(f"shipped  {short(live.shipped_digest)}")
    for one, text in listed:
        click.echo(f"{_state(one)}  {printable(text, limit=TEXT_LIMIT)}".rstrip())


def _state(deployment: Deployment) -> str:
    percent = f" {deployment.percent:.0f}%" if deployment.running else ""
    return f"#{deployment.number} {in_words(deployment)} {deployment.state}{percent}"
