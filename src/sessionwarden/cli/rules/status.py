"""`sessionwarden rules status`: which rules are live, who published what, and which policy is deployed.

Rules change by publishing, the policy changes with a deployment only. So a `policy.yml` that says something
else than the deployed policy is reported here, beside what is live.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from sessionwarden.adapters.aws.appconfig_publishing import Deployment, History
from sessionwarden.authoring.words import line
from sessionwarden.cli.default_rules import RULES_FOLDER
from sessionwarden.cli.deployment import Output, target_options
from sessionwarden.cli.exit_statuses import ANSWER_IS_NO
from sessionwarden.cli.rules.deployment_report import described, in_words, short
from sessionwarden.operations.deployment import Target
from sessionwarden.operations.published_rules import Live, PolicyComparison, compare_policy
from sessionwarden.printable import printable
from sessionwarden.ruleset.compiler.files import policy_file

TEXT_LIMIT = 200


@click.command()
@click.option(
    "--limit", type=click.IntRange(1, 50), default=10, show_default=True, help="Deployments to list."
)
@click.option(
    "--policy",
    type=click.Path(path_type=Path),
    help="Policy file to compare with the deployed policy; default: rules/policy.yml, if there is one.",
)
@click.option("--strict", is_flag=True, help="Exit with status 1 unless the policy file is what is deployed.")
@target_options
@click.pass_context
def status(
    context: click.Context,
    /,
    *,
    limit: int,
    policy: Path | None,
    strict: bool,
    output: Output,
    **target: str | None,
) -> None:
    """Say which rule set is live, what was published before, and whether the policy file is deployed."""
    live = Live.of(Target.named(target))
    compared = compare_policy(live, policy or policy_file([RULES_FOLDER]))
    history = live.publishing.history()
    listed = [live.publishing.deployment(one.number) for one in history.deployments[:limit]]
    if output == "json":
        facts = {
            "live": described(history.live) if history.live is not None else None,
            "running": described(history.running) if history.running is not None else None,
            "shipped_digest": live.shipped_digest,
            "policy": {**compared._asdict(), "same": compared.same},
            "history": [described(one) | {"description": text} for one, text in listed],
        }
        click.echo(json.dumps(facts))
    else:
        _print(live, history, compared)
        for one, text in listed:
            click.echo(f"{_state(one)}  {printable(text, limit=TEXT_LIMIT)}".rstrip())
    if strict and not compared.same:
        context.exit(ANSWER_IS_NO)


def _print(live: Live, history: History, compared: PolicyComparison) -> None:
    if history.live is not None:
        click.echo(f"live     {in_words(history.live)}")
    else:
        click.echo("live     nothing published: detect runs what came with its code")
    if history.running is not None:
        click.echo(f"running  {_state(history.running)}")
    click.echo(f"shipped  {short(live.shipped_digest)}")
    click.echo(f"policy   {_policy_in_words(compared)}")


def _state(deployment: Deployment) -> str:
    percent = f" {deployment.percent:.0f}%" if deployment.running else ""
    return f"#{deployment.number} {in_words(deployment)} {deployment.state}{percent}"


def _policy_in_words(compared: PolicyComparison) -> str:
    deployed = short(compared.deployed)
    if compared.file is None or compared.compiled is None:
        return f"{deployed} (not compared: there is no rules/policy.yml here, see --policy)"
    file = line(compared.file)
    if compared.same:
        return f"{deployed}, as in {file}"
    return (
        f"{deployed}, but {file} compiles to {short(compared.compiled)}: who is protected and "
        "how much may happen in an hour changes with a deployment, never by publishing"
    )
