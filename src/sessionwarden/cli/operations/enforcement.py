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
from sessionwarden.cli.decisions.report import as_lines
from sessionwarden.cli.deployment import Output, target_options
from sessionwarden.operations import kill_switch
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
    """Let enforcement run again, and say what was withheld meanwhile.

    Abuse that goes on is acted upon when it is found again, within the timespan of its rule. What has ended
    is not made up for.
    """
    deployed = Target.named(target).open()
    resumed = kill_switch.resume(deployed)
    if output == "json":
        withheld = [known.decision.id for known in resumed.withheld] if resumed else []
        click.echo(json.dumps({"stopped": False, "withheld": withheld}))
        return
    _report(None, output)
    if resumed and resumed.withheld:
        click.echo(f"Withheld since {_time(resumed.since_ms)}; what goes on is found again, and acted upon:")
        for line in as_lines(resumed.withheld):
            click.echo(line)


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
    operator = printable(switch.by or "an unknown operator", limit=200)
    click.echo(f"Enforcement is STOPPED since {_time(switch.at_ms)}, by {operator}.")


def _time(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
