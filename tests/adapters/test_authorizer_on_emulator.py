"""The authorizer's own code against a Cognito and a DynamoDB that somebody else wrote."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from functions.authorizer.handler import Service
from sessionwarden.adapters.dynamodb.denylist import DynamoDBDenylistStore
from sessionwarden.adapters.lean.denylist import LeanDenylist, Poll, lean_denylist
from sessionwarden.authorizer.authorizer import Authorizer
from sessionwarden.authorizer.operator_notes import note
from sessionwarden.denylist.item import to_item
from sessionwarden.model.deny import DenyEntry
from sessionwarden.model.principal import principal
from tests.support.authorizer_events import http_event
from tests.support.cognito_pool import EmulatedPool
from tests.support.enforcement import MACHINE, NETWORK_DENY, World, deployed, finding
from tests.support.tables import denylist_table, make_table

if TYPE_CHECKING:
    from sessionwarden.local.emulator.emulator import Emulator


@pytest.fixture(scope="module")
def table(emulator: Emulator) -> str:
    return make_table(emulator.client("dynamodb"), denylist_table)


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


@pytest.mark.parametrize("denied", ["network", "client"])
def test_what_enforcement_denies_is_refused_five_seconds_later_and_let_in_again_after_a_lift(
    emulator: Emulator, table: str, denylist: LeanDenylist, denied: str
) -> None:
    people = EmulatedPool(emulator)
    people.add("alice")
    token, pool, client = people.sign_in("alice").access, people.pool_id, people.client_id
    ahead = 0.0

    def clock() -> float:
        return time.time() + ahead

    service = Service(
        Authorizer(
            verifier=people.verifier(clock),
            denylist=denylist,
            clock=clock,
            report=note,
            broad=Poll(denylist.broad, clock=clock),
        )
    )

    def answer() -> tuple[bool, str]:
        found = service.answer(http_event(token), invocation_id="1")
        return found["isAuthorized"], found["context"]["reason"]

    assert answer() == (True, "ok")

    store: Any = DynamoDBDenylistStore(emulator.client("dynamodb"), table)
    world = World(deployment=deployed(pools=(pool,)), now_ms=int(time.time() * 1000), denylist=store)
    machine = MACHINE | {"key": {"client": client, "pool": pool}, "pool": pool, "client": client}
    changes = machine if denied == "client" else {"answer": NETWORK_DENY}
    done = world.enforcer.enforce(finding(id=uuid.uuid4().hex, time=world.now_ms, **changes))
    assert done.decision.withheld is None
    ahead += 5
    assert answer() == (False, f"{denied}_denied")

    assert world.lift.lift(done.decision.id, lifted_at=int(clock()), by="x", revive_tokens=False)
    ahead += 5
    assert answer() == (True, "ok")
