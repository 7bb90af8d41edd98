"""One suite for every shared log store: memory, moto, the emulator; and what only DynamoDB's can get
wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sessionwarden.adapters.dynamodb.shared_log import (
    AT_ONCE,
    ATTEMPTS,
    EPOCHS_KEPT,
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    DynamoDBSharedLogStore,
)
from sessionwarden.adapters.dynamodb.windows import DynamoDBWindowStore
from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.detection.engine import Engine
from sessionwarden.detection.storage.placement import SHARED_LOG_FORMAT
from sessionwarden.detection.storage.shared_log_size import FULL_EPOCHS_KEPT, SHARED_LOG_LIMIT
from sessionwarden.errors import StoreError
from sessionwarden.ports import SharedLogStore
from tests.adapters.test_window_store_contract import EXPIRY, make_table
from tests.support.detection import MINUTE, START, event, rule, ruleset

LIMIT = 5
OWNER, OTHER = b"an owner 1", b"an owner 2"


@contextmanager
def table(backend: str, request: pytest.FixtureRequest) -> Iterator[tuple[Any, str]]:
    if backend == "moto":
        with mock_aws():
            client = boto3.client("dynamodb")
            yield client, make_table(client)
    else:
        client = request.getfixturevalue("emulator").client("dynamodb")
        yield client, make_table(client)


@pytest.fixture(params=["memory", "moto", "ministack"])
def stores(request: pytest.FixtureRequest) -> Iterator[tuple[SharedLogStore, SharedLogStore]]:
    """Two processes at one table."""
    if request.param == "memory":
        store = MemoryWindowStore(shared_log_limit=LIMIT)
        yield store, store
        return
    with table(request.param, request) as (client, name):
        first, second = (DynamoDBSharedLogStore(client, name, shared_log_limit=LIMIT) for _ in range(2))
        yield first, second


@pytest.fixture
def moto_table() -> Iterator[tuple[Any, str]]:
    with mock_aws():
        client = boto3.client("dynamodb")
        yield client, make_table(client)


def append(store: SharedLogStore, epoch: int, *members: bytes) -> bool:
    return store.append(
        "shared_log", epoch, frozenset(OWNER + member for member in members), expires_at=EXPIRY
    )


def read(
    store: SharedLogStore, epochs: Iterable[int], shared_log: str = "shared_log"
) -> dict[int, set[bytes]]:
    found = store.read_shared_log(shared_log, epochs)
    assert all(one.count == len(one.of(OWNER)) for one in found.values())
    assert not any(one.of(OTHER) for one in found.values())
    return {epoch: set(one.of(OWNER)) for epoch, one in found.items()}


def test_what_one_process_appends_the_other_reads_at_once(
    stores: tuple[SharedLogStore, SharedLogStore],
) -> None:
    one, other = stores
    for turn, store in enumerate((one, other, other, one)):
        assert append(store, 7, b"%d" % turn)
        for reader in stores:
            assert read(reader, [6, 7, 8]) == {7: {b"%d" % number for number in range(turn + 1)}}


def test_epochs_and_shared_logs_do_not_mix(stores: tuple[SharedLogStore, SharedLogStore]) -> None:
    one, other = stores
    append(one, 7, b"a")
    append(one, 77, b"b")
    append(one, 8, b"c")
    assert read(other, [7, 8, 9]) == {7: {b"a"}, 8: {b"c"}}
    assert read(other, [7], "elsewhere") == {}
    assert read(other, []) == {}


def test_a_full_shared_log_says_so_but_to_whoever_brings_nothing_new(
    stores: tuple[SharedLogStore, SharedLogStore],
) -> None:
    one, other = stores
    assert append(one, 7, b"1", b"2", b"3", b"4")
    assert append(other, 7, b"5", b"6")
    assert not append(one, 7, b"7")
    assert append(one, 7, b"5")
    assert read(other, [7]) == {7: {b"%d" % number for number in range(1, 7)}}


def test_what_is_there_already_is_not_written_again(moto_table: tuple[Any, str]) -> None:
    client, name = moto_table
    for _ in range(3):
        append(DynamoDBSharedLogStore(client, name), 7, b"a", b"b")
    assert client.scan(TableName=name)["Count"] == 1


def test_only_what_is_new_is_read(moto_table: tuple[Any, str]) -> None:
    client, name = moto_table
    asked: list[str] = []

    class Watched:
        put_item = client.put_item

        def query(self, **request: Any) -> Any:
            asked.append(request["ExpressionAttributeValues"][":first"]["S"])
            assert request["ConsistentRead"]
            return client.query(**request)

    store = DynamoDBSharedLogStore(Watched(), name)  # type: ignore[arg-type]
    append(store, 7, b"a")
    append(DynamoDBSharedLogStore(client, name), 7, b"b")
    assert [read(store, [7]) for _ in range(2)] == [{7: {b"a", b"b"}}] * 2
    assert [first[-2:] for first in asked] == ["00", "01", "02"]


def test_a_number_that_somebody_else_took_costs_another_try(moto_table: tuple[Any, str]) -> None:
    client, name = moto_table
    rival = DynamoDBSharedLogStore(client, name)
    rivals = iter(range(3))

    class Contested:
        query = client.query

        def put_item(self, **request: Any) -> Any:
            number = next(rivals, None)
            if number is not None:
                append(rival, 7, b"rival %d" % number)
            return client.put_item(**request)

    store = DynamoDBSharedLogStore(Contested(), name)  # type: ignore[arg-type]
    assert append(store, 7, b"a")
    everything = {7: {b"a", b"rival 0", b"rival 1", b"rival 2"}}
    assert read(rival, [7]) == read(store, [7]) == everything


def test_numbers_that_are_always_taken_are_a_store_error_after_longer_and_longer_pauses(
    moto_table: tuple[Any, str],
) -> None:
    client, name = moto_table
    rival = DynamoDBSharedLogStore(client, name)
    tries: list[bytes] = []
    pauses: list[float] = []

    class Lost:
        query = client.query

        def put_item(self, **request: Any) -> Any:
            tries.append(b"%d" % len(tries))
            append(rival, 7, tries[-1])
            return client.put_item(**request)

    store = DynamoDBSharedLogStore(Lost(), name, pause=pauses.append, random=Longest())  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="taken by others"):
        append(store, 7, b"a")
    assert len(tries) == ATTEMPTS
    assert len(pauses) == ATTEMPTS - AT_ONCE - 1
    assert pauses[:3] == [FIRST_PAUSE_SECONDS, 2 * FIRST_PAUSE_SECONDS, 4 * FIRST_PAUSE_SECONDS]
    assert pauses[-1] == max(pauses) == LONGEST_PAUSE_SECONDS


class Longest(Random):
    """Of a range, always the end."""

    def uniform(self, a: float, b: float) -> float:
        return b


def test_what_took_a_number_is_known_from_the_refusal_without_another_query(
    moto_table: tuple[Any, str],
) -> None:
    client, name = moto_table
    rival = DynamoDBSharedLogStore(client, name)
    calls: list[str] = []

    class Overtaken:
        def query(self, **request: Any) -> Any:
            calls.append("query")
            return client.query(**request)

        def put_item(self, **request: Any) -> Any:
            calls.append("put")
            if calls.count("put") == 1:
                append(rival, 7, b"rival")
            return client.put_item(**request)

    store = DynamoDBSharedLogStore(Overtaken(), name)  # type: ignore[arg-type]
    assert append(store, 7, b"a")
    assert calls == ["query", "put", "put"]
    assert append(store, 7, b"rival")
    assert calls == ["query", "put", "put", "query"]


def test_a_table_that_does_not_say_what_took_a_number_is_asked(moto_table: tuple[Any, str]) -> None:
    client, name = moto_table
    rival = DynamoDBSharedLogStore(client, name)

    class Terse:
        query = client.query
        overtaken = False

        def put_item(self, **request: Any) -> Any:
            del request["ReturnValuesOnConditionCheckFailure"]
            if not self.overtaken:
                self.overtaken = append(rival, 7, b"rival")
            return client.put_item(**request)

    store = DynamoDBSharedLogStore(Terse(), name, pause=lambda seconds: None)  # type: ignore[arg-type]
    assert append(store, 7, b"a")
    assert read(rival, [7]) == {7: {b"a", b"rival"}}


def test_a_gap_that_a_query_saw_is_closed_before_anything_is_said(moto_table: tuple[Any, str]) -> None:
    client, name = moto_table
    rival = DynamoDBSharedLogStore(client, name)
    for member in (b"a", b"b", b"c"):
        append(rival, 7, member)

    class Torn:
        """A Query that passed number 1 before it was written, and number 2 after."""

        torn = True

        def query(self, **request: Any) -> Any:
            page = client.query(**request)
            if self.torn:
                self.torn = False
                del page["Items"][1]
            return page

    store = DynamoDBSharedLogStore(Torn(), name)  # type: ignore[arg-type]
    assert read(store, [7]) == {7: {b"a", b"b", b"c"}}


def test_of_a_shared_log_only_the_epochs_used_last_are_kept(moto_table: tuple[Any, str]) -> None:
    client, name = moto_table
    store = DynamoDBSharedLogStore(client, name)
    for epoch in range(EPOCHS_KEPT + 3):
        append(store, epoch, b"a")
        store.append("another", epoch, frozenset([OWNER + b"b"]), expires_at=EXPIRY)
    last = range(3, EPOCHS_KEPT + 3)
    assert {place for place in store._known if place[0] == "shared_log"} == {
        ("shared_log", epoch) for epoch in last
    }
    assert len(store._known) == 2 * EPOCHS_KEPT
    assert read(store, [0, EPOCHS_KEPT]) == {0: {b"a"}, EPOCHS_KEPT: {b"a"}}


def test_what_was_forgotten_is_read_again(moto_table: tuple[Any, str]) -> None:
    client, name = moto_table
    epochs = range(FULL_EPOCHS_KEPT + 2)
    store = DynamoDBSharedLogStore(client, name, shared_log_limit=2)
    for epoch in epochs:
        # a shared log for each, so that their number is not what is kept of one
        store.append(f"shared log {epoch}", epoch, frozenset([OWNER + b"a", OWNER + b"b"]), expires_at=EXPIRY)
    assert {epoch for _shared_log, epoch in store._known} == {*epochs} - {0}
    assert [read(store, [epoch], f"shared log {epoch}") for epoch in epochs] == [
        {epoch: {b"a", b"b"}} for epoch in epochs
    ]


def test_processes_that_differ_in_the_limit_do_not_meet_at_a_shared_log(moto_table: tuple[Any, str]) -> None:
    client, name = moto_table
    rules = ruleset(rule())
    small, large = (
        Engine(
            rules,
            DynamoDBWindowStore(client, name),
            shared_logs=DynamoDBSharedLogStore(client, name, shared_log_limit=limit),
        )
        for limit in (SHARED_LOG_LIMIT, SHARED_LOG_LIMIT + 1)
    )
    for engine in (small, large):
        outcome = engine.process([event(1), event(2)], now_ms=START + MINUTE)
        assert (outcome.failures, outcome.findings) == ((), ())
    names = {item["key"]["S"] for item in client.scan(TableName=name)["Items"]}
    assert names == {
        f"shelf{SHARED_LOG_FORMAT}#{MINUTE}",
        f"shelf{SHARED_LOG_FORMAT}-{SHARED_LOG_LIMIT + 1}#{MINUTE}",
    }
    assert len(small.process([event(3)], now_ms=START + MINUTE).findings) == 1


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_the_engine_finds_the_same_with_shared_logs_full_or_not(
    moto_table: tuple[Any, str], limit: int
) -> None:
    client, name = moto_table
    rules = ruleset(rule(), rule("addresses", kind="value_count", value_field="source_ip"))
    happened = [
        event(number, at=number * MINUTE // 4, user=user, source_ip=f"192.0.2.{number}")
        for number in range(4)
        for user in ("alice", "bob", "carol")
        if user != "carol" or number < 2
    ]
    found = []
    for start in range(0, len(happened), 2):
        # a new process each time: only the table remembers
        engine = Engine(
            rules,
            DynamoDBWindowStore(client, name),
            shared_logs=DynamoDBSharedLogStore(client, name, shared_log_limit=limit),
        )
        outcome = engine.process(happened[start : start + 2], now_ms=START + MINUTE)
        assert outcome.failures == ()
        outcome.commit(outcome.findings)
        found += [(finding.rule, finding.key["user"]) for finding in outcome.findings]
    assert sorted(found) == [(name, user) for name in ("addresses", "burst") for user in ("alice", "bob")]
    periods = {item["slot"]["S"][:2] for item in client.scan(TableName=name)["Items"]}
    assert periods == ({"s#", "c#"} if limit == 500 else {"s#", "e#", "c#"})
