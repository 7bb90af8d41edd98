"""Sets in segments: several processes over one table, in any interleaving, with faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from benchmarks.cost_meter import Bill, MeteredTable
from sessionwarden.adapters.dynamodb import windows as dynamodb_windows
from sessionwarden.adapters.dynamodb.segments import FullSegments, Prefix
from sessionwarden.adapters.dynamodb.windows import DynamoDBWindowStore
from sessionwarden.errors import StoreError

HISTORIES = 400
EXPIRY = 4_000_000_000
LIMIT = 12
SEGMENT = 5


class Shared:
    """One process's client. `meanwhile` runs before each call, `lose` says whose answer is lost."""

    def __init__(self, table: MeteredTable) -> None:
        self._table = table
        self.calls: Counter[str] = Counter()
        self.meanwhile: Callable[[], None] = lambda: None
        self.lose: Callable[[], bool] = lambda: False

    def update_item(self, **request: Any) -> Any:
        return self._call("UpdateItem", self._table.update_item, request)

    def query(self, **request: Any) -> Any:
        return self._call("Query", self._table.query, request)

    def _call(self, name: str, call: Callable[..., Any], request: dict[str, Any]) -> Any:
        self.calls[name] += 1
        self.meanwhile()
        answer = call(**request)
        if self.lose():
            raise ClientError({"Error": {"Code": "InternalServerError"}}, name)
        return answer


class Process:
    """A store with a memory of its own."""

    def __init__(self, table: MeteredTable, *, members_kept: int = 1_000, limit: int = LIMIT) -> None:
        self.client = Shared(table)
        self.store = DynamoDBWindowStore(
            self.client,  # type: ignore[arg-type]
            "windows",
            member_limit=limit,
            segment_limit=SEGMENT,
            members_kept=members_kept,
        )

    def add(self, *members: bytes, epoch: int = 7) -> None:
        self.store.add({("k", epoch): frozenset(members)}, expires_at={("k", epoch): EXPIRY})

    def read(self, *epochs: int) -> dict[int, frozenset[bytes]]:
        return dict(self.store.read("k", epochs or (6, 7, 8)))


def segments(table: MeteredTable, epoch: int = 7) -> list[frozenset[bytes]]:
    """What lies in each item of an epoch."""
    values = {":key": {"S": "k"}, ":first": {"S": f"e#{epoch:014d}"}, ":last": {"S": f"e#{epoch:014d}$"}}
    found = table.query(ExpressionAttributeValues=values)["Items"]
    return [frozenset(item["members"]["BS"]) for item in found if item["members"]["BS"]]


def some(count: int, *, first: int = 0) -> list[bytes]:
    return [b"%03d" % number for number in range(first, first + count)]


@pytest.fixture
def table() -> MeteredTable:
    return MeteredTable(Bill())


def test_what_is_behind_a_full_segment_goes_into_the_next(table: MeteredTable) -> None:
    process = Process(table)
    for member in some(LIMIT + 3):
        process.add(member)
    assert [len(segment) for segment in segments(table)] == [SEGMENT, SEGMENT, LIMIT - 2 * SEGMENT]
    assert process.read() == {7: frozenset(some(LIMIT))}


def test_a_process_that_knows_of_no_segment_finds_its_way_with_one_refusal_and_one_look(
    table: MeteredTable,
) -> None:
    Process(table).add(*some(SEGMENT))
    Process(table).add(*some(SEGMENT, first=SEGMENT))
    process = Process(table)
    process.add(b"late")
    assert process.client.calls == {"UpdateItem": 2, "Query": 1}
    process.add(b"later")
    assert process.client.calls == {"UpdateItem": 3, "Query": 1}


def test_a_set_that_is_known_to_be_full_is_neither_written_nor_read_any_more(table: MeteredTable) -> None:
    process = Process(table)
    process.add(*some(LIMIT))
    full = process.read(7)
    process.client.calls.clear()
    process.add(b"one too many")
    assert process.read(7) == full == {7: frozenset(some(LIMIT))}
    assert process.client.calls == {}


def test_neighbours_of_a_full_set_are_read_all_the_same(table: MeteredTable) -> None:
    process = Process(table)
    process.add(*some(LIMIT))
    process.read()
    for epoch in (6, 8):
        Process(table).add(b"x", epoch=epoch)
    assert process.read() == {6: {b"x"}, 7: frozenset(some(LIMIT)), 8: {b"x"}}


def test_what_others_add_behind_known_segments_is_read(table: MeteredTable) -> None:
    process, other = Process(table), Process(table)
    process.add(*some(SEGMENT))
    process.read()
    other.add(b"new")
    assert process.read()[7] == {*some(SEGMENT), b"new"}


def test_a_known_segment_is_not_read_again(table: MeteredTable) -> None:
    bill = Bill()
    table = MeteredTable(bill)
    process = Process(table, limit=2_000)
    for first in range(0, 1_000, SEGMENT):
        process.add(*some(SEGMENT, first=first))
    process.read(7)
    before = bill.units["dynamodb_read"]
    assert len(process.read(7)[7]) == 1_000
    assert bill.units["dynamodb_read"] - before == 1


