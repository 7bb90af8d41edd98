"""One suite for every denylist store: memory, moto, the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sessionwarden.adapters.dynamodb.denylist import DynamoDBDenylistStore
from sessionwarden.adapters.memory.enforcement import MemoryDenylistStore
from sessionwarden.denylist.item import to_item
from sessionwarden.errors import DamagedItemError, StoreError
from sessionwarden.model.deny import BroadDeny, DenyEntry
from sessionwarden.ports import DenylistStore
from tests.support.tables import BACKENDS, denylist_table, dynamodb, make_table

WHO = "eu-west-1_Pool1#sub-1"
ENTRY = DenyEntry(decision_id="d-1", expires_at=2000, not_before=1000, deny_until=1500, session="s-1")
NETWORK = BroadDeny("p-1", 1_500, network="203.0.113.7/32")
CLIENT = BroadDeny("p-2", 99_000, client="eu-west-1_Pool1#app")


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest) -> Iterator[DenylistStore]:
    if request.param == "memory":
        yield MemoryDenylistStore()
        return
    with dynamodb(request.param, request) as client:
        yield DynamoDBDenylistStore(client, make_table(client, denylist_table))


def test_what_was_put_is_read_back_whole(store: DenylistStore) -> None:
    bare = DenyEntry(decision_id="d-2", expires_at=2000)
    store.put(WHO, ENTRY)
    store.put(WHO, bare)
    assert sorted(store.entries(WHO)) == [ENTRY, bare]


def test_entries_of_another_user_are_not_read(store: DenylistStore) -> None:
    store.put(WHO + "0", ENTRY)
    assert list(store.entries(WHO)) == []


def test_a_second_put_changes_nothing(store: DenylistStore) -> None:
    store.put(WHO, ENTRY)
    store.put(WHO, ENTRY._replace(not_before=1999, deny_until=None))
    assert list(store.entries(WHO)) == [ENTRY]


def test_a_lift_leaves_a_tombstone_that_a_put_cannot_remove(store: DenylistStore) -> None:
    store.put(WHO, ENTRY)
    assert store.lift(WHO, "d-1", lifted_at=1200, revive_tokens=False)
    store.put(WHO, ENTRY)
    assert list(store.entries(WHO)) == [ENTRY._replace(lifted_at=1200)]


def test_a_tombstone_that_was_put_first_keeps_the_deny_out(store: DenylistStore) -> None:
    tombstone = ENTRY._replace(lifted_at=1200)
    store.put(WHO, tombstone)
    store.put(WHO, ENTRY)
    assert list(store.entries(WHO)) == [tombstone]


def test_a_second_lift_can_revive_tokens_and_never_kills_them_again(store: DenylistStore) -> None:
    store.put(WHO, ENTRY)
    for lifted_at, revive in ((1200, False), (1300, True), (1400, False)):
        assert store.lift(WHO, "d-1", lifted_at=lifted_at, revive_tokens=revive)
    assert list(store.entries(WHO)) == [ENTRY._replace(lifted_at=1200, tokens_revived=True)]


def test_lifting_what_is_not_there_writes_nothing(store: DenylistStore) -> None:
    assert not store.lift(WHO, "d-9", lifted_at=1200, revive_tokens=True)
    assert list(store.entries(WHO)) == []


def test_a_user_with_many_decisions_is_read_completely(store: DenylistStore) -> None:
    # beyond one page of 1 MB for DynamoDB
    long = "s" * 9_000
    entries = [ENTRY._replace(decision_id=f"d-{number:03}", session=long) for number in range(130)]
    for entry in entries:
        store.put(WHO, entry)
    assert sorted(store.entries(WHO)) == entries


@pytest.mark.parametrize("backend", ["moto"])
def test_a_table_that_does_not_answer_is_a_store_error(backend: str, request: pytest.FixtureRequest) -> None:
    with dynamodb(backend, request) as client:
        missing = DynamoDBDenylistStore(client, "no-such-table")
        for call in (
            lambda: missing.put(WHO, ENTRY),
            lambda: missing.entries(WHO),
            lambda: missing.lift(WHO, "d-1", lifted_at=1, revive_tokens=False),
            lambda: missing.put_broad(CLIENT),
            lambda: missing.broad(now=0),
            lambda: missing.lift_broad(CLIENT, lifted_at=1),
        ):
            with pytest.raises(StoreError, match="no-such-table: ResourceNotFoundException"):
                call()


def test_broad_entries_are_read_back_until_their_very_second(store: DenylistStore) -> None:
    for entry in (CLIENT, NETWORK):
        store.put_broad(entry)
    assert list(store.broad(now=1_500)) == [NETWORK, CLIENT]
    assert list(store.broad(now=1_501)) == [CLIENT]
    assert list(store.broad(now=99_001)) == []
    assert list(store.entries(WHO)) == []


def test_a_second_put_of_a_broad_entry_changes_nothing(store: DenylistStore) -> None:
    store.put_broad(NETWORK)
    store.put_broad(NETWORK._replace(network="0.0.0.0/0"))
    assert list(store.broad(now=0)) == [NETWORK]


def test_a_lift_of_a_broad_entry_leaves_a_tombstone_and_the_first_stays(store: DenylistStore) -> None:
    assert not store.lift_broad(NETWORK, lifted_at=1_200)
    store.put_broad(NETWORK)
    for lifted_at in (1_200, 1_300):
        assert store.lift_broad(NETWORK, lifted_at=lifted_at)
    store.put_broad(NETWORK)
    assert list(store.broad(now=0)) == [NETWORK._replace(lifted_at=1_200)]


def test_a_broad_tombstone_that_was_put_first_keeps_the_deny_out(store: DenylistStore) -> None:
    store.put_broad(CLIENT._replace(lifted_at=1_200))
    store.put_broad(CLIENT)
    assert [entry.lifted_at for entry in store.broad(now=0)] == [1_200]


@pytest.mark.parametrize("entry", [BroadDeny("p", 5), CLIENT._replace(network="203.0.113.7/32")])
def test_a_broad_entry_that_names_no_one_thing_is_not_written(store: DenylistStore, entry: BroadDeny) -> None:
    with pytest.raises(ValueError, match="either a client or a network"):
        store.put_broad(entry)


@pytest.mark.parametrize("text", ["203.0.113.7/24", "2001:db8::%1/64", "office"])
def test_a_network_that_no_authorizer_could_read_is_not_written(store: DenylistStore, text: str) -> None:
    with pytest.raises(ValueError, match=r"not an address|host bits"):
        store.put_broad(NETWORK._replace(network=text))
    assert list(store.broad(now=0)) == []


def test_many_broad_entries_are_all_read(store: DenylistStore) -> None:
    many = [CLIENT._replace(decision_id=f"p-{number:03}") for number in range(120)]
    for entry in many:
        store.put_broad(entry)
    assert list(store.broad(now=0)) == many


def test_a_damaged_item_is_an_error_and_not_skipped(request: pytest.FixtureRequest) -> None:
    with dynamodb("moto", request) as client:
        table = make_table(client, denylist_table)
        client.put_item(TableName=table, Item={"principal": {"S": WHO}, "decision_id": {"S": "d-1"}})
        with pytest.raises(StoreError):
            DynamoDBDenylistStore(client, table).entries(WHO)


def test_items_of_another_owner_are_an_error_and_never_believed() -> None:
    class Mixed:
        """A table that answers every query with the items of another principal."""

        def get_paginator(self, operation: str) -> Any:
            return self

        def paginate(self, **request: Any) -> Any:
            return [{"Items": [to_item("pool#another", ENTRY)]}]

    store = DynamoDBDenylistStore(Mixed(), "denylist")  # type: ignore[arg-type]
    for read in (lambda: store.entries(WHO), lambda: store.broad(now=0)):
        with pytest.raises(DamagedItemError):
            read()


def test_entries_are_read_strongly_consistent() -> None:
    requests: list[dict[str, Any]] = []

    class Recorder:
        def get_paginator(self, operation: str) -> Any:
            assert operation == "query"
            return self

        def paginate(self, **request: Any) -> Any:
            requests.append(request)
            return []

    store = DynamoDBDenylistStore(Recorder(), "denylist")  # type: ignore[arg-type]
    store.entries(WHO)
    store.broad(now=0)
    assert [request.get("ConsistentRead") for request in requests] == [True, True]
