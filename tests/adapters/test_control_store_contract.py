"""One suite for every control store: memory, moto, the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sessionwarden.adapters.dynamodb.control import MAX_LIMIT, DynamoDBControlStore
from sessionwarden.adapters.memory.enforcement import MemoryControlStore
from sessionwarden.errors import StoreError
from sessionwarden.ports import ControlStore, Stop
from tests.support.tables import BACKENDS, control_table, dynamodb, make_table


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest) -> Iterator[ControlStore]:
    if request.param == "memory":
        yield MemoryControlStore()
        return
    with dynamodb(request.param, request) as client:
        yield DynamoDBControlStore(client, make_table(client, control_table))


def test_enforcement_runs_until_it_is_stopped_and_again_when_resumed(store: ControlStore) -> None:
    assert not store.stopped()
    assert store.switch() is None
    store.stop(by="on-call", at_ms=1234)
    assert store.stopped()
    assert store.switch() == Stop("on-call", 1234)
    store.resume()
    store.resume()
    assert not store.stopped()


def test_a_budget_is_spent_and_not_exceeded(store: ControlStore) -> None:
    spent = [store.spend(budget="b", hour=5, decision_id=f"d-{number}", limit=2) for number in range(4)]
    assert spent == [True, True, False, False]


def test_a_decision_spends_once_however_often_it_is_delivered(store: ControlStore) -> None:
    assert all(store.spend(budget="b", hour=5, decision_id="d-1", limit=2) for _ in range(3))
    assert store.spend(budget="b", hour=5, decision_id="d-2", limit=2)
    assert store.spend(budget="b", hour=5, decision_id="d-1", limit=2), (
        "its unit was taken before the budget was empty"
    )


def test_each_hour_has_its_own_budget(store: ControlStore) -> None:
    assert store.spend(budget="b", hour=5, decision_id="d-1", limit=1)
    assert store.spend(budget="b", hour=6, decision_id="d-2", limit=1)


def test_budgets_of_different_names_are_apart(store: ControlStore) -> None:
    assert store.spend(budget="alerts#r1", hour=5, decision_id="d-1", limit=1)
    assert store.spend(budget="alerts#r2", hour=5, decision_id="d-2", limit=1)
    assert not store.spend(budget="alerts#r1", hour=5, decision_id="d-2", limit=1)


@pytest.mark.parametrize("limit", [0, -1])
def test_no_budget_means_no_enforcement(store: ControlStore, limit: int) -> None:
    assert not store.spend(budget="b", hour=5, decision_id="d-1", limit=limit)


def test_the_switch_is_not_part_of_any_budget(store: ControlStore) -> None:
    store.spend(budget="b", hour=5, decision_id="d-1", limit=1)
    assert not store.stopped()


def test_an_item_written_by_hand_in_an_emergency_stops_enforcement(request: pytest.FixtureRequest) -> None:
    with dynamodb("moto", request) as client:
        table = make_table(client, control_table)
        client.put_item(TableName=table, Item={"control": {"S": "switch"}, "stopped_at": {"S": "now!"}})
        assert DynamoDBControlStore(client, table).switch() == Stop("", 0)


def test_a_limit_never_lets_the_item_grow_without_bound(request: pytest.FixtureRequest) -> None:
    with dynamodb("moto", request) as client:
        table = make_table(client, control_table)
        full = {"SS": [f"d-{number}" for number in range(MAX_LIMIT)]}
        client.put_item(TableName=table, Item={"control": {"S": "budget#b#5"}, "decisions": full})
        assert not DynamoDBControlStore(client, table).spend(
            budget="b", hour=5, decision_id="new", limit=10**9
        )


def test_a_switch_that_cannot_be_read_is_an_error_and_not_off(request: pytest.FixtureRequest) -> None:
    with dynamodb("moto", request) as client, pytest.raises(StoreError):
        DynamoDBControlStore(client, "no-such-table").stopped()


def test_the_kill_switch_is_read_strongly_consistent() -> None:
    requests: list[dict[str, Any]] = []

    class Recorder:
        def get_item(self, **request: Any) -> Any:
            requests.append(request)
            return {}

    store = DynamoDBControlStore(Recorder(), "control")  # type: ignore[arg-type]
    store.stopped()
    store.switch()
    assert [request.get("ConsistentRead") for request in requests] == [True, True]
