"""CloudWatch Logs subscription → packed events on the bus.

Fails closed towards loss: a payload that cannot be opened and a bus that does not accept are raised,
so that Lambda retries and then hands the delivery to the on-failure destination. A single line that
cannot be believed is quarantined and counted; the rest of its batch goes on.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.ingest.records import Delivery, read_records
from functions.ingest.settings import Settings
from sessionwarden.adapters.aws.eventbridge import EventBridgePublisher
from sessionwarden.adapters.clock import system_clock
from sessionwarden.ports import Publisher
from sessionwarden.sources.cloudwatch import open_payload
from sessionwarden.sources.event_packs import pack_events

MAX_LOGGED_LINES = 20
"""Of a batch: whoever can cause bad lines must not also run up the log bill."""

logger = Logger()
metrics = Metrics()


@cache
def settings() -> Settings:
    """Read once per execution environment, at the first delivery."""
    return Settings.from_environment()


@cache
def publisher() -> Publisher:
    """The bus, with one client for all deliveries."""
    return EventBridgePublisher(bus=settings().bus, source="sessionwarden.ingest")


@metrics.log_metrics
@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Publish one delivery's events; raises `SourceError` or `DeliveryError` to have it tried again."""
    metrics.add_metric(name="Deliveries", unit=MetricUnit.Count, value=1)
    batch = open_payload(event)
    kind = settings().log_groups.get(batch.log_group)
    delivery = read_records(batch.records, kind, now_ms=system_clock())
    publisher().publish("Events", pack_events(delivery.events))
    _report(delivery)


def _report(delivery: Delivery) -> None:
    metrics.add_metric(name="Events", unit=MetricUnit.Count, value=len(delivery.events))
    metrics.add_metric(name="Quarantined", unit=MetricUnit.Count, value=len(delivery.quarantined))
    for reason, count in Counter(line.reason for line in delivery.quarantined).items():
        with single_metric(name="QuarantinedByReason", unit=MetricUnit.Count, value=count) as metric:
            metric.add_dimension(name="reason", value=reason)
    for line in delivery.quarantined[:MAX_LOGGED_LINES]:
        # never the line itself: it is hostile text and may hold a token
        logger.warning("quarantined", extra={"log_event_id": line.record_id, "reason": line.reason})