def test_a_set_that_was_written_as_one_item_is_found_and_counted(table: MeteredTable) -> None:
    table.update_item(
        Key={"key": {"S": "k"}, "slot": {"S": f"e#{7:014d}"}},
        ExpressionAttributeValues={":members": {"BS": some(8)}, ":limit": {"N": "20000"}},
    )
    process = Process(table)
    process.add(*some(10))
    assert process.read() == {7: frozenset(some(10))}
    assert [len(segment) for segment in segments(table)] == [8, 2]
    process.add(*some(LIMIT))
    process.add(b"one too many")
    assert process.read() == {7: frozenset(some(LIMIT))}


def test_the_same_member_never_lies_in_two_segments(table: MeteredTable) -> None:
    Process(table).add(b"redelivered")
    Process(table).add(*some(SEGMENT))
    Process(table).add(b"redelivered", b"new")
    assert segments(table) == [{b"redelivered", *some(SEGMENT)}, {b"new"}]


def test_a_write_that_filled_its_segment_and_lost_its_answer_is_not_written_on(table: MeteredTable) -> None:
    process = Process(table)
    process.client.lose = lambda: process.client.calls.total() == 1
    with pytest.raises(StoreError, match="InternalServerError"):
        process.add(*some(SEGMENT))
    process.add(*some(SEGMENT))
    assert segments(table) == [frozenset(some(SEGMENT))]
    assert process.client.calls == {"UpdateItem": 2, "Query": 1}


def test_a_segment_that_is_full_to_the_writer_and_gone_to_the_reader_is_a_store_error() -> None:
    class Contradictory:
        def update_item(self, **request: Any) -> Any:
            raise ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, "UpdateItem")

        def query(self, **request: Any) -> Any:
            return {"Items": []}

    store = DynamoDBWindowStore(Contradictory(), "windows")  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="not there when it was read"):
        store.add({("k", 7): frozenset({b"a"})}, expires_at={("k", 7): EXPIRY})


def test_what_is_remembered_is_bounded_and_forgetting_changes_nothing() -> None:
    known = FullSegments(segment_limit=2, members_kept=5)
    for epoch in range(9):
        known.learn(("k", epoch), Prefix(), {0: frozenset({b"a", b"b"})}, 100)
    assert [epoch for epoch in range(9) if known.of(("k", epoch)).held] == [7, 8]
    # used just now, so that the other one goes
    known.of(("k", 7))
    known.learn(("k", 9), Prefix(), {0: frozenset({b"a", b"b"})}, 100)
    assert [epoch for epoch in range(10) if known.of(("k", epoch)).held] == [7, 9]


def test_only_full_segments_without_a_gap_are_remembered() -> None:
    known = FullSegments(segment_limit=2, members_kept=100)
    full, open_ = frozenset({b"a", b"b"}), frozenset({b"c"})
    assert known.learn(("k", 1), Prefix(), {0: full, 1: open_, 2: full}, 100).segments == (full,)
    assert known.learn(("k", 2), Prefix(), {1: full}, 100).segments == ()


class History:
    """Processes add what overlaps, and read; any call may be overtaken by whole additions of others."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._overtaking = 0
        self.table = MeteredTable(Bill())
        self.processes = [Process(self.table, members_kept=random.choice((0, 8, 1_000))) for _ in range(3)]
        self.acknowledged: set[bytes] = set()
        for process in self.processes:
            process.client.meanwhile = self._meanwhile
            process.client.lose = lambda: random.random() < 0.1

    def play(self) -> None:
        for _ in range(self._random.randint(1, 12)):
            self._step()
        for process in self.processes:
            process.client.meanwhile = lambda: None
            process.client.lose = lambda: False

    def _meanwhile(self) -> None:
        if self._overtaking < 2 and self._random.random() < 0.3:
            self._overtaking += 1
            self._step()
            self._overtaking -= 1

    def _step(self) -> None:
        process = self._random.choice(self.processes)
        members = self._random.sample(some(LIMIT + 6), self._random.randint(1, 4))
        with suppress(StoreError):
            process.add(*members)
            self.acknowledged.update(members)
        with suppress(StoreError):
            process.read()


def test_whatever_overtakes_and_fails_all_processes_read_what_was_acknowledged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dynamodb_windows, "CHUNK", 2)
    random = Random(20)
    filled = 0
    for _ in range(HISTORIES):
        history = History(random)
        history.play()
        there = segments(history.table)
        stored = frozenset[bytes]().union(*there)
        assert sum(map(len, there)) == len(stored), "a member lies in two segments"
        for process in history.processes:
            assert process.read().get(7, frozenset()) == stored
        if len(stored) < LIMIT:
            assert history.acknowledged <= stored
        filled += len(stored) >= LIMIT
    assert 0 < filled < HISTORIES
