"""What detection believes: events that ingest can have made of a line, and no others."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given

from sessionwarden.model.event import Event
from sessionwarden.sources.access_log.line import parse_access_line
from sessionwarden.sources.authorizer_log import parse_decision_line
from sessionwarden.sources.ingested import could_be_ingested
from tests.property.test_access_log_block import NOW, PLAIN
from tests.property.test_access_log_columns import ours
from tests.unit.sources.test_authorizer_log import ALLOWED

REQUEST = Event(
    id="r",
    time=NOW,
    source="api_access",
    user="alice",
    session="s",
    client="web",
    pool="pool",
    decision="allow",
    path="/a",
    raw_path="/%61",
)
DECISION = Event(
    id="r", time=NOW, source="api_authorizer", user="alice", username="al", pool="pool", decision="deny"
)


@given(ours)
def test_every_line_of_an_access_log_becomes_an_event_that_is_believed(line: str) -> None:
    assert could_be_ingested(parse_access_line(line, now_ms=NOW))


def test_lines_as_they_are_written_are_believed() -> None:
    assert could_be_ingested(parse_access_line(PLAIN, now_ms=NOW))
    decided = parse_decision_line(json.dumps(ALLOWED | {"pool": "pool"}), now_ms=NOW)
    assert decided is not None
    assert could_be_ingested(decided)
    assert could_be_ingested(REQUEST)
    assert could_be_ingested(DECISION)


@pytest.mark.parametrize(
    "changes",
    [
        {"pool": None},
        {"decision": None},
        {"decision": "maybe"},
        {"pool": None, "user": None, "session": None},  # the client is left
        {"username": "al"},
        {"groups": ("admins",)},
        {"identity": "eu-west-1:1"},
        {"claimed_user": "bob"},
        {"country": "DE"},
        {"query": "a=b"},
        {"error": "x"},
        {"source": "identity"},
        {"source": "application"},
        {"id": ""},
        {"id": "r" * 129},
        {"time": 0},
    ],
    ids=str,
)
def test_an_invented_request_is_not_believed(changes: dict[str, Any]) -> None:
    assert not could_be_ingested(msgspec.structs.replace(REQUEST, **changes))


@pytest.mark.parametrize(
    "changes",
    [{"decision": None}, {"decision": "x"}, {"pool": None}, {"status": 200}, {"query": "a"}],
    ids=str,
)
def test_an_invented_decision_is_not_believed(changes: dict[str, Any]) -> None:
    assert not could_be_ingested(msgspec.structs.replace(DECISION, **changes))
