from __future__ import annotations

import json
from typing import Any

import boto3
import msgspec
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from moto import mock_aws

from sessionwarden.adapters.aws.sqs_findings import SQSFindingSink
from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.detection.engine import Engine
from sessionwarden.errors import DeliveryError
from sessionwarden.model.finding import Finding
from tests.support.detection import START, event, ruleset, single


def findings(count: int, *, name: str = "user") -> list[Finding]:
    engine = Engine(ruleset(single()), MemoryWindowStore())
    happened = [
        event(number, user=f"{name}-{number}", username=f"{name}\ufffe\uffff") for number in range(count)
    ]
    return list(engine.process(happened, now_ms=START).findings)


@mock_aws
def test_every_finding_is_one_message() -> None:
    client = boto3.client("sqs")
    url = client.create_queue(QueueName="findings")["QueueUrl"]
    sent = findings(13)
    SQSFindingSink(client, url).emit(sent)
    bodies: list[str] = []
    while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [message["Body"] for message in messages]
    received = [msgspec.json.decode(body, type=Finding) for body in bodies]
    assert sorted(received, key=lambda one: one.id) == sorted(sent, key=lambda one: one.id)


def test_a_body_holds_no_character_that_sqs_refuses() -> None:
    bodies: list[str] = []

    class Queue:
        def send_message_batch(self, **request: Any) -> Any:
            bodies.extend(entry["MessageBody"] for entry in request["Entries"])
            return {}

    SQSFindingSink(Queue(), "url").emit(findings(1))  # type: ignore[arg-type]
    assert all(body.isascii() for body in bodies)
    assert json.loads(bodies[0])["username"] == "user\ufffe\uffff"


def test_a_refused_message_is_a_delivery_error() -> None:
    client = boto3.client("sqs")
    failure = {"Id": "0", "SenderFault": False, "Code": "InternalError"}
    with Stubber(client) as stubber:
        stubber.add_response("send_message_batch", {"Successful": [], "Failed": [failure]})
        with pytest.raises(DeliveryError, match="1 of 1 refused: InternalError"):
            SQSFindingSink(client, "https://queue.example/1/q").emit(findings(1))


def test_a_later_batch_is_sent_although_an_earlier_one_failed() -> None:
    client = boto3.client("sqs")
    with Stubber(client) as stubber:
        stubber.add_client_error("send_message_batch", "OverLimit")
        stubber.add_response("send_message_batch", {"Successful": [], "Failed": []})
        with pytest.raises(DeliveryError, match="10 of 12 refused: OverLimit"):
            SQSFindingSink(client, "https://queue.example/1/q").emit(findings(12))
        stubber.assert_no_pending_responses()


def test_a_queue_out_of_reach_is_a_delivery_error() -> None:
    class Gone:
        def send_message_batch(self, **request: Any) -> Any:
            raise EndpointConnectionError(endpoint_url="https://sqs.example")

    with pytest.raises(DeliveryError, match="EndpointConnectionError"):
        SQSFindingSink(Gone(), "url").emit(findings(1))  # type: ignore[arg-type]
