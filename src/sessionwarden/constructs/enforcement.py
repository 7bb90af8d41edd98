"""Deploys what ends sessions: the queue of findings and the `enforce` function that reads it.

Invariants: the function can act on users of the listed pools only, and cannot create, delete or read anything
else of those pools; few calls to Cognito run at once, since its admin calls share quotas as low as 25 a
second per account and Region.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_sns as sns
from constructs import Construct

from sessionwarden.constructs.function import WardenFunction
from sessionwarden.constructs.queues import WorkQueue
from sessionwarden.constructs.state import State

SOURCE = "sessionwarden.enforce"
DETAIL_TYPE = "Enforcement"
# Some of Cognito's answers take seconds when its quota is used up.
TIMEOUT_SECONDS = 60
MEMORY_MB = 512
BATCH_SIZE = 5
MAX_CONCURRENCY = 2


class FindingsQueue(WorkQueue):
    """The queue between detect, which may send to it, and enforce, which reads it."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id, consumer_timeout_seconds=TIMEOUT_SECONDS)


class Enforcement(Construct):
    """The `enforce` function with its rights.

    `user_pools_json` is the value of `SESSIONWARDEN_USER_POOLS`; `user_pool_arns` are the pools whose users
    it may sign out and disable.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stack_name: str,
        code: lambda_.Code,
        bus: events.IEventBus,
        state: State,
        findings: FindingsQueue,
        alerts: sns.ITopic,
        mode: Literal["observe", "enforce"],
        user_pools_json: str,
        user_pool_arns: Sequence[str],
        session_lifetime_seconds: int,
    ) -> None:
        super().__init__(scope, construct_id)
        self.enforce = WardenFunction(
            self,
            "Enforce",
            name="enforce",
            stack_name=stack_name,
            description="Ends sessions: denylist, then Cognito, then the alert",
            code=code,
            timeout_seconds=TIMEOUT_SECONDS,
            memory_mb=MEMORY_MB,
            environment={
                "SESSIONWARDEN_BUS": bus.event_bus_name,
                "SESSIONWARDEN_DENYLIST_TABLE": state.denylist.table_name,
                "SESSIONWARDEN_DECISIONS_TABLE": state.decisions.table_name,
                "SESSIONWARDEN_CONTROL_TABLE": state.control.table_name,
                "SESSIONWARDEN_ALERT_TOPIC_ARN": alerts.topic_arn,
                "SESSIONWARDEN_MODE": mode,
                "SESSIONWARDEN_STACK": stack_name,
                "SESSIONWARDEN_SESSION_LIFETIME_SECONDS": str(session_lifetime_seconds),
                "SESSIONWARDEN_USER_POOLS": user_pools_json,
            },
        )
        self._grant(bus=bus, state=state, alerts=alerts, user_pool_arns=user_pool_arns)
        self.enforce.function.add_event_source(
            event_sources.SqsEventSource(
                findings.queue,
                batch_size=BATCH_SIZE,
                report_batch_item_failures=True,
                max_concurrency=MAX_CONCURRENCY,
            )
        )

    def _grant(
        self, *, bus: events.IEventBus, state: State, alerts: sns.ITopic, user_pool_arns: Sequence[str]
    ) -> None:
        enforce = self.enforce
        # it puts entries unless they exist, and never changes one: only an operator lifts
        enforce.allow("dynamodb:PutItem", "dynamodb:Query", on=[state.denylist.table_arn])
        enforce.allow(
            "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", on=[state.decisions.table_arn]
        )
        enforce.allow("dynamodb:GetItem", "dynamodb:UpdateItem", on=[state.control.table_arn])
        enforce.allow("sns:Publish", on=[alerts.topic_arn])
        enforce.allow_put_events(bus_arn=bus.event_bus_arn, source=SOURCE, detail_type=DETAIL_TYPE)
        if user_pool_arns:
            enforce.allow(
                "cognito-idp:AdminDisableUser",
                # to undo the disabling of a user if an operator lifted the decision meanwhile
                "cognito-idp:AdminEnableUser",
                "cognito-idp:AdminGetUser",
                "cognito-idp:AdminListGroupsForUser",
                "cognito-idp:AdminUserGlobalSignOut",
                "cognito-idp:ListUsers",
                on=[*user_pool_arns],
            )
