"""`sessionwarden decisions`: what was decided, and the commands that add to it and undo it.

Exit statuses: 0 done, 1 no such decision or enforcement is stopped, 2 wrong usage, 3 the deployment
did not answer; a command that ended with 3 may be given again.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

import click

from sessionwarden.adapters.clock import system_clock
from sessionwarden.cli.decision_report import as_details, as_json, as_lines
from sessionwarden.cli.deployment import Deployed, DeploymentError, Output, Target, refuse, target_options
from sessionwarden.enforcement.acts import Acts
from sessionwarden.enforcement.lift import Lift, Lifted
from sessionwarden.enforcement.printable import printable
from sessionwarden.policy.manual import Order, decide_manually
from sessionwarden.ruleset.durations import UNIT_SECONDS

MAX_SECONDS = 3650 * UNIT_SECONDS["d"]
ID_LIMIT = 200


def duration(text: str) -> int:
    """`90s`, `30m`, `1h` or `7d`, as seconds."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    seconds = int(match[1]) * UNIT_SECONDS[match[2]] if match else 0
    if not 0 < seconds <= MAX_SECONDS:
        raise click.BadParameter(f"{text!r} is not a duration such as 90s, 30m, 1h or 7d, at most 3650d.")
    return seconds


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
@click.option("--user", required=True, metavar="SUB", help="The user's sub.")
@click.option("--pool", metavar="ID", help="User pool; needed if several are watched.")
@click.option("--session", metavar="ID", help="Deny only this session (origin_jti).")
@click.option(
    "--duration", "deny_seconds", type=duration, help="Refuse even new sign-ins for this long, such as 1h."
)
@click.option("--reason", required=True, metavar="TEXT", help="For whoever reads the record later.")
@click.option("--sign-out", is_flag=True, help="Sign the user out of Cognito, everywhere.")
@target_options
def add(
    *,
    user: str,
    pool: str | None,
    session: str | None,
    deny_seconds: int | None,
    reason: str,
    sign_out: bool,
    output: Output,
    **target: str | None,
) -> None:
    """Deny a user's present tokens, or one session, at once."""
    if session is not None and deny_seconds is not None:
        raise click.UsageError("--duration is for a user: a denied session stays denied for its whole life.")
    for name, value in {"--user": user, "--session": session, "--reason": reason}.items():
        if value is not None and not value.strip():
            raise click.UsageError(f"{name} must not be empty.")
    place = Target.named(target)
    deployed = place.open()
    order = Order(
        pool=_chosen_pool(pool, deployed),
        user=user,
        reason=reason,
        by=place.caller(),
        sign_out=sign_out,
        session=session,
        deny_seconds=deny_seconds,
    )
    _carry_out(order, deployed, output)


@decisions.command()
@click.argument("decision_id", metavar="ID")
@click.option("--revive-tokens", is_flag=True, help="Let tokens from before work again, too.")
@target_options
def delete(*, decision_id: str, revive_tokens: bool, output: Output, **target: str | None) -> None:
    """Undo a decision: lift its deny, and enable the account if it was disabled."""
    place = Target.named(target)
    deployed = place.open()
    lift = Lift(decisions=deployed.decisions, denylist=deployed.denylist, users=deployed.users)
    lifted = lift.lift(
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


def _chosen_pool(pool: str | None, deployed: Deployed) -> str:
    watched = ", ".join(deployed.pools) or "none"
    if pool is None and len(deployed.pools) != 1:
        raise click.UsageError(f"--pool is needed; watched are: {watched}.")
    if pool is not None and pool not in deployed.pools:
        raise click.UsageError(f"user pool {pool!r} is not watched; watched are: {watched}.")
    return pool or deployed.pools[0]


def _carry_out(order: Order, deployed: Deployed, output: Output) -> None:
    if deployed.control.stopped():
        refuse("Enforcement is stopped, so nothing was done; see: sessionwarden enforcement status")
    decision = decide_manually(
        order,
        decision_id=f"manual-{uuid.uuid4()}",
        now_ms=system_clock(),
        session_lifetime_seconds=deployed.session_lifetime_seconds,
    )
    acts = Acts(
        decisions=deployed.decisions,
        denylist=deployed.denylist,
        control=deployed.control,
        users=deployed.users,
        clock=system_clock,
    )
    progress = acts.carry_out(deployed.decisions.record(decision))
    for line in [as_json(progress.enforcement)] if output == "json" else as_details(progress.enforcement):
        click.echo(line)
    if progress.pending:
        raise DeploymentError(f"Cognito did not sign the user out now ({progress.pending[0].error})")
    if any(result.outcome != "done" for result in progress.enforcement.results):
        refuse("Not everything was done; see above.")


def _lifted_lines(lifted: Lifted, *, revive_tokens: bool) -> Iterator[str]:
    if not lifted.denied:
        yield "The decision is marked as lifted; it had denied nothing."
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
