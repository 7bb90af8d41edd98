"""Calls of a client are spaced out, and none is lost."""

from __future__ import annotations

import boto3
import pytest
from moto import mock_aws

from sessionwarden.adapters.aws.deadline import Deadline, OutOfTimeError
from sessionwarden.adapters.aws.pace import Pace


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


def test_after_a_burst_calls_keep_their_distance_and_a_pause_earns_a_burst_again(time: Time) -> None:
    pace = Pace(per_second=5, burst=10, clock=time.clock, sleep=time.sleep)
    with mock_aws():
        client = pace.guard(boto3.client("cognito-idp", region_name="us-east-1"))
        began: list[float] = []
        for _ in range(30):
            client.list_user_pools(MaxResults=1)
            began.append(time.now - 100)
        assert began[:10] == pytest.approx([0] * 10)
        for number in range(30):
            within = [at for at in began[number:] if at < began[number] + 0.99]
            assert len(within) <= 15, "a burst, and a second's share"
        assert began[29] == pytest.approx(4)
        time.now += 3600
        resumed = time.now
        for _ in range(10):
            client.list_user_pools(MaxResults=1)
        assert time.now == pytest.approx(resumed)
        client.list_user_pools(MaxResults=1)
        assert time.now > resumed + 0.1


def test_a_call_whose_turn_comes_after_the_deadline_is_not_made(time: Time) -> None:
    pace = Pace(per_second=1, burst=1, clock=time.clock, sleep=time.sleep)
    deadline = Deadline(seconds=2.5, clock=time.clock)
    with mock_aws():
        client = deadline.guard(pace.guard(boto3.client("cognito-idp", region_name="us-east-1")))
        deadline.start()
        for _ in range(3):
            client.list_user_pools(MaxResults=1)
        with pytest.raises(OutOfTimeError):
            client.list_user_pools(MaxResults=1)
