"""A time after which clients' calls fail at once, so that a batch is answered before its function dies.

Enters: when the batch began, and how long its calls may be started for. Leaves: `OutOfTimeError` from every
attempt behind that, retries included. A function that is killed answers for no message: each of its batch
comes again, and what was found in it is not handed over. One partition that does not answer would so hold
up everybody whose events travel in the same batches.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError


class OutOfTimeError(BotoCoreError):
    """The call was not made: the time for calls is over."""

    fmt = "no call is started any more"


class Deadline:
    """Guards clients. `clock` is monotonic seconds. Before `start`, nothing is refused.

    A call in flight is not cut off: the last one ends within its own connect and read timeouts.
    """

    def __init__(self, *, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._over = float("inf")

    def start(self) -> None:
        """A batch begins."""
        self._over = self._clock() + self._seconds

    def guard(self, client: Any) -> Any:
        """The same client, which now keeps to the deadline."""
        # botocore emits this for every attempt, and retries nothing but connection errors of its own;
        # whoever answers it ends it, so that this must come first
        client.meta.events.register_first("before-send", self._refuse_when_over)
        return client

    def _refuse_when_over(self, **request: Any) -> None:
        if self._clock() >= self._over:
            raise OutOfTimeError
