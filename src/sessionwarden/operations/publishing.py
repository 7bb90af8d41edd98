"""Puts a rule set live without a deployment of code, once its author has shown what it would do.

Invariant: what goes live is what was shown, over what was shown to be live: AppConfig refuses it if another
person published in between. Only rules are published: who is protected and how much may happen changes with
a deployment. What must hold of the rules before that is `authoring.proof`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sessionwarden.adapters.aws.appconfig_publishing import DONE, MAX_BYTES, Deployment, History
from sessionwarden.errors import AnswerIsNoError, PublishingError, PublishingRefusedError
from sessionwarden.operations.published_rules import Live
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.compiler.compile import dump_ruleset
from sessionwarden.ruleset.diff import Differences, differences

WAIT_STEP_SECONDS = 5
WAIT_SECONDS = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What publishing would do. `differences` is `None` if nothing is published yet."""

    ruleset: CompiledRuleset
    data: bytes
    history: History
    differences: Differences | None


def published_bytes(ruleset: CompiledRuleset) -> bytes:
    """The bytes to publish. Raises `AnswerIsNoError` if AppConfig would not accept so many."""
    data = dump_ruleset(ruleset)
    if len(data) > MAX_BYTES:
        raise AnswerIsNoError(
            f"The rule set has {len(data):,} bytes; AppConfig takes {MAX_BYTES:,}. Nothing was published."
        )
    return data


def plan_publishing(live: Live, ruleset: CompiledRuleset, data: bytes) -> Plan:
    """Compare a rule set with the live one. Raises `PublishingError` while a deployment is under way."""
    history = live.publishing.history()
    if history.running is not None:
        raise PublishingError(f"deployment {history.running.number} is under way: see `rules status`")
    before = live.publishing.ruleset(history.live.version) if history.live is not None else None
    return Plan(
        ruleset=ruleset,
        data=data,
        history=history,
        differences=differences(before, ruleset) if before is not None else None,
    )


def publish(live: Live, plan: Plan, *, by: str, message: str) -> Deployment:
    """Start the rollout of a plan, in steps. Raises `AnswerIsNoError` if AppConfig refuses the rule set."""
    try:
        version = live.publishing.add(plan.data, plan.ruleset.digest)
        return live.publishing.start(
            version,
            strategy=live.staged,
            after=plan.history.latest_number,
            description=f"published by {by}" + (f": {message}" if message else ""),
        )
    except PublishingRefusedError as error:
        raise AnswerIsNoError(f"{error}. What was live still is.") from error


def await_end(look: Callable[[], Deployment]) -> Deployment:
    """Wait until a deployment is over. Raises `AnswerIsNoError` if it was taken back."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (deployment := look()).running:
        if time.monotonic() > deadline:
            raise PublishingError(f"deployment {deployment.number} is still {deployment.state}")
        time.sleep(WAIT_STEP_SECONDS)
    if deployment.state != DONE:
        raise AnswerIsNoError(
            f"Deployment {deployment.number} was taken back ({deployment.state}): see the alarms."
        )
    return deployment
