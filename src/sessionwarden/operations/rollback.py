"""Puts live again, at once, a rule set that was live before.

A deployment under way is stopped, a completed one is reverted, both whatever alarms say. A set that AppConfig
no longer reverts to (after 72 hours), or that lies further back, is deployed again from its version in one
step. Sets of the older format, which hold a policy too, can be rolled back to; the deployed policy stays in
force.
"""

from __future__ import annotations

from sessionwarden.adapters.aws.appconfig_publishing import Deployment, History, find_digest
from sessionwarden.errors import (
    AnswerIsNoError,
    PublishingError,
    PublishingRefusedError,
    RulesetError,
    WrongArgumentError,
)
from sessionwarden.operations.published_rules import Live
from sessionwarden.printable import printable

NOTHING_BEFORE = (
    "Nothing was published before it. Publish the rules that you want; "
    "until then `sessionwarden enforcement stop` stops all enforcement."
)
DIGEST_LIMIT = 64


def roll_back(live: Live, *, by: str) -> Deployment | None:
    """Put the rule set live that was live before; `None` if none was, and the shipped set is live again.

    Raises `AnswerIsNoError` if nothing under way can be stopped and nothing was published before.
    """
    history = live.publishing.history()
    if history.running is not None:
        live.publishing.take_back(history.running.number)
        return live.publishing.history().live
    if history.live is None or history.previous is None:
        raise AnswerIsNoError(NOTHING_BEFORE)
    try:
        live.publishing.take_back(history.live.number)
    except PublishingRefusedError:
        return _deploy_again(live, history.previous.version, history, by=by)
    return history.previous


def roll_back_to(live: Live, digest: str, *, by: str) -> Deployment:
    """Put the published rule set live whose digest begins with `digest`.

    Raises `AnswerIsNoError` if there is none, `WrongArgumentError` if there are several.
    """
    history = live.publishing.history()
    return _deploy_again(live, _version_of(live, digest), history, by=by)


def _version_of(live: Live, digest: str) -> int:
    found = find_digest(live.publishing.versions(), digest.lower())
    shown = printable(digest, limit=DIGEST_LIMIT)
    if not found:
        raise AnswerIsNoError(f"No set with the digest {shown} was published.")
    if len(found) > 1:
        raise WrongArgumentError(f"{shown} begins the digests of {len(found)} sets")
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
