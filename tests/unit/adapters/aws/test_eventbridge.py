from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from sessionwarden.adapters.aws.eventbridge import ATTEMPTS, MAX_REQUEST_BYTES, EventBridgePublisher
from sessionwarden.errors import DeliveryError


class Bus:
    """Accepts entries, except those that hold `refused`, or fails altogether."""

    def __init__(self, *, refused: str = "\0", times: int = 1000, error: Exception | None = None) -> None:
        self.refused = refused
        self.times = times
        self.error = error
        self.requests: list[list[dict[str, Any]]] = []

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.requests.append(Entries)
        if self.error:
            raise self.error
        results = [self._result(entry) for entry in Entries]
        return {"FailedEntryCount": sum("ErrorCode" in result for result in results), "Entries": results}

    def _result(self, entry: dict[str, Any]) -> dict[str, str]:
        if self.refused not in entry["Detail"] or not self.times:
            return {"EventId": "1"}
        self.times -= 1
        return {"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}


def publisher(bus: Any) -> EventBridgePublisher:
    return EventBridgePublisher(bus="bus", source="sessionwarden.detect", client=bus)


def test_an_entry_carries_bus_source_type_and_detail() -> None:
    bus = Bus()
    publisher(bus).publish("Finding", [b'{"a":1}'])
    entry = {
        "EventBusName": "bus",
        "Source": "sessionwarden.detect",
        "DetailType": "Finding",
        "Detail": '{"a":1}',
    }
    assert bus.requests == [[entry]]


def test_no_request_is_made_without_entries() -> None:
    bus = Bus()
    publisher(bus).publish("Finding", [])
    assert bus.requests == []


def test_a_request_holds_ten_entries_at_most() -> None:
    bus = Bus()
    publisher(bus).publish("Finding", [b"{}"] * 23)
    assert [len(request) for request in bus.requests] == [10, 10, 3]


def test_a_request_stays_under_the_limit_in_bytes() -> None:
    bus = Bus()
    details = ['"é"'.encode() + b" " * 400_000] * 5
    publisher(bus).publish("Finding", details)
    assert [len(request) for request in bus.requests] == [2, 2, 1]
    for request in bus.requests:
        assert sum(len(entry["Detail"].encode()) for entry in request) < MAX_REQUEST_BYTES


def test_refused_entries_alone_are_sent_again() -> None:
    bus = Bus(refused="b", times=1)
    publisher(bus).publish("Finding", [b'"a"', b'"b"', b'"c"'])
    assert [[entry["Detail"] for entry in request] for request in bus.requests] == [
        ['"a"', '"b"', '"c"'],
        ['"b"'],
    ]


def test_an_entry_refused_in_every_attempt_raises_and_holds_back_no_other() -> None:
    bus = Bus(refused="bad")
    with pytest.raises(DeliveryError, match="1 of 12 refused: ThrottlingException"):
        publisher(bus).publish("Finding", [b'"bad"', *([b'"good"'] * 11)])
    assert len(bus.requests) == ATTEMPTS + 1
    assert [len(request) for request in bus.requests] == [10, 1, 1, 2]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ClientError({"Error": {"Code": "AccessDeniedException"}}, "PutEvents"), "AccessDeniedException"),
        (EndpointConnectionError(endpoint_url="https://events.example"), "EndpointConnectionError"),
    ],
)
def test_a_call_that_fails_is_a_delivery_error(error: Exception, told: str) -> None:
    with pytest.raises(DeliveryError, match=told):
        publisher(Bus(error=error)).publish("Finding", [b"{}"])


def test_characters_that_sqs_refuses_travel_escaped() -> None:
    bus = Bus()
    publisher(bus).publish("Events", ['{"path":"/\ufffe\uffff\U0001f600é"}'.encode()])
    assert bus.requests[0][0]["Detail"] == '{"path":"/\\ufffe\\uffff\U0001f600é"}'


@mock_aws
def test_the_bus_of_an_aws_account_accepts_what_is_sent() -> None:
    client = boto3.client("events")
    client.create_event_bus(Name="bus")
    publisher(client).publish("Finding", [b"{}"] * 11)
