"""Unpacks the log records that a CloudWatch Logs subscription delivers to a Lambda function.

The payload is `{"awslogs": {"data": base64 of gzip of JSON}}`. Invariant: unpacking needs bounded memory,
however large the data is when decompressed.
Format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
"""

from __future__ import annotations

import binascii
import zlib
from typing import Any, NamedTuple

import msgspec

from sessionwarden.errors import SourceError
from sessionwarden.sources.strict_json import UNREADABLE

MAX_PAYLOAD_BYTES = 64 * 1024 * 1024
"""The most decompressed bytes. Lambda's 6 MB hold 4.5 MB of gzip, and access logs shrink ten-fold."""

_GZIP_ONLY = 16 + zlib.MAX_WBITS


class LogRecord(msgspec.Struct, frozen=True, gc=False):
    """One log event. Its own time is left out, because the request's time is in the message."""

    id: str
    message: str


class LogBatch(NamedTuple):
    """The records of one delivery; none for a control message."""

    log_group: str
    records: tuple[LogRecord, ...]


class _Payload(msgspec.Struct, rename="camel"):
    message_type: str
    log_group: str
    log_events: tuple[LogRecord, ...]


_decode_payload = msgspec.json.Decoder(_Payload).decode


def open_payload(event: dict[str, Any]) -> LogBatch:
    """The records that a subscription delivered.

    Raises `SourceError`: `bad_payload` or `payload_too_large`. A `CONTROL_MESSAGE`, with which CloudWatch
    Logs tests whether the destination answers, holds no records.
    """
    try:
        compressed = binascii.a2b_base64(event["awslogs"]["data"])
        payload = _decode_payload(_inflate(compressed))
    except (KeyError, TypeError, ValueError, zlib.error, *UNREADABLE) as error:
        raise SourceError("bad_payload", type(error).__name__) from error
    if payload.message_type != "DATA_MESSAGE":
        return LogBatch(payload.log_group, ())
    return LogBatch(payload.log_group, payload.log_events)


def _inflate(compressed: bytes) -> bytes:
    inflater = zlib.decompressobj(_GZIP_ONLY)
    inflated = inflater.decompress(compressed, MAX_PAYLOAD_BYTES)
    if inflater.unconsumed_tail:
        raise SourceError("payload_too_large")
    if not inflater.eof:
        raise SourceError("bad_payload", "truncated gzip")
    return inflated
