"""Sends findings to the enforcement queue, one message each.

Enforcement reads findings only from this queue, never from the bus, where applications may put events.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from sessionwarden.errors import DeliveryError
from sessionwarden.model.finding import Finding

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_ENTRIES = 10
"""Messages in a batch. Ten findings, whose texts are all bounded, stay far below the limit in bytes."""


class SQSFindingSink:
    """`ports.FindingSink` over one queue."""

    def __init__(self, client: SQSClient, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def emit(self, findings: Sequence[Finding]) -> None:
        refused = []
        for start in range(0, len(findings), MAX_ENTRIES):
            refused += self._send(findings[start : start + MAX_ENTRIES])
        if refused:
            raise DeliveryError(f"findings queue: {len(refused)} of {len(findings)} refused: {refused[0]}")

    def _send(self, findings: Sequence[Finding]) -> list[str]:
        try:
            answer = self._client.send_message_batch(
                QueueUrl=self._queue_url,
                Entries=[
                    {"Id": str(index), "MessageBody": _body(finding)}
                    for index, finding in enumerate(findings)
                ],
            )
        except ClientError as error:
            return [error.response["Error"]["Code"]] * len(findings)
        except BotoCoreError as error:
            return [type(error).__name__] * len(findings)
        return [failure["Code"] for failure in answer.get("Failed", [])]


def _body(finding: Finding) -> str:
    # ASCII only: SQS refuses U+FFFE and U+FFFF, and a client could write one into a group key
    return json.dumps(msgspec.to_builtins(finding), separators=(",", ":"))
