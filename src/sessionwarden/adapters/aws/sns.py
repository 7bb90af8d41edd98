"""Sends alerts to an SNS topic: text for e-mail, attributes for subscription filters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sessionwarden.errors import DeliveryError

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


class SNSAlertSink:
    """`ports.AlertSink` over one topic."""

    def __init__(self, client: SNSClient, topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    def alert(self, *, subject: str, message: str, attributes: Mapping[str, str]) -> None:
        try:
            self._client.publish(
                TopicArn=self._topic_arn,
                Subject=subject,
                Message=message,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                },
            )
        except ClientError as error:
            raise DeliveryError(f"alert topic: {error.response['Error']['Code']}") from error
        except BotoCoreError as error:
            raise DeliveryError(f"alert topic: {type(error).__name__}") from error
