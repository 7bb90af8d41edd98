"""One suite for every coverage store: memory, moto, the emulator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sessionwarden.adapters.dynamodb.coverage import DynamoDBCoverageStore
from sessionwarden.adapters.memory.enforcement import MemoryCoverageStore
from sessionwarden.model.coverage import NOT_COVERED
from sessionwarden.ports import MOST_REMEMBERED, Act, CoverageStore
from tests.support.tables import BACKENDS, control_table, dynamodb, make_table

NAME = "user#pool#sub"


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest) -> Iterator[CoverageStore]:
    if request.param == "memory":
        yield MemoryCoverageStore()
        return
    with dynamodb(request.param, request) as client:
        yield DynamoDBCoverageStore(client, make_table(client, control_table))


def act(by: str, at: int, *, until: int | None = None, lockout: bool = False) -> Act:
    return Act(by=by, at=at, until=at if until is None else until, lockout=lockout)


def test_a_claim_covers_what_was_done_before_it(store: CoverageStore) -> None:
    assert store.read(NAME) == NOT_COVERED
    assert store.claim(NAME, act("a", 1000), since=500)
    known = store.read(NAME)
    assert (known.until, known.by, known.lockout, dict(known.enforced)) == (1000, "a", False, {"a": 1000})
    assert store.read("user#pool#other") == NOT_COVERED


def test_of_two_claims_over_the_same_events_one_is_granted(store: CoverageStore) -> None:
    assert store.claim(NAME, act("a", 1000), since=500)
    assert not store.claim(NAME, act("b", 1001), since=999)
    assert store.read(NAME).by == "a"


def test_a_claim_on_what_followed_the_last_act_is_granted(store: CoverageStore) -> None:
    assert store.claim(NAME, act("a", 1000), since=500)
    assert store.claim(NAME, act("b", 2000), since=1000), "equality: the events are after it"
    assert dict(store.read(NAME).enforced) == {"a": 1000, "b": 2000}


def test_a_claim_that_was_granted_is_granted_again_and_keeps_its_time(store: CoverageStore) -> None:
    assert store.claim(NAME, act("a", 1000), since=500)
    assert store.claim(NAME, act("a", 1700), since=500)
    assert dict(store.read(NAME).enforced) == {"a": 1000}


def test_the_first_lockout_is_granted_over_a_lesser_act_and_no_second(store: CoverageStore) -> None:
    assert store.claim(NAME, act("a", 1000), since=500)
    assert store.claim(NAME, act("b", 1001, lockout=True), since=500)
    assert not store.claim(NAME, act("c", 1002, lockout=True), since=500)


def test_an_extension_never_shortens(store: CoverageStore) -> None:
    store.extend(NAME, act("a", 1000, until=5000))
    store.extend(NAME, act("b", 2000))
    known = store.read(NAME)
    assert (known.until, known.by, dict(known.enforced)) == (5000, "a", {"a": 1000, "b": 2000})


def test_a_lift_forgets_the_act_and_what_it_covered_ahead(store: CoverageStore) -> None:
    store.extend(NAME, act("a", 1000, until=9000))
    store.lift(NAME, "a", until=3000)
    store.lift(NAME, "a", until=3000)
    known = store.read(NAME)
    assert (known.until, dict(known.enforced)) == (3000, {})


def test_a_lift_leaves_the_coverage_of_a_later_act(store: CoverageStore) -> None:
    assert store.claim(NAME, act("a", 1000), since=500)
    assert store.claim(NAME, act("b", 2000), since=1500)
    store.lift(NAME, "a", until=9000)
    known = store.read(NAME)
    assert (known.until, known.by, dict(known.enforced)) == (2000, "b", {"b": 2000})


def test_a_lift_of_what_never_acted_changes_nothing(store: CoverageStore) -> None:
    store.lift(NAME, "a", until=9000)
    assert store.read(NAME) == NOT_COVERED


def test_the_newest_acts_are_kept(store: CoverageStore) -> None:
    for number in range(MOST_REMEMBERED + 5):
        assert store.claim(NAME, act(f"d-{number}", 1000 * (number + 1)), since=1000 * number)
    assert set(store.read(NAME).enforced) == {f"d-{number}" for number in range(5, MOST_REMEMBERED + 5)}
