"""One suite for every window store: memory, moto, the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.stub import Stubber
from moto import mock_aws

from sessionwarden.adapters.dynamodb.windows import CHUNK, SEGMENT_LIMIT, DynamoDBWindowStore
from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.detection.engine import Engine, Runner, one_by_one
from sessionwarden.errors import StoreError
from sessionwarden.model.finding import Finding
from sessionwarden.model.rules import Inner
from sessionwarden.ports import MEMBER_BYTES, WindowStore
from tests.support.detection import HOUR, MINUTE, START, event, events, rule, ruleset, selection, single

EXPIRY = 4_000_000_000


def make_table(client: Any) -> str:
    name = f"windows-{uuid4().hex}"
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "key", "AttributeType": "S"},
            {"AttributeName": "slot", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "key", "KeyType": "HASH"},
            {"AttributeName": "slot", "KeyType": "RANGE"},
        ],
    )
    return name


LIMIT = 50
"""Of the stores under test: a full set of the real size takes the emulators seconds."""

SEGMENT = 7
"""Members of an item, where a set has several."""


@contextmanager
def open_store(backend: str, request: pytest.FixtureRequest) -> Iterator[WindowStore]:
    if backend == "memory":
        yield MemoryWindowStore(member_limit=LIMIT)
    elif backend == "moto":
        with mock_aws():
            client = boto3.client("dynamodb")
            yield DynamoDBWindowStore(client, make_table(client), member_limit=LIMIT, segment_limit=SEGMENT)
    else:
        client = request.getfixturevalue("emulator").client("dynamodb")
        yield DynamoDBWindowStore(client, make_table(client), member_limit=LIMIT, segment_limit=SEGMENT)


@pytest.fixture(params=["memory", "moto", "ministack"])
def store(request: pytest.FixtureRequest) -> Iterator[WindowStore]:
    with open_store(request.param, request) as opened:
        yield opened


@pytest.fixture(params=["memory", "ministack"])
def threaded_store(request: pytest.FixtureRequest) -> Iterator[WindowStore]:
    # moto's updates are not atomic between threads, which DynamoDB's are
    with open_store(request.param, request) as opened:
        yield opened


def add(store: WindowStore, key: str, epoch: int, *members: bytes) -> None:
    store.add({(key, epoch): frozenset(members)}, expires_at={(key, epoch): EXPIRY})


def test_what_was_added_is_read(store: WindowStore) -> None:
    add(store, "k", 7, b"\x00a", b"\xffb")
    assert store.read("k", [6, 7, 8]) == {7: frozenset({b"\x00a", b"\xffb"})}


def test_additions_unite_in_any_order_and_number(store: WindowStore) -> None:
    for members in ((b"b", b"a"), (b"c",), (b"a", b"c"), (b"b", b"a")):
        add(store, "k", 7, *members)
    assert store.read("k", [7]) == {7: frozenset({b"a", b"b", b"c"})}


def test_one_call_adds_to_several_epochs(store: WindowStore) -> None:
    places = {("k", 7): frozenset({b"a"}), ("k", 8): frozenset({b"b"})}
    store.add(places, expires_at=dict.fromkeys(places, EXPIRY))
    assert store.read("k", [7, 8]) == {7: frozenset({b"a"}), 8: frozenset({b"b"})}


def test_keys_and_epochs_do_not_mix(store: WindowStore) -> None:
    add(store, "k", 7, b"a")
    add(store, "kk", 7, b"b")
    add(store, "k", 77, b"c")
    assert store.read("k", [7]) == {7: frozenset({b"a"})}
    assert store.read("other", [7]) == {}


def test_epochs_far_apart_are_read_without_what_lies_between(store: WindowStore) -> None:
    for epoch in (9, 10, 11, 5_000_000_000):
        add(store, "k", epoch, b"%d" % epoch)
    found = store.read("k", [9, 10, 4_999_999_999, 5_000_000_000])
    assert found == {epoch: frozenset({b"%d" % epoch}) for epoch in (9, 10, 5_000_000_000)}


def test_a_full_set_says_which_members_it_has_no_room_for(store: WindowStore) -> None:
    place = ("k", 7)

    def added(*members: bytes, limit: int | None = None) -> Any:
        return store.add({place: frozenset(members)}, expires_at={place: EXPIRY}, limit=limit)

    full = [b"%03d" % number for number in range(LIMIT)]
    assert added(*full) == {}
    assert added(full[0], b"new") == {place: {b"new"}}
    assert added(*full) == {}
    assert store.read("k", [7]) == {7: frozenset(full)}


def test_a_set_can_have_a_smaller_limit(store: WindowStore) -> None:
    place = ("small", 7)
    for number in range(3):
        assert store.add({place: frozenset({b"%d" % number})}, expires_at={place: EXPIRY}, limit=3) == {}
    left = store.add({place: frozenset({b"0", b"x"})}, expires_at={place: EXPIRY}, limit=3)
    assert left == {place: {b"x"}}
    assert store.read("small", [7]) == {7: {b"0", b"1", b"2"}}


def test_sets_that_have_members_are_told_from_others(store: WindowStore) -> None:
    for number in range(120):
        add(store, f"k{number}", 7, b"a")
    asked = [(f"k{number}", epoch) for number in range(130) for epoch in (6, 7)]
    assert store.existing(asked) == {(f"k{number}", 7) for number in range(120)}
    assert store.existing([("k0", 7), ("k0", 7)]) == {("k0", 7)}
    assert store.existing([]) == frozenset()


def test_a_read_of_nothing_is_empty(store: WindowStore) -> None:
    assert store.read("k", []) == {}
    assert store.suppressed("k", []) == frozenset()


def test_suppressed_periods_are_told_apart(store: WindowStore) -> None:
    store.suppress("k", 5, expires_at=EXPIRY)
    store.suppress("k", 5, expires_at=EXPIRY)
    store.suppress("k", 7, expires_at=EXPIRY)
    assert store.suppressed("k", [4, 5, 6]) == frozenset({5})
    assert store.suppressed("k", [5, 7]) == frozenset({5, 7})
    assert store.suppressed("other", [5]) == frozenset()


def test_marks_are_no_members_and_members_are_no_marks(store: WindowStore) -> None:
    store.suppress("k", 5, expires_at=EXPIRY)
    add(store, "k", 6, b"a")
    assert store.read("k", [5, 6]) == {6: frozenset({b"a"})}
    assert store.suppressed("k", [5, 6]) == frozenset({5})


def test_a_full_set_takes_no_more_and_says_nothing(store: WindowStore) -> None:
    members = [b"%d" % number for number in range(LIMIT)]
    add(store, "k", 7, *members[1:])
    add(store, "k", 7, members[0])
    add(store, "k", 7, b"one too many")
    assert store.read("k", [7]) == {7: frozenset(members)}


def test_a_set_that_fills_member_by_member_takes_as_many_and_no_more(store: WindowStore) -> None:
    members = [b"%d" % number for number in range(LIMIT)]
    for member in members:
        add(store, "k", 7, member)
    add(store, "k", 7, b"one too many")
    assert store.read("k", [7]) == {7: frozenset(members)}


def test_large_sets_of_neighbouring_epochs_do_not_mix(store: WindowStore) -> None:
    sets = {epoch: frozenset(b"%d in %d" % (number, epoch) for number in range(20)) for epoch in (6, 7, 8)}
    for number in range(20):
        for epoch in sets:
            add(store, "k", epoch, b"%d in %d" % (number, epoch))
    assert store.read("k", [6, 7, 8]) == sets
    assert store.read("k", [6, 8]) == {6: sets[6], 8: sets[8]}


def test_the_largest_segment_is_no_item_that_dynamodb_refuses() -> None:
    # 400 KB with names and the other attributes; two bytes to spare for a member's frame
    assert (SEGMENT_LIMIT - 1 + CHUNK) * (MEMBER_BYTES + 2) < 390_000


def test_a_store_tells_how_much_a_set_takes(store: WindowStore) -> None:
    assert store.member_limit == LIMIT


def test_threads_lose_nothing(threaded_store: WindowStore) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: add(threaded_store, "k", 7, b"%d" % number), range(40)))
    assert threaded_store.read("k", [7]) == {7: frozenset(b"%d" % number for number in range(40))}


def check_that_the_engine_finds_what_it_finds_in_memory(store: WindowStore, run: Runner) -> None:
    steps = (selection(["number", "status", [401]], rule="failed"), selection(rule="any"))
    rules = ruleset(
        rule(),
        rule("addresses", kind="value_count", value_field="source_ip"),
        single(),
        rule("sum", kind="value_sum", value_field="latency_ms", threshold=14),
        rule("order", kind="temporal_ordered", steps=("failed", "any"), selections=steps, bounds=()),
        rule("repeated", selections=(), inner=(Inner(rule="burst"),), threshold=1, timespan_ms=HOUR),
    )
    happened = events(
        6,
        step=MINUTE // 4,
        fields=lambda number: {
            "source_ip": f"192.0.2.{number % 4}",
            "latency_ms": number,
            "status": 401 if number == 2 else 200,
        },
    )
    expected = Engine(rules, MemoryWindowStore()).process(happened, now_ms=START + MINUTE).findings
    found: list[Finding] = []
    for batch in (happened[1::2], happened[::2], happened):
        # a new process each time: only the store remembers
        engine = Engine(rules, store, run=run)
        outcome = engine.process(batch, now_ms=START + MINUTE)
        assert outcome.failures == ()
        found += outcome.findings
        outcome.commit(outcome.findings)
    assert {finding.id for finding in found} == {finding.id for finding in expected}
    assert len(found) == len(expected) == 6


def test_the_engine_finds_the_same_over_every_store(store: WindowStore) -> None:
    check_that_the_engine_finds_what_it_finds_in_memory(store, one_by_one)


def test_the_engine_finds_the_same_with_threads(threaded_store: WindowStore) -> None:
    with ThreadPoolExecutor(4) as threads:
        check_that_the_engine_finds_what_it_finds_in_memory(threaded_store, threads.map)


def test_keys_that_an_attacker_writes_are_stored(store: WindowStore) -> None:
    engine = Engine(ruleset(rule(group_by=("user_agent",))), store)
    hostile = [event(number, at=number, user_agent="\x00#e#\uffff" + "x" * 5000) for number in range(3)]
    outcome = engine.process(hostile, now_ms=START)
    assert outcome.failures == ()
    assert [finding.count for finding in outcome.findings] == [3]


@pytest.fixture
def dynamodb() -> Any:
    return boto3.client("dynamodb")


@pytest.mark.parametrize(
    "code", ["InternalServerError", "ProvisionedThroughputExceededException", "ResourceNotFoundException"]
)
def test_what_dynamodb_refuses_is_a_store_error(dynamodb: Any, code: str) -> None:
    store = DynamoDBWindowStore(dynamodb, "windows")
    with Stubber(dynamodb) as stubber:
        for operation in ("update_item", "query", "query", "put_item"):
            stubber.add_client_error(operation, code)
        with pytest.raises(StoreError, match=code):
            add(store, "k", 7, b"a")
        with pytest.raises(StoreError, match=code):
            store.read("k", [7])
        with pytest.raises(StoreError, match=code):
            store.suppressed("k", [7])
        with pytest.raises(StoreError, match=code):
            store.suppress("k", 7, expires_at=EXPIRY)


def test_a_timeout_is_a_store_error() -> None:
    class Silent:
        def query(self, **request: Any) -> Any:
            raise ReadTimeoutError(endpoint_url="https://dynamodb.example")

    store = DynamoDBWindowStore(Silent(), "windows")  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="ReadTimeoutError"):
        store.read("k", [7])


def test_a_query_of_several_pages_is_read_to_its_end(dynamodb: Any) -> None:
    def page(epoch: int) -> dict[str, Any]:
        return {"slot": {"S": f"e#{epoch:014d}"}, "members": {"BS": [b"a"]}}

    next_key = {"key": {"S": "k"}, "slot": {"S": "e#1"}}
    with Stubber(dynamodb) as stubber:
        stubber.add_response("query", {"Items": [page(7)], "LastEvaluatedKey": next_key})
        stubber.add_response("query", {"Items": [page(8)]})
        assert set(DynamoDBWindowStore(dynamodb, "windows").read("k", [7, 8])) == {7, 8}
        stubber.assert_no_pending_responses()


def test_reads_are_consistent_and_every_set_has_a_time_to_live() -> None:
    requests: list[dict[str, Any]] = []

    class Recorder:
        def query(self, **request: Any) -> Any:
            requests.append(request)
            return {"Items": []}

        def update_item(self, **request: Any) -> Any:
            requests.append(request)

    store = DynamoDBWindowStore(Recorder(), "windows")  # type: ignore[arg-type]
    add(store, "k", 7, b"a")
    store.read("k", [7])
    store.suppressed("k", [7])
    assert requests[0]["ExpressionAttributeValues"][":expires_at"] == {"N": str(EXPIRY)}
    assert [request.get("ConsistentRead") for request in requests] == [None, True, True]


def test_a_refusal_other_than_the_limit_is_not_swallowed(dynamodb: Any) -> None:
    full = {"slot": {"S": f"e#{7:014d}"}, "members": {"BS": [b"b"]}}
    with Stubber(dynamodb) as stubber:
        stubber.add_client_error("update_item", "ConditionalCheckFailedException")
        stubber.add_response("query", {"Items": [full]})
        add(DynamoDBWindowStore(dynamodb, "windows", member_limit=1), "k", 7, b"a")
        stubber.add_client_error("update_item", "ValidationException")
        with pytest.raises(StoreError) as caught:
            add(DynamoDBWindowStore(dynamodb, "windows"), "k", 7, b"a")
    assert isinstance(caught.value.__cause__, ClientError)


def test_memory_forgets_what_time_to_live_would_have_removed() -> None:
    store = MemoryWindowStore()
    store.add({("k", 1): frozenset({b"a"})}, expires_at={("k", 1): 100})
    store.add({("k", 2): frozenset({b"b"})}, expires_at={("k", 2): 200})
    store.suppress("k", 1, expires_at=100)
    store.suppress("k", 2, expires_at=200)
    store.expire(now=100)
    assert store.read("k", [1, 2]) == {2: frozenset({b"b"})}
    assert store.suppressed("k", [1, 2]) == frozenset({2})
