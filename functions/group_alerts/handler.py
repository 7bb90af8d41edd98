"""Tells operators of acts beyond a rule's hourly limit of alerts: many acts in one message, a message a rule.

The queue holds an act until this function has told it, and hands over whatever has come within some minutes.
Invariant: each act that reached the queue is in at least one message. If the topic does not accept a message,
its acts go back to the queue and at last to the dead-letter queue, which has an alarm.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.group_alerts.settings import Settings
from sessionwarden.adapters.aws.clients import client
from sessionwarden.adapters.aws.sns import SNSAlertSink
from sessionwarden.enforcement.alert_text import DeploymentName, compose_group
from sessionwarden.errors import DeliveryError
from sessionwarden.model.decision import Enforcement
from sessionwarden.ports import AlertSink

logger = Logger()
metrics = Metrics()
enforcements = msgspec.json.Decoder(Enforcement)


@cache
def settings() -> Settings:
    """The settings, read once per execution environment, at the first batch."""
    return Settings.from_environment()


@cache
def alerts() -> AlertSink:
    """The alert topic, with one client for all batches."""
    return SNSAlertSink(client("sns"), settings().alert_topic_arn)


@metrics.log_metrics
@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """SQS batch in, partial batch response out."""
    failed: list[str] = []
    by_rule: dict[str | None, dict[str, Enforcement]] = defaultdict(dict)
    for record in event["Records"]:
        try:
            act = enforcements.decode(record["body"])
        except msgspec.DecodeError:
            failed.append(record["messageId"])
        else:
            by_rule[act.decision.rule][record["messageId"]] = act
    for told in by_rule.values():
        failed += _tell(told)
    if failed:
        logger.warning("acts not told", extra={"messages": len(failed)})
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _tell(told: Mapping[str, Enforcement]) -> list[str]:
    """Send the message of one rule; returns the ids of the queue's messages that must come again."""
    message = compose_group(
        [*told.values()], DeploymentName(stack=settings().stack, region=settings().region)
    )
    try:
        alerts().alert(subject=message.subject, message=message.text, attributes=message.attributes)
    except DeliveryError:
        return [*told]
    metrics.add_metric(name="EnforcementsTold", unit=MetricUnit.Count, value=len(told))
    return []
