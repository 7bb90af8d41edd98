"""`sessionwarden enforcement`: the kill switch, which stops everything that rules do to people.

The switch lies in DynamoDB and is read, strongly consistent, before each action, so `stop` holds from the
moment it returns: no action that starts later denies, signs out or disables. Denies in force stay in force;
detection and alerts go on.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from sessionwarden.adapters.clock import system_clock
from sessionwarden.cli.deployment import Output, target_options
from sessionwarden.operations.deployment import Target
from sessionwarden.ports import Stop
from sessionwarden.printable import printable


@click.group()
def enforcement() -> None:
    """Stop or resume all enforcement of a deployment."""


@enforcement.command()
@target_options
def status(*, output: Output, **target: str | None) -> None:
    """Whether enforcement runs; exit status 0 either way."""
    _report(Target.named(target).open().control.switch(), output)


@enforcement.command()
@target_options
def stop(*, output: Output, **target: str | None) -> None:
    """Stop all enforcement, at once. Decisions in force stay in force."""
    place = Target.named(target)
    control = place.open().control
    control.stop(by=place.caller(), at_ms=system_clock())
    _report(control.switch(), output)


@enforcement.command()
@target_options
def resume(*, output: Output, **target: str | None) -> None:
    """Let enforcement run again. What was withheld meanwhile is not made up for."""
    control = Target.named(target).open().control
    control.resume()
    _report(control.switch(), output)


def _report(switch: Stop | None, output: Output) -> None:
    if output == "json":
        state: dict[str, object] = {"stopped": switch is not None}
        if switch is not None:
            state |= {"stopped_by": switch.by, "stopped_at": switch.at_ms}
        click.echo(json.dumps(state))
        return
    if switch is None:
        click.echo("Enforcement is running.")
        return
    since = datetime.fromtimestamp(switch.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    operator = printable(switch.by or "an unknown operator", limit=200)
    click.echo(f"Enforcement is STOPPED since {since}, by {operator}.")
