"""The authorizer's own code against a Cognito and a DynamoDB that somebody else wrote."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from functions.authorizer.handler import Service
from sessionwarden.adapters.dynamodb_lean import LeanDenylist, lean_denylist
from sessionwarden.authorization.authorizer import Authorizer
from sessionwarden.authorizer.note import note
from sessionwarden.denylist.item import to_item
from sessionwarden.denylist.principal import principal
from sessionwarden.model.deny import DenyEntry
from tests.authorizer_events import http_event
from tests.emulated_pool import EmulatedPool

if TYPE_CHECKING:
    from sessionwarden.local.emulator import Emulator


@pytest.fixture(scope="module")
def table(emulator: Emulator) -> str:
    name = f"denylist-{uuid.uuid4().hex[:8]}"
    emulator.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "principal", "AttributeType": "S"},
            {"AttributeName": "decision_id", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "principal", "KeyType": "HASH"},
            {"AttributeName": "decision_id", "KeyType": "RANGE"},
        ],
    )
    return name


@pytest.fixture
def denylist(emulator: Emulator, table: str) -> Iterator[LeanDenylist]:
    reader = lean_denylist(emulator.environment(), table=table, region="us-east-1")
    yield reader
    reader.close()


def put(emulator: Emulator, table: str, key: str, entry: DenyEntry) -> None:
    emulator.client("dynamodb").put_item(TableName=table, Item=to_item(key, entry))


def test_entries_written_with_boto3_are_read_back_whole(
    emulator: Emulator, table: str, denylist: LeanDenylist
) -> None:
    key = f"p#{uuid.uuid4()}"
    known = [
        DenyEntry("d-1", 5, not_before=4),
        DenyEntry("d-2", 6, session="s", lifted_at=3, tokens_revived=True),
    ]
    assert denylist.entries(key) == ()
    for entry in known:
        put(emulator, table, key, entry)
    assert denylist.entries(key) == tuple(known)


def test_a_real_sign_in_passes_until_a_deny_is_written(
    emulator: Emulator, table: str, denylist: LeanDenylist
) -> None:
    people = EmulatedPool(emulator)
    people.add("alice")
    token = people.sign_in("alice").access
    service = Service(
        Authorizer(verifier=people.verifier(time.time), denylist=denylist, clock=time.time, report=note)
    )
    before = service.answer(http_event(token), invocation_id="1")
    assert before["isAuthorized"] is True
    assert before["context"]["username"] == "alice"

    now = int(time.time())
    key = principal(people.pool_id, before["context"]["user"])
    put(emulator, table, key, DenyEntry("d", now + 900, not_before=now))
    after = service.answer(http_event(token), invocation_id="2")
    assert (after["isAuthorized"], after["context"]["reason"]) == (False, "signed_out")
