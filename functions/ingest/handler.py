"""Lambda entry point of ingest: turns log lines from CloudWatch Logs into packed events on the bus.

Nothing is lost in silence: if a payload cannot be unpacked, or the bus refuses events, it raises, so that
Lambda retries and then passes the delivery to the on-failure destination. A single line that cannot be
trusted is quarantined and counted, and the rest of its batch goes on.
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
from functions.service_clock import ServiceClock, ServiceTimes
from sessionwarden.adapters.aws.eventbridge import EventBridgePublisher
from sessionwarden.ports import Publisher
from sessionwarden.sources.cloudwatch import open_payload
from sessionwarden.sources.event_packs import pack_events

MAX_LOGGED_LINES = 20
"""The most lines of a batch that are logged, so that an attacker's bad lines cannot raise the log bill."""

logger = Logger()
metrics = Metrics()
clock = ServiceClock()


@cache
def settings() -> Settings:
    """The settings, read once per execution environment, at the first delivery."""
    return Settings.from_environment()


@cache
def publisher() -> Publisher:
    """The publisher to the bus, with one client for all deliveries."""
    return EventBridgePublisher(bus=settings().bus, source="sessionwarden.ingest")


@metrics.log_metrics
@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Publish one delivery's events; raises `SourceError` or `DeliveryError`, so that Lambda retries."""
    metrics.add_metric(name="Deliveries", unit=MetricUnit.Count, value=1)
    batch = open_payload(event)
    written = max((record.timestamp for record in batch.records), default=0)
    clock.heed_and_report(ServiceTimes(written), metrics=metrics, logger=logger)
    kind = settings().log_groups.get(batch.log_group)
    delivery = read_records(batch.records, kind, now_ms=clock())
    publisher().publish("Events", pack_events(delivery.events))
    _report(delivery)
    if kind is not None:
        _count("Lines", len(batch.records), log_group=batch.log_group)
    if kind == "authorizer":
        _count_decisions(delivery)


def _count_decisions(delivery: Delivery) -> None:
    """Count decisions by REST API: an alarm compares them with the lines of the API's own log."""
    for api_id, decisions in Counter(event.api_id for event in delivery.events).items():
        if api_id in settings().rest_api_ids:
            _count("Decisions", decisions, api_id=api_id)


def _count(name: str, value: int, **dimension: str) -> None:
    with single_metric(name=name, unit=MetricUnit.Count, value=value, default_dimensions=dimension):
        pass


def _report(delivery: Delivery) -> None:
    metrics.add_metric(name="Events", unit=MetricUnit.Count, value=len(delivery.events))
    metrics.add_metric(name="Quarantined", unit=MetricUnit.Count, value=len(delivery.quarantined))
    for reason, count in Counter(line.reason for line in delivery.quarantined).items():
        _count("QuarantinedByReason", count, reason=reason)
    for line in delivery.quarantined[:MAX_LOGGED_LINES]:
        # the line itself is hostile text and may hold a token, so it is never logged
        logger.warning("quarantined", extra={"log_event_id": line.record_id, "reason": line.reason})
