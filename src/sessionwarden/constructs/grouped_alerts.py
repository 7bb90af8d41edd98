"""Deploys what tells operators of acts beyond a rule's hourly limit of alerts: a queue, and its function.

It exposes `waiting` (the queue of acts, with its dead letters) and `group_alerts`. SQS and Lambda do the
grouping: the function is invoked with the acts of `batching_window_seconds`, or with a hundred, whichever
comes first. Two readers collect at the same time, so a rule has two messages in that time, and one more for
each hundred acts. Invariant: only `enforce` may put acts on the queue; an act stays there until it was told.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
"""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_sns as sns
from constructs import Construct

from sessionwarden.constructs.function import WardenFunction
from sessionwarden.constructs.queues import WorkQueue

TIMEOUT_SECONDS = 30
MEMORY_MB = 256
BATCH_SIZE = 100
"""Acts in a message at most: with their longest names, they take less than SNS's 256 KB."""
BATCH_SIZE_WITHOUT_WINDOW = 10
"""The most that Lambda takes at once from a queue that it does not wait for."""
READERS = 2
"""The least that Lambda lets a queue have."""


class GroupedAlerts(Construct):
    """The queue and the group_alerts function. With a window of `None`, no act is waited for."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stack_name: str,
        code: lambda_.Code,
        alerts: sns.ITopic,
        batching_window_seconds: int | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.waiting = WorkQueue(
            self,
            "Waiting",
            consumer_timeout_seconds=TIMEOUT_SECONDS,
            batching_window_seconds=batching_window_seconds or 0,
        )
        self.group_alerts = WardenFunction(
            self,
            "Function",
            name="group_alerts",
            stack_name=stack_name,
            description="Tells operators of many acts in one message",
            code=code,
            timeout_seconds=TIMEOUT_SECONDS,
            memory_mb=MEMORY_MB,
            environment={
                "SESSIONWARDEN_ALERT_TOPIC_ARN": alerts.topic_arn,
                "SESSIONWARDEN_STACK": stack_name,
            },
        )
        self.group_alerts.allow("sns:Publish", on=[alerts.topic_arn])
        self.group_alerts.function.add_event_source(
            event_sources.SqsEventSource(
                self.waiting.queue,
                batch_size=BATCH_SIZE if batching_window_seconds else BATCH_SIZE_WITHOUT_WINDOW,
                max_batching_window=(
                    Duration.seconds(batching_window_seconds) if batching_window_seconds else None
                ),
                report_batch_item_failures=True,
                max_concurrency=READERS,
            )
        )
