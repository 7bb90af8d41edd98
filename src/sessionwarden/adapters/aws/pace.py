"""Spaces out the calls of an AWS client, so that they take a share of a quota and no more.

A service that throttles refuses calls of everything else in the account as well: an application that signs
people in shares Cognito's quotas with enforcement.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


class Pace:
    """So many calls per second, retries included; after a pause, `burst` calls may come at once.

    `clock` is monotonic seconds. A call that comes too early waits.
    """

    def __init__(
        self,
        *,
        per_second: float,
        burst: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._apart = 1 / per_second
        self._ahead = burst * self._apart
        self._clock = clock
        self._sleep = sleep
        self._next = float("-inf")

    def guard(self, client: Any) -> Any:
        """Make `client` keep the pace; returns the same client. A deadline must be set after it."""
        # botocore emits this event for every attempt, and asks the first handlers in their order
        client.meta.events.register_first("before-send", self._wait)
        return client

    def _wait(self, **request: Any) -> None:
        now = self._clock()
        turn = max(self._next, now - self._ahead + self._apart)
        self._next = turn + self._apart
        if turn > now:
            self._sleep(turn - now)
