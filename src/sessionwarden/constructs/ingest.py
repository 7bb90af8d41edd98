"""Deploys ingest: access log groups, their subscriptions, and the function that puts events on the bus.

It exposes `ingest`, `access_logs` and their names by API id, and `failures` (deliveries that could not be
handled). Invariant: only the log groups subscribed here may invoke ingest, each by its own ARN. CloudWatch
Logs invokes asynchronously, so a delivery that fails its retries would be lost without the on-failure
destination.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_logs as logs
from aws_cdk import aws_logs_destinations as logs_destinations
from constructs import Construct

from sessionwarden.constructs.function import WardenFunction
from sessionwarden.constructs.queues import undelivered_queue

ApiKind = Literal["http_api", "rest_api"]

SOURCE = "sessionwarden.ingest"
DETAIL_TYPE = "Events"
DECISION_TERM = "sessionwarden.decision"
TIMEOUT_SECONDS = 60
MEMORY_MB = 512


class Ingest(Construct):
    """The ingest function and its sources. `apis` maps an API's id, in plain text, to its kind."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stack_name: str,
        code: lambda_.Code,
        bus: events.IEventBus,
        apis: Mapping[str, ApiKind],
        authorizer: WardenFunction,
        access_log_retention: logs.RetentionDays = logs.RetentionDays.THREE_MONTHS,
    ) -> None:
        super().__init__(scope, construct_id)
        self.access_logs = {api_id: _access_log(self, api_id, access_log_retention) for api_id in apis}
        self.failures = undelivered_queue(self, "Failures")
        self.access_log_names = {api_id: access_log_name(api_id) for api_id in apis}
        kinds = {self.access_log_names[api_id]: kind for api_id, kind in apis.items()}
        self.ingest = WardenFunction(
            self,
            "Ingest",
            name="ingest",
            stack_name=stack_name,
            description="Turns log records into packed events on the bus",
            code=code,
            timeout_seconds=TIMEOUT_SECONDS,
            memory_mb=MEMORY_MB,
            environment={
                "SESSIONWARDEN_BUS": bus.event_bus_name,
                "SESSIONWARDEN_LOG_GROUPS": json.dumps(
                    {**kinds, authorizer.log_group_name: "authorizer"}, sort_keys=True
                ),
            },
        )
        self.ingest.allow_put_events(bus_arn=bus.event_bus_arn, source=SOURCE, detail_type=DETAIL_TYPE)
        self.ingest.function.configure_async_invoke(
            on_failure=destinations.SqsDestination(self.failures),
            max_event_age=Duration.hours(6),
            retry_attempts=2,
        )
        for api_id, log_group in self.access_logs.items():
            self._subscribe(f"Access{api_id}", log_group, logs.FilterPattern.all_events())
        # the pattern leaves out Lambda's own START and REPORT lines
        self._subscribe("Decisions", authorizer.log_group, logs.FilterPattern.literal(f'"{DECISION_TERM}"'))

    def _subscribe(self, construct_id: str, log_group: logs.ILogGroup, pattern: logs.IFilterPattern) -> None:
        logs.SubscriptionFilter(
            self,
            construct_id,
            log_group=log_group,
            destination=logs_destinations.LambdaDestination(self.ingest.function),
            filter_pattern=pattern,
        )


def access_log_name(api_id: str) -> str:
    """The name of the log group for the access log of an API's stage."""
    return f"/sessionwarden/access/{api_id}"


def _access_log(scope: Construct, api_id: str, retention: logs.RetentionDays) -> logs.LogGroup:
    return logs.LogGroup(
        scope,
        f"AccessLog{api_id}",
        log_group_name=access_log_name(api_id),
        retention=retention,
        # the log is evidence: an API that an operator removes from the list by mistake keeps its log, but a
        # failed first deployment must not leave the name taken
        removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    )
