"""`sessionwarden rules publish`: a rule set goes live without a deployment, after it was proved.

Order: check, cases, replay, difference, consent; only then is anything written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from sessionwarden.authoring.proof import Rehearsal, failing_cases, rehearse
from sessionwarden.authoring.suite import read_suite
from sessionwarden.cli.deployment import Output, refuse, target_options
from sessionwarden.cli.rules.deployment_report import described, in_words, short
from sessionwarden.cli.rules.diff_report import as_json, as_lines, impact_lines
from sessionwarden.operations import publishing
from sessionwarden.operations.deployment import Target
from sessionwarden.operations.published_rules import Live
from sessionwarden.operations.publishing import Plan

SHOWN_CASES = 10


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--policy",
    type=click.Path(path_type=Path),
    help="Policy file, whose defaults are part of the rules; default: the one in the folder.",
)
@click.option(
    "--log", "logs", multiple=True, required=True, help="Log to replay, plain or gzip; may be repeated."
)
@click.option("--fields", type=click.Path(path_type=Path), help="Field mapping (YAML) of the logs.")
@click.option(
    "--max-share",
    type=click.FloatRange(0, 1),
    default=0.01,
    show_default=True,
    help="Refuse if enforcing rules would have touched a larger part of the log's users.",
)
@click.option("--message", default="", help="Why, for the history.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--wait", is_flag=True, help="Wait until it is live everywhere, or was taken back.")
@target_options
def publish(
    *,
    paths: tuple[Path, ...],
    policy: Path | None,
    logs: tuple[str, ...],
    fields: Path | None,
    max_share: float,
    message: str,
    yes: bool,
    wait: bool,
    output: Output,
    **target: str | None,
) -> None:
    """Put the rules of PATHS live, in steps, after proving them.

    PATHS defaults to rules/. They are checked, their cases are run, and the logs are replayed: it ends
    with status 1 if a case fails, or if they would have touched too many users. Without --yes it asks first.
    """
    paths = paths or (Path("rules"),)
    suite = read_suite(paths, policy)
    ruleset = suite.catalog.ruleset
    data = publishing.published_bytes(ruleset)
    _refuse_failing_cases(failing_cases(suite))
    place = Target.named(target)
    live = Live.of(place)
    rehearsal = rehearse(ruleset, logs, fields)
    plan = publishing.plan_publishing(live, ruleset, data)
    _show(plan, rehearsal, output)
    if plan.differences is not None and plan.differences.none:
        return _report(_nothing_to_do(plan), output, "It is live already.")
    _refuse_too_much(rehearsal, max_share)
    if not yes:
        click.confirm("Publish?", abort=True, err=True)
    started = publishing.publish(live, plan, by=place.caller(), message=message)
    if wait:
        started = publishing.await_end(lambda: live.publishing.deployment(started.number)[0])
    return _report(
        {"published": True, "deployment": described(started)},
        output,
        f"Published {short(ruleset.digest)}: deployment {started.number}, {started.state}.",
    )


def _show(plan: Plan, rehearsal: Rehearsal, output: Output) -> None:
    impact = rehearsal.impact
    if output == "json":
        facts: dict[str, Any] = {
            "digest": plan.ruleset.digest,
            "live": described(plan.history.live) if plan.history.live is not None else None,
            "differences": as_json(plan.differences) if plan.differences is not None else None,
            "impact": impact._asdict() | {"share": impact.share},
            "quarantined": rehearsal.quarantined,
        }
        click.echo(json.dumps(facts))
        return
    live = plan.history.live
    click.echo(f"live  {in_words(live) if live is not None else 'nothing published yet'}")
    click.echo(f"new   {short(plan.ruleset.digest)}")
    for line in as_lines(plan.differences) if plan.differences is not None else ():
        click.echo(line)
    for line in impact_lines(impact, {rule.id: rule.title for rule in plan.ruleset.rules}):
        click.echo(line)
    if rehearsal.quarantined:
        click.echo(f"lines not believed   {rehearsal.quarantined:,}: see `sessionwarden replay`")


def _refuse_failing_cases(failing: list[str]) -> None:
    if failing:
        shown = "\n".join(f"  {case}" for case in failing[:SHOWN_CASES])
        refuse(f"{len(failing)} cases fail; nothing was published:\n{shown}")


def _refuse_too_much(rehearsal: Rehearsal, max_share: float) -> None:
    impact = rehearsal.impact
    if not impact.users_seen:
        refuse("The logs name no user, so they prove nothing; nothing was published. See --fields.")
    if rehearsal.failed:
        refuse(f"The rules fail on {rehearsal.failed:,} events; nothing was published.")
    if impact.share > max_share:
        what = f"{impact.users_touched:,} of {impact.users_seen:,} users"
        others = f" and {impact.others:,} clients, networks or identities" if impact.others else ""
        refuse(
            f"It would have touched {what}{others}, more than {max_share:.2%}; nothing was published. "
            "If that is meant, say --max-share."
        )


def _nothing_to_do(plan: Plan) -> dict[str, object]:
    assert plan.history.live is not None
    return {"published": False, "deployment": described(plan.history.live)}


def _report(facts: dict[str, object], output: Output, sentence: str) -> None:
    click.echo(json.dumps(facts) if output == "json" else sentence)
