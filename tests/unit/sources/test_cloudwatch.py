from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from sessionwarden.errors import SourceError
from sessionwarden.sources import cloudwatch
from sessionwarden.sources.cloudwatch import LogRecord, open_payload


def delivery(payload: Any) -> dict[str, Any]:
    return envelope(gzip.compress(json.dumps(payload).encode()))


def envelope(data: bytes) -> dict[str, Any]:
    return {"awslogs": {"data": base64.b64encode(data).decode()}}


PAYLOAD = {
    "messageType": "DATA_MESSAGE",
    "owner": "123456789012",
    "logGroup": "/access/shop",
    "logStream": "stream",
    "subscriptionFilters": ["sessionwarden"],
    "logEvents": [
        {"id": "1", "timestamp": 1_760_000_000_000, "message": "one"},
        {"id": "2", "timestamp": 1_760_000_000_001, "message": "two \u00e9\n"},
    ],
}


def reason(event: dict[str, Any]) -> str:
    with pytest.raises(SourceError) as caught:
        open_payload(event)
    return caught.value.reason


def test_a_payload_gives_its_log_group_and_records() -> None:
    batch = open_payload(delivery(PAYLOAD))
    assert batch.log_group == "/access/shop"
    assert batch.records == (
        LogRecord(id="1", message="one", timestamp=1_760_000_000_000),
        LogRecord(id="2", message="two \u00e9\n", timestamp=1_760_000_000_001),
    )


def test_a_control_message_holds_no_records() -> None:
    assert open_payload(delivery(PAYLOAD | {"messageType": "CONTROL_MESSAGE"})).records == ()


def test_a_payload_that_inflates_without_end_is_refused_before_it_fills_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cloudwatch, "MAX_PAYLOAD_BYTES", 100_000)
    bomb = gzip.compress(b"0" * 10_000_000)
    assert len(bomb) < 20_000
    assert reason(envelope(bomb)) == "payload_too_large"


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"awslogs": None},
        {"awslogs": {"data": 5}},
        {"awslogs": {"data": "a"}},
        envelope(b"plain"),
        envelope(gzip.compress(b"{}")),
        envelope(gzip.compress(b"not json")),
        envelope(gzip.compress(b'{"logGroup": "\xff"}')),
        envelope(gzip.compress(json.dumps(PAYLOAD).encode())[:-20]),
        delivery(PAYLOAD | {"logEvents": [{"id": 1}]}),
    ],
)
def test_what_is_no_payload_is_refused(event: dict[str, Any]) -> None:
    assert reason(event) == "bad_payload"
