"""`sessionwarden decisions`: the commands that list decisions, add one, and undo one.

Exit statuses: 0 done, 1 no such decision or enforcement is stopped, 2 wrong usage, 3 the deployment
did not answer; a command that ended with 3 may be given again.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import click

from sessionwarden.adapters.clock import system_clock
from sessionwarden.cli.decisions.add_options import AddOptions, Signature, client_id, duration, network
from sessionwarden.cli.decisions.report import as_details, as_json, as_lines
from sessionwarden.cli.deployment import Output, refuse, target_options
from sessionwarden.denylist.broad import MAX_AGE_SECONDS, MAX_LIVE
from sessionwarden.enforcement.lift import Lifted
from sessionwarden.model.decision import Decision
from sessionwarden.model.finding import BROAD_SCOPES
from sessionwarden.operations.deployment import Deployed, DeploymentError, Target
from sessionwarden.printable import printable

ID_LIMIT = 200


@click.group()
def decisions() -> None:
    """List, show, add and undo decisions."""


@decisions.command("list")
@click.option("--since", type=duration, default="7d", show_default=True, help="How far to look back.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many at most."
)
@target_options
def list_decisions(*, since: int, limit: int, output: Output, **target: str | None) -> None:
    """The newest decisions, simulated and lifted ones included."""
    found = Target.named(target).open().decisions.list(since_ms=system_clock() - since * 1000, limit=limit)
    for line in map(as_json, found) if output == "json" else as_lines(found):
        click.echo(line)


@decisions.command()
@click.argument("decision_id", metavar="ID")
@target_options
def show(*, decision_id: str, output: Output, **target: str | None) -> None:
    """Everything that is known of one decision."""
    known = Target.named(target).open().decisions.get(decision_id)
    if known is None:
        refuse(_unknown(decision_id, target))
    for line in [as_json(known)] if output == "json" else as_details(known):
        click.echo(line)


@decisions.command()
@click.option("--user", metavar="SUB", help="The user's sub.")
@click.option(
    "--client",
    "app_client",
    type=client_id,
    metavar="ID",
    help="An app client's id, not its name; all who use it are refused.",
)
@click.option(
    "--source-ip", type=network, metavar="CIDR", help="An address, or a network of at most /24 or /48."
)
@click.option("--pool", metavar="ID", help="User pool; needed if several are watched.")
@click.option("--session", metavar="ID", help="Deny only this session (origin_jti) of the user.")
@click.option(
    "--duration",
    "deny_seconds",
    type=duration,
    help="Refuse even new sign-ins for this long, such as 1h; a client or network at most 24h.",
)
@click.option("--reason", required=True, metavar="TEXT", help="Why, for the record.")
@click.option("--sign-out", is_flag=True, help="Sign the user out of Cognito, everywhere.")
@target_options
def add(*, output: Output, **options: Any) -> None:
    """Deny a user's present tokens, or one session, at once; or a client or a network for a while."""
    given = AddOptions(**{name: options.pop(name) for name in AddOptions._fields})
    given.check()
    place = Target.named(options)
    deployed = place.open()
    now_ms = system_clock()
    decision = given.decide(
        Signature(decision_id=f"manual-{uuid.uuid4()}", by=place.caller(), now_ms=now_ms),
        pools=deployed.pools,
        session_lifetime_seconds=deployed.session_lifetime_seconds,
    )
    if given.broad and len(deployed.denylist.broad(now=now_ms // 1000)) >= MAX_LIVE:
        # each authorizer reads them all within its deadline, and refuses every request if it cannot
        refuse(f"{MAX_LIVE:,} clients and networks are denied already; see: sessionwarden decisions list")
    _carry_out(decision, deployed, output)


@decisions.command()
@click.argument("decision_id", metavar="ID")
@click.option("--revive-tokens", is_flag=True, help="Let tokens from before work again, too.")
@target_options
def delete(*, decision_id: str, revive_tokens: bool, output: Output, **target: str | None) -> None:
    """Undo a decision: lift its deny, and enable the account if it was disabled."""
    place = Target.named(target)
    deployed = place.open()
    lifted = deployed.lift.lift(
        decision_id, lifted_at=system_clock() // 1000, by=place.caller(), revive_tokens=revive_tokens
    )
    if lifted is None:
        refuse(_unknown(decision_id, target))
    if output == "json":
        known = deployed.decisions.get(decision_id)
        assert known is not None
        click.echo(as_json(known))
        return
    for line in _lifted_lines(lifted, revive_tokens=revive_tokens):
        click.echo(line)


def _unknown(decision_id: str, target: dict[str, str | None]) -> str:
    return f"There is no decision {printable(decision_id, limit=ID_LIMIT)} in stack {target['stack']}."


def _carry_out(decision: Decision, deployed: Deployed, output: Output) -> None:
    if deployed.control.stopped():
        refuse("Enforcement is stopped, so nothing was done; see: sessionwarden enforcement status")
    progress = deployed.actions.carry_out(deployed.decisions.record(decision))
    for line in [as_json(progress.enforcement)] if output == "json" else as_details(progress.enforcement):
        click.echo(line)
    if decision.scope in BROAD_SCOPES and output == "text":
        click.echo(f"Authorizers know of it within {MAX_AGE_SECONDS} seconds.")
    if progress.pending:
        raise DeploymentError(f"Cognito did not sign the user out now ({progress.pending[0].error})")
    if any(result.outcome != "done" for result in progress.enforcement.results):
        refuse("Not everything was done; see above.")


def _lifted_lines(lifted: Lifted, *, revive_tokens: bool) -> Iterator[str]:
    if not lifted.denied:
        yield "The decision is marked as lifted; it had denied nothing."
        return
    if lifted.decision.scope in BROAD_SCOPES:
        yield f"Lifted. Authorizers let it in again, with all its tokens, within {MAX_AGE_SECONDS} seconds."
        return
    yield "Lifted. New sign-ins work at once."
    yield (
        "Tokens from before work again, until they expire."
        if revive_tokens
        else "Tokens from before stay dead (--revive-tokens would let them work again)."
    )
    if lifted.account == "enabled":
        yield "The account is enabled again."
    if lifted.account == "still_disabled":
        yield "The account stays disabled: another decision that stands has disabled it too."
