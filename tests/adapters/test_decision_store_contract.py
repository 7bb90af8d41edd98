"""One suite for every decision store: memory, moto, the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from sessionwarden.adapters.dynamodb.decisions import DynamoDBDecisionStore
from sessionwarden.adapters.memory.enforcement import MemoryDecisionStore
from sessionwarden.errors import StoreError
from sessionwarden.model.decision import ActionResult, Decision, Enforcement
from sessionwarden.policy.decide import decide
from sessionwarden.ports import DecisionStore
from tests.support.enforcement import NOW_MS, deployed, finding
from tests.support.tables import BACKENDS, decisions_table, dynamodb, make_table

DAY_MS = 86_400_000
DECISION = decide(finding(username="Zoë\x1b\n\u2028"), deployed(), now_ms=NOW_MS)


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest) -> Iterator[DecisionStore]:
    if request.param == "memory":
        yield MemoryDecisionStore()
        return
    with dynamodb(request.param, request) as client:
        yield DynamoDBDecisionStore(client, make_table(client, decisions_table), clock=lambda: NOW_MS)


def result(action: Any, *, time: int = NOW_MS, outcome: Any = "done") -> ActionResult:
    return ActionResult(action=action, outcome=outcome, time=time)


def numbered(number: int, *, created_at: int) -> Decision:
    return replace(DECISION, id=f"d-{number}", created_at=created_at)


def test_a_fresh_decision_has_no_results(store: DecisionStore) -> None:
    fresh = Enforcement(decision=DECISION, results=(), time=NOW_MS)
    assert store.record(DECISION) == fresh
    assert store.get(DECISION.id) == fresh


def test_an_unknown_decision_is_none(store: DecisionStore) -> None:
    assert store.get("nobody") is None


def test_what_was_recorded_first_is_what_counts(store: DecisionStore) -> None:
    store.record(DECISION)
    store.note(DECISION.id, result("deny"))
    again = store.record(replace(DECISION, not_before=1, created_at=NOW_MS + 5))
    assert again == Enforcement(decision=DECISION, results=(result("deny"),), time=NOW_MS)


def test_the_first_result_of_an_action_stays(store: DecisionStore) -> None:
    store.record(DECISION)
    store.note(DECISION.id, result("sign_out", time=NOW_MS + 2, outcome="failed"))
    store.note(DECISION.id, result("deny", time=NOW_MS + 1))
    store.note(DECISION.id, result("sign_out", time=NOW_MS + 3))
    known = store.get(DECISION.id)
    assert known is not None
    assert [(one.action, one.outcome) for one in known.results] == [("deny", "done"), ("sign_out", "failed")]
    assert known.time == NOW_MS + 2


def test_an_attempt_is_kept_beside_the_results(store: DecisionStore) -> None:
    store.record(DECISION)
    for action in ("sign_out", "disable_user", "disable_user"):
        store.attempt(DECISION.id, action)
    store.attempt("nobody", "disable_user")
    known = store.get(DECISION.id)
    assert known is not None
    assert (known.attempted, known.results) == (("disable_user", "sign_out"), ())
    assert store.get("nobody") is None


def test_a_result_of_an_unknown_decision_leaves_nothing(store: DecisionStore) -> None:
    store.note("nobody", result("deny"))
    assert store.get("nobody") is None


def test_the_first_lift_stays_and_loses_no_result(store: DecisionStore) -> None:
    store.record(DECISION)
    assert store.lift(DECISION.id, lifted_at=7, by="one")
    store.note(DECISION.id, result("deny"))
    assert store.lift(DECISION.id, lifted_at=8, by="two")
    known = store.get(DECISION.id)
    assert known is not None
    assert (known.lifted_at, known.lifted_by, known.results) == (7, "one", (result("deny"),))


def test_lifting_an_unknown_decision_says_no_and_leaves_nothing(store: DecisionStore) -> None:
    assert not store.lift("nobody", lifted_at=7, by="one")
    assert store.get("nobody") is None


def test_the_list_is_newest_first_across_days_and_within_bounds(store: DecisionStore) -> None:
    ages = (0, 1, DAY_MS, 2 * DAY_MS, 3 * DAY_MS)
    for number, age in enumerate(ages):
        store.record(numbered(number, created_at=NOW_MS - age))
    since = NOW_MS - 2 * DAY_MS
    assert [known.decision.id for known in store.list(since_ms=since, limit=10)] == [
        "d-0",
        "d-1",
        "d-2",
        "d-3",
    ]
    assert [known.decision.id for known in store.list(since_ms=since, limit=3)] == ["d-0", "d-1", "d-2"]


def test_a_list_longer_than_a_page_is_complete(store: DecisionStore) -> None:
    for number in range(12):
        store.record(replace(numbered(number, created_at=NOW_MS + number), reason="r" * 100_000))
    listed = store.list(since_ms=0, limit=12)
    assert [known.decision.id for known in listed] == [f"d-{number}" for number in reversed(range(12))]


def test_a_record_that_cannot_be_read_is_a_store_error(request: pytest.FixtureRequest) -> None:
    with dynamodb("moto", request) as client:
        table = make_table(client, decisions_table)
        client.put_item(TableName=table, Item={"decision_id": {"S": "d-1"}, "record": {"S": "{}"}})
        with pytest.raises(StoreError):
            DynamoDBDecisionStore(client, table).get("d-1")


def test_a_decision_is_read_strongly_consistent() -> None:
    # a lift that a read misses would let enforcement go on
    requests: list[dict[str, Any]] = []

    class Recorder:
        def get_item(self, **request: Any) -> Any:
            requests.append(request)
            return {}

    assert DynamoDBDecisionStore(Recorder(), "decisions").get("d-1") is None  # type: ignore[arg-type]
    assert [request.get("ConsistentRead") for request in requests] == [True]
