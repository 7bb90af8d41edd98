"""Deploys detection: the bus rule, the events queue, and the function that turns events into findings.

It exposes `detect`, `events` (queue and dead letters) and `undelivered` (events that the rule could not put
into the queue). Invariants: only ingest's packs reach the queue; detect sends findings to the enforcement
queue itself, because other applications of the account may put events on the bus. Its concurrency is capped,
so a flood makes the queue longer instead of using up the account's Lambda concurrency.
"""

from __future__ import annotations

from typing import Literal

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from sessionwarden.constructs import ingest
from sessionwarden.constructs.function import METRICS_NAMESPACE, WardenFunction
from sessionwarden.constructs.live_rules import LiveRules
from sessionwarden.constructs.queues import WorkQueue, undelivered_queue

SOURCE = "sessionwarden.detect"
DETAIL_TYPE = "Finding"
TIMEOUT_SECONDS = 60
MEMORY_MB = 512
BATCH_SIZE = 10
DELIVERY_ATTEMPTS = 185
DELIVERY_HOURS = 24


class Detection(Construct):
    """The detect function and its queue.

    `batching_window_seconds` trades cost against the delay before a finding; `None` means no waiting.
    `new_keys_per_minute` caps, for each rule and process, what keys that an attacker invents can cost; `None`
    keeps detect's default. `memory_mb` decides from which request rate on counting costs more (with 512, some
    350 a second), since larger processes keep larger shared logs. Both: docs/explanation/cost.md.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stack_name: str,
        code: lambda_.Code,
        bus: events.IEventBus,
        windows: dynamodb.ITable,
        findings_queue: sqs.IQueue,
        mode: Literal["observe", "enforce"],
        max_concurrency: int = 10,
        batching_window_seconds: int | None = 1,
        new_keys_per_minute: int | None = None,
        memory_mb: int = MEMORY_MB,
    ) -> None:
        super().__init__(scope, construct_id)
        self.events = WorkQueue(self, "Events", consumer_timeout_seconds=TIMEOUT_SECONDS)
        self.undelivered = undelivered_queue(self, "Undelivered")
        self.rule = events.Rule(
            self,
            "Packs",
            description="Packed events of ingest go to detection",
            event_bus=bus,
            event_pattern=events.EventPattern(
                # even if an operator adds a bus policy later, no other account can send packs
                account=[Stack.of(self).account],
                source=[ingest.SOURCE],
                detail_type=[ingest.DETAIL_TYPE],
            ),
            targets=[
                targets.SqsQueue(
                    self.events.queue,
                    dead_letter_queue=self.undelivered,
                    max_event_age=Duration.hours(DELIVERY_HOURS),
                    retry_attempts=DELIVERY_ATTEMPTS,
                )
            ],
        )
        self.detect = WardenFunction(
            self,
            "Detect",
            name="detect",
            stack_name=stack_name,
            description="Counts events in windows and hands findings to enforcement",
            code=code,
            timeout_seconds=TIMEOUT_SECONDS,
            memory_mb=memory_mb,
            environment={
                "SESSIONWARDEN_BUS": bus.event_bus_name,
                "SESSIONWARDEN_MODE": mode,
                "SESSIONWARDEN_WINDOWS_TABLE": windows.table_name,
                "SESSIONWARDEN_FINDINGS_QUEUE_URL": findings_queue.queue_url,
            },
        )
        if new_keys_per_minute is not None:
            self.detect.function.add_environment(
                "SESSIONWARDEN_NEW_KEYS_PER_MINUTE", str(new_keys_per_minute)
            )
        self.ruleset_refused = self._metric("RulesetRefused", stack_name)
        self.ruleset_unavailable = self._metric("RulesetUnavailable", stack_name)
        self.ruleset_fallback = self._metric("RulesetFallback", stack_name)
        self.rules_failed = self._metric("RulesFailed", stack_name)
        self.keys_dropped = self._metric("KeysDropped", stack_name)
        self.detect.allow("dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem", on=[windows.table_arn])
        self.detect.allow("sqs:SendMessage", on=[findings_queue.queue_arn])
        self.detect.allow_put_events(bus_arn=bus.event_bus_arn, source=SOURCE, detail_type=DETAIL_TYPE)
        self.detect.function.add_event_source(
            event_sources.SqsEventSource(
                self.events.queue,
                batch_size=BATCH_SIZE,
                report_batch_item_failures=True,
                max_concurrency=max_concurrency,
                max_batching_window=(
                    Duration.seconds(batching_window_seconds) if batching_window_seconds else None
                ),
            )
        )

    def poll_rules(self, live: LiveRules) -> None:
        """Let detect run the published rule set instead of the one in its bundle."""
        self.detect.function.add_environment("SESSIONWARDEN_LIVE_RULES", live.configuration_ids)
        live.allow_reading(self.detect)

    def _metric(self, name: str, stack_name: str) -> cloudwatch.Metric:
        """A metric that detect writes. Its dimension is the service's name, not the function's."""
        return cloudwatch.Metric(
            namespace=METRICS_NAMESPACE, metric_name=name, dimensions_map={"service": f"{stack_name}-detect"}
        )
