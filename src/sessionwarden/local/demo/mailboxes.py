"""Mailboxes: queues that receive Sessionwarden's bus events and alerts, as any subscriber would.

Each message has the time at which it was sent, by the queue's own clock, so that reading it late does not
falsify a measurement.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sessionwarden.errors import LocalStackError
from sessionwarden.local.emulator.deployer import ACCOUNT
from sessionwarden.local.emulator.emulator import REGION, Emulator

WAIT_SECONDS = 30.0


class Message(NamedTuple):
    """One message. `sent_at` is epoch ms; `body` is its JSON."""

    sent_at: int
    body: Mapping[str, Any]


class Mailbox:
    """A queue; received messages are kept in `messages`."""

    def __init__(self, emulator: Emulator, name: str) -> None:
        self._sqs = emulator.client("sqs")
        self._name = name
        self._url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": _open_to_services(self.arn)})
        self.messages: list[Message] = []

    def collect(self, wait_seconds: int = 0) -> None:
        """Receive up to ten messages, waiting up to `wait_seconds` for the first."""
        received = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        for message in received.get("Messages", ()):
            self.messages.append(
                Message(int(message["Attributes"]["SentTimestamp"]), json.loads(message["Body"]))
            )
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])

    def wait_for(
        self, wanted: Callable[[Message], bool], what: str, *, seconds: float = WAIT_SECONDS
    ) -> Message:
        """The first message that is `wanted`, among those received already or within `seconds`.

        Raises `LocalStackError`, which names `what`, if there is none.
        """
        deadline = time.monotonic() + seconds
        while True:
            found = next((message for message in self.messages if wanted(message)), None)
            if found is not None:
                return found
            if time.monotonic() > deadline:
                raise LocalStackError(f"{what} did not arrive within {seconds:.0f} s ({self._name})")
            self.collect(wait_seconds=1)


def listen_to_bus(emulator: Emulator, bus: str, *, detail_type: str) -> Mailbox:
    """A mailbox for events of one detail-type on the bus; bodies are EventBridge envelopes."""
    mailbox = Mailbox(emulator, f"demo-{detail_type.lower()}")
    events = emulator.client("events")
    rule = f"demo-{detail_type.lower()}"
    events.put_rule(Name=rule, EventBusName=bus, EventPattern=json.dumps({"detail-type": [detail_type]}))
    events.put_targets(Rule=rule, EventBusName=bus, Targets=[{"Id": "mailbox", "Arn": mailbox.arn}])
    return mailbox


def listen_to_topic(emulator: Emulator, topic_arn: str) -> Mailbox:
    """A mailbox for alerts; bodies are SNS's JSON, with `Subject`, `Message` and so on."""
    mailbox = Mailbox(emulator, "demo-alerts")
    emulator.client("sns").subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=mailbox.arn)
    return mailbox


def _open_to_services(arn: str) -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": ["events.amazonaws.com", "sns.amazonaws.com"]},
                    "Action": "sqs:SendMessage",
                    "Resource": arn,
                }
            ],
        }
    )
