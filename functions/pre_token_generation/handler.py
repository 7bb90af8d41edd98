"""Lambda trigger that refuses new tokens to a denied user or app client, just before Cognito issues them.

It returns the pre token generation event (version 1, 2 or 3) unchanged, or raises an exception, which Cognito
turns into a refused sign-in or refresh. It refuses while a `deny_until` is in force. It cannot apply a
`not_before` at refresh, because the event names neither session nor `auth_time`; there Cognito's own sign-out
refuses, and so does the authorizer. It cannot check addresses, which the event does not hold. Only events of
version 3 are sent for machine tokens.

Failure direction: open. If the denylist cannot be read, tokens are issued, since the authorizer, which fails
closed, still refuses them. Failing closed here would turn a DynamoDB outage into an outage of every sign-in,
also for applications that Sessionwarden does not guard. Cognito waits 5 s and tries three times.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.pre_token_generation.settings import Settings
from sessionwarden.adapters.aws.clients import client
from sessionwarden.adapters.clock import system_clock
from sessionwarden.adapters.dynamodb.denylist import DynamoDBDenylistStore
from sessionwarden.adapters.lean.denylist import Poll
from sessionwarden.denylist.broad import BroadDenies
from sessionwarden.denylist.verdict import judge
from sessionwarden.errors import SessionwardenError, StoreError
from sessionwarden.model.deny import Claims, Verdict
from sessionwarden.model.principal import principal

logger = Logger()
metrics = Metrics()

REFUSED = "This account cannot sign in at the moment."
"""The text that Cognito shows to the client, so it reveals nothing about rules or decisions."""


class TokensRefusedError(SessionwardenError):
    """The user or the app client is denied, so Cognito must not issue tokens."""


class Asker(NamedTuple):
    """The user and app client that ask for tokens. `sub` is empty for a machine."""

    pool: str
    client: str
    sub: str


@cache
def settings() -> Settings:
    """Read once; raises `SettingsError`, and Cognito then refuses, until the deployment is repaired."""
    return Settings.from_environment()


@cache
def denylist() -> DynamoDBDenylistStore:
    """The denylist, with two attempts of 1 s each, so that both reads fit into Cognito's 5 s."""
    dynamodb = client("dynamodb", connect_seconds=0.4, read_seconds=0.6, attempts=2)
    return DynamoDBDenylistStore(dynamodb, settings().denylist_table)


@cache
def denied_clients() -> Poll:
    """The denied clients, at most a few seconds old as in the authorizer. It costs one query in 5 s."""
    return Poll(lambda now: BroadDenies(denylist().broad(now=now)))


def new_session(asker: Asker, *, now: int) -> Claims:
    """The claims of a session that would begin now, as far as the denylist needs them."""
    return Claims(
        pool=asker.pool,
        token_use="access",  # noqa: S106 - the kind of a token, not a secret
        sub=asker.sub,
        client=asker.client,
        user=asker.sub,
        username=None,
        session=None,
        token=None,
        auth_time=now,
        issued_at=now,
        expires_at=now,
    )


def verdict(asker: Asker, *, now: int) -> Verdict | None:
    """The denylist's verdict on a session that begins now; `None` if it cannot be read."""
    claims = new_session(asker, now=now)
    try:
        entries = denylist().entries(principal(asker.pool, asker.sub)) if asker.sub else ()
        answer = judge(entries, claims, now=now)
        return (denied_clients()().refusal(claims, None, now=now) or answer) if answer.allowed else answer
    except StoreError as error:
        logger.warning("denylist unreachable, tokens are issued", extra={"error": str(error)})
        metrics.add_metric(name="DenylistUnavailable", unit=MetricUnit.Count, value=1)
        return None


@metrics.log_metrics
@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return the event; raises `TokensRefusedError` for a denied user or app client."""
    refusal = _refusal(event)
    # zero is reported too, so that an alarm can tell a silent function from one that refused no tokens
    metrics.add_metric(name="TokensRefused", unit=MetricUnit.Count, value=int(refusal is not None))
    if refusal is None:
        return event
    facts = {"decision_id": refusal.decision_id, "reason": refusal.reason}
    logger.info("refused", extra={**facts, "trigger": event["triggerSource"]})
    raise TokensRefusedError(REFUSED)


def _refusal(event: dict[str, Any]) -> Verdict | None:
    pool, app_client = event["userPoolId"], event["callerContext"]["clientId"]
    if pool not in settings().pool_ids:  # the trigger of a pool that is not watched is left alone
        return None
    # a machine has no attributes
    sub = (event["request"].get("userAttributes") or {}).get("sub") or ""
    answer = verdict(Asker(pool, app_client, sub), now=system_clock() // 1000)
    return None if answer is None or answer.allowed else answer
