"""Puts acts on the queue of those that operators are told of together, one message each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from sessionwarden.errors import DeliveryError
from sessionwarden.model.decision import Enforcement

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SQSGroupedAlerts:
    """`ports.GroupedAlerts` over one queue."""

    def __init__(self, client: SQSClient, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def add(self, act: Enforcement) -> None:
        # ASCII only: SQS refuses U+FFFE and U+FFFF, and a username may hold one
        body = json.dumps(msgspec.to_builtins(act), separators=(",", ":"))
        try:
            self._client.send_message(QueueUrl=self._queue_url, MessageBody=body)
        except ClientError as error:
            raise DeliveryError(f"grouped alerts: {error.response['Error']['Code']}") from error
        except BotoCoreError as error:
            raise DeliveryError(f"grouped alerts: {type(error).__name__}") from error
