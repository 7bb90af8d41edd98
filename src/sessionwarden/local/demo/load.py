"""Makes the demo's requests: honest users who keep working, and an attacker who abuses a session.

All users work at the same time, and every answer is kept with its times. Honest users pause between requests.
The attacker does not pause, and stops after a few refusals or after a minute.
"""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections.abc import Callable, Sequence

from sessionwarden.errors import LocalStackError
from sessionwarden.local.demo.traffic import AccessLog, Answer, Endpoint, Tokens, Visitor

HONEST_PAUSE_SECONDS = 0.5
REFUSALS_ENOUGH = 3
ABUSE_SECONDS = 60.0
REFUSED = 403
JOIN_SECONDS = 20.0


class HonestUsers:
    """Users who work until they are stopped, one thread each; `answers` and `failures` grow meanwhile."""

    def __init__(self, tokens: Sequence[Tokens], endpoints: Sequence[Endpoint], log: AccessLog) -> None:
        self._endpoints = endpoints
        self._log = log
        self._stop = threading.Event()
        self.answers: list[Answer] = []
        self.failures: list[str] = []
        self._threads = [
            threading.Thread(target=self._work, args=(token, f"198.51.100.{number}"), daemon=True)
            for number, token in enumerate(tokens, start=1)
        ]

    def __enter__(self) -> HonestUsers:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(JOIN_SECONDS)

    def wait_until_each_was_served(self, times: int) -> None:
        """Wait for `times` answers per user; raises `LocalStackError` after 30 s."""
        deadline = time.monotonic() + 30
        while len(self.answers) < times * len(self._threads):
            if self.failures:
                raise LocalStackError(f"an honest user was not served: {self.failures[0]}")
            if time.monotonic() > deadline:
                raise LocalStackError("the API does not serve the honest users")
            time.sleep(0.05)

    def _work(self, tokens: Tokens, address: str) -> None:
        visitor = Visitor(tokens, address=address)
        try:
            for endpoint in itertools.cycle(self._endpoints):
                self.answers.append(visitor.request(endpoint, self._log))
                if self._stop.wait(HONEST_PAUSE_SECONDS):
                    return
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(repr(error))
        finally:
            visitor.close()


def abuse(
    visitors: Sequence[Visitor],
    endpoint: Endpoint,
    log: AccessLog,
    *,
    pause_seconds: float = 0.0,
    watch: Callable[[int], None],
) -> list[Answer]:
    """Let every visitor send requests until it was refused a few times; returns all answers.

    `watch` receives the number of requests made so far. After 60 s the visitors stop, and their answers show
    that they were not refused. Raises `LocalStackError` if the API does not answer.
    """
    answers: list[Answer] = []
    failures: list[Exception] = []
    deadline = time.monotonic() + ABUSE_SECONDS

    def send(visitor: Visitor) -> None:
        refusals = 0
        try:
            while refusals < REFUSALS_ENOUGH and time.monotonic() < deadline:
                answer = visitor.request(endpoint, log)
                answers.append(answer)
                refusals += answer.status == REFUSED
                time.sleep(pause_seconds)
        except (OSError, http.client.HTTPException) as error:
            failures.append(error)
        finally:
            visitor.close()

    threads = [threading.Thread(target=send, args=(visitor,), daemon=True) for visitor in visitors]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        watch(len(answers))
        time.sleep(0.05)
    if failures:
        raise LocalStackError(f"the API stopped answering: {failures[0]!r}") from failures[0]
    return sorted(answers, key=lambda answer: answer.answered_at)
