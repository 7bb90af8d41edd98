"""Stops starting AWS calls in time for a function to answer for its batch before Lambda kills it.

After the deadline every attempt, retries included, raises `OutOfTimeError`. A killed function answers for no
message: SQS delivers the whole batch again, and its findings are not handed over. A single table partition
that does not answer would then delay every user whose events are in the same batches.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError


class OutOfTimeError(BotoCoreError):
    """The call was not made, because the deadline has passed."""

    fmt = "no call is started any more"


class Deadline:
    """The deadline of one batch at a time. `clock` is monotonic seconds. Before `start`, no call is refused.

    A call in flight is not interrupted; the last one ends within its own connect and read timeouts.
    """

    def __init__(self, *, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._over = float("inf")

    def start(self) -> None:
        """Begin a batch."""
        self._over = self._clock() + self._seconds

    def guard(self, client: Any) -> Any:
        """Make `client` keep to the deadline; returns the same client."""
        # botocore emits this event for every attempt, and does not retry this error; the first handler
        # that returns an answer ends the event, so this one must be first
        client.meta.events.register_first("before-send", self._refuse_when_over)
        return client

    def _refuse_when_over(self, **request: Any) -> None:
        if self._clock() >= self._over:
            raise OutOfTimeError
