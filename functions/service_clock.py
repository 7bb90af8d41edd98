"""A clock that is never behind the service that invokes a function: SQS, or CloudWatch Logs.

`ingest` and `detect` drop events from the future, and `enforce` cuts off sign-ins up to now. A function whose
own clock is minutes behind would drop everything, and cut off too little. SQS says when a message was sent,
CloudWatch Logs when a line was written, so now is at least that late. Invariant: this clock never goes back,
and is ahead of the function's own only by what the service's clock proves.
https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from sessionwarden.adapters.clock import system_clock
from sessionwarden.ports import Clock

TOLERATED_MS = 60_000
"""Clocks that differ by more are reported: AWS keeps its own within milliseconds of each other."""


class ServiceTimes(NamedTuple):
    """Times (epoch ms) that the invoking service names, 0 if it names none.

    It is later than `newest_ms`; `received_ms` was a moment ago.
    """

    newest_ms: int
    received_ms: int = 0


def queue_times(records: Iterable[Mapping[str, Any]]) -> ServiceTimes:
    """What SQS says in the records of a batch. Who sends a message cannot set these attributes."""
    attributes = [record.get("attributes") or {} for record in records]
    sent = [int(one.get("SentTimestamp", 0)) for one in attributes]
    received = [int(one.get("ApproximateFirstReceiveTimestamp", 0)) for one in attributes]
    # a message that was received before may have waited since
    first = [at for one, at in zip(attributes, received, strict=True) if _is_first_receive(one)]
    return ServiceTimes(max([*sent, *received], default=0), max(first, default=0))


def _is_first_receive(attributes: Mapping[str, str]) -> bool:
    return attributes.get("ApproximateReceiveCount") == "1"


class ServiceClock:
    """Epoch ms: the later of `clock` and the newest time that the service has named."""

    def __init__(self, clock: Clock = system_clock) -> None:
        self._clock = clock
        self._named_ms = 0

    def __call__(self) -> int:
        return max(self._clock(), self._named_ms)

    def heed(self, times: ServiceTimes) -> int:
        """Take note of the times; returns the ms by which the function's own clock is behind, or (negative)
        ahead.
        """
        own_ms = self._clock()
        self._named_ms = max(self._named_ms, times.newest_ms)
        if times.newest_ms > own_ms:
            return times.newest_ms - own_ms
        return times.received_ms - own_ms if times.received_ms else 0

    def heed_and_report(self, times: ServiceTimes, *, metrics: Metrics, logger: Logger) -> None:
        """Take note of the times; report a difference of more than a minute, which has an alarm."""
        behind_ms = self.heed(times)
        differs = abs(behind_ms) > TOLERATED_MS
        # alarms look at the last minutes only: the metric must not have the time of a wrong clock
        metrics.provider.timestamp = self._clock() + behind_ms if differs else None
        metrics.add_metric(name="ClockDiffers", unit=MetricUnit.Count, value=int(differs))
        if differs:
            logger.error("clock differs", extra={"behind_ms": behind_ms})
