from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from sessionwarden.adapters.aws.deadline import Deadline, OutOfTimeError


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Answering:
    """A client whose every attempt is answered without a network; `status` says how."""

    def __init__(self, deadline: Deadline) -> None:
        self.attempts = 0
        self.status = 200
        self.client: Any = deadline.guard(boto3.client("dynamodb"))
        self.client.meta.events.register("before-send", self._answer)

    def list_tables(self) -> Any:
        return self.client.list_tables()

    def _answer(self, **request: Any) -> AWSResponse:
        self.attempts += 1

        class Raw:
            def stream(self) -> list[bytes]:
                return [b"{}"]

        return AWSResponse("https://dynamodb.example", self.status, HTTPHeaders(), Raw())


def test_calls_are_made_until_the_deadline_and_none_after_it() -> None:
    time = Time()
    deadline = Deadline(seconds=5, clock=time)
    answering = Answering(deadline)
    deadline.start()
    time.now += 4.9
    answering.list_tables()
    time.now += 0.1
    with pytest.raises(OutOfTimeError):
        answering.list_tables()
    assert answering.attempts == 1


def test_the_next_batch_has_time_of_its_own() -> None:
    time = Time()
    deadline = Deadline(seconds=5, clock=time)
    answering = Answering(deadline)
    deadline.start()
    time.now += 60
    deadline.start()
    answering.list_tables()
    assert answering.attempts == 1


def test_nothing_is_refused_before_the_first_batch() -> None:
    answering = Answering(Deadline(seconds=0, clock=Time()))
    answering.list_tables()
    assert answering.attempts == 1


def test_a_retry_after_the_deadline_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time()
    deadline = Deadline(seconds=5, clock=time)
    answering = Answering(deadline)
    answering.status = 500
    deadline.start()

    def sleep(seconds: float) -> None:
        time.now += 5

    monkeypatch.setattr("botocore.endpoint.time.sleep", sleep)
    with pytest.raises(OutOfTimeError):
        answering.list_tables()
    assert answering.attempts == 1
