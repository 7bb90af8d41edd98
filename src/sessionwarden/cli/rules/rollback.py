"""`sessionwarden rules rollback`: puts live again, at once, the rule set that was live before.

A deployment under way is stopped, a completed one is reverted, both whatever alarms say. A set that AppConfig
no longer reverts to (after 72 hours), or that lies further back, is deployed again from its version in one
step. Sets of the older format, which hold a policy too, can be rolled back to; the deployed policy stays in
force.
"""

from __future__ import annotations

import json

import click

from sessionwarden.adapters.aws.appconfig_publishing import Deployment, History, find_digest
from sessionwarden.cli.deployment import Output, refuse, target_options
from sessionwarden.cli.rules.live import Live, described, short
from sessionwarden.errors import PublishingError, PublishingRefusedError, RulesetError
from sessionwarden.operations.deployment import Target

NOTHING_BEFORE = (
    "Nothing was published before it. Publish the rules that you want; "
    "until then `sessionwarden enforcement stop` stops all enforcement."
)


@click.command()
@click.option(
    "--to", "digest", help="Digest, or its beginning, of a set published earlier; default: the last."
)
@target_options
def rollback(*, digest: str | None, output: Output, **target: str | None) -> None:
    """Put the rule set live again that was live before, or another one that was published."""
    place = Target.named(target)
    live = Live.of(place)
    history = live.publishing.history()
    live_now: Deployment | None
    if digest is not None:
        live_now = _deploy_again(live, _version_of(live, digest), history, by=place.caller())
    elif history.running is not None:
        live.publishing.take_back(history.running.number)
        live_now = live.publishing.history().live
    else:
        live_now = _step_back(live, history, by=place.caller())
    if output == "json":
        click.echo(json.dumps({"live": described(live_now) if live_now is not None else None}))
    elif live_now is None:
        click.echo("Nothing is published: detect goes back to the set that came with its code.")
    else:
        click.echo(f"Live is {short(live_now.digest)} (version {live_now.version}).")


def _step_back(live: Live, history: History, *, by: str) -> Deployment:
    if history.live is None or history.previous is None:
        refuse(NOTHING_BEFORE)
    try:
        live.publishing.take_back(history.live.number)
    except PublishingRefusedError:
        return _deploy_again(live, history.previous.version, history, by=by)
    return history.previous


def _version_of(live: Live, digest: str) -> int:
    found = find_digest(live.publishing.versions(), digest.lower())
    if not found:
        refuse(f"No set with the digest {short(digest)} was published.")
    if len(found) > 1:
        raise click.UsageError(f"{digest} begins the digests of {len(found)} sets")
    return found[0]


def _deploy_again(live: Live, version: int, history: History, *, by: str) -> Deployment:
    if history.running is not None:
        live.publishing.take_back(history.running.number)
    try:
        live.publishing.ruleset(version)
    except RulesetError as error:
        raise PublishingError(f"version {version}: {error}") from error
    return live.publishing.start(
        version, strategy=live.at_once, after=history.latest_number, description=f"rolled back by {by}"
    )
