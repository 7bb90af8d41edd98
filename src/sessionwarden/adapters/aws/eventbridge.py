"""Publishes Sessionwarden's events on the EventBridge bus, in as few calls as its limits allow.

A call can succeed and still refuse single entries (`FailedEntryCount`). Only those are sent again, and
entries that are refused in every attempt raise `DeliveryError`.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sessionwarden.adapters.aws.clients import client as make_client
from sessionwarden.errors import DeliveryError

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

MAX_ENTRIES = 10
MAX_REQUEST_BYTES = 1_000_000
"""The bytes of a request, below AWS's limit, which counts source, detail-type and detail of all entries."""

ATTEMPTS = 3
"""How often a refused entry is sent, because botocore does not retry single throttled entries."""

# SQS refuses messages that hold these two characters unescaped, so a client could keep a whole pack of
# events from the queue behind the bus. In JSON, non-ASCII characters occur only in strings.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
NOT_FOR_SQS = ((b"\xef\xbf\xbe", b"\\ufffe"), (b"\xef\xbf\xbf", b"\\uffff"))


class EventBridgePublisher:
    """`ports.Publisher` over one bus, under one source: `sessionwarden.<part>`.

    Without `client`, it makes one for the environment's Region and credentials.
    """

    def __init__(self, *, bus: str, source: str, client: EventBridgeClient | None = None) -> None:
        self._client: EventBridgeClient = client or make_client("events")
        self._bus = bus
        self._source = source

    def publish(self, detail_type: str, details: Sequence[bytes]) -> None:
        texts = [_fit_for_sqs(detail).decode() for detail in details]
        entries: list[PutEventsRequestEntryTypeDef] = [
            {"EventBusName": self._bus, "Source": self._source, "DetailType": detail_type, "Detail": text}
            for text in texts
        ]
        # every chunk is tried before an error is raised, so that one bad entry does not hold back the rest
        refused = [code for chunk in _chunks(entries) for code in self._put(chunk)]
        if refused:
            raise DeliveryError(f"bus {self._bus}: {len(refused)} of {len(entries)} refused: {refused[0]}")

    def _put(self, entries: list[PutEventsRequestEntryTypeDef]) -> list[str]:
        """The error codes of the entries that were refused in every attempt."""
        codes: list[str] = []
        for _ in range(ATTEMPTS):
            try:
                answer = self._client.put_events(Entries=entries)
            except ClientError as error:
                return [error.response["Error"]["Code"]] * len(entries)
            except BotoCoreError as error:
                return [type(error).__name__] * len(entries)
            if not answer["FailedEntryCount"]:
                return []
            failed = [
                (entry, result["ErrorCode"])
                for entry, result in zip(entries, answer["Entries"], strict=True)
                if "ErrorCode" in result
            ]
            entries = [entry for entry, _ in failed]
            codes = [code for _, code in failed]
        return codes


def _fit_for_sqs(detail: bytes) -> bytes:
    for raw, escaped in NOT_FOR_SQS:
        detail = detail.replace(raw, escaped)
    return detail


def _chunks(entries: list[PutEventsRequestEntryTypeDef]) -> Iterator[list[PutEventsRequestEntryTypeDef]]:
    chunk: list[PutEventsRequestEntryTypeDef] = []
    size = 0
    for entry in entries:
        entry_size = sum(len(entry[name].encode()) for name in ("Source", "DetailType", "Detail"))
        if chunk and (len(chunk) == MAX_ENTRIES or size + entry_size > MAX_REQUEST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(entry)
        size += entry_size
    if chunk:
        yield chunk
