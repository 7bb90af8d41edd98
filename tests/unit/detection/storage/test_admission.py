from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

import pytest

from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.detection.batch import Outcome
from sessionwarden.detection.engine import Engine
from sessionwarden.detection.storage.admission import VERIFIED_FACTOR, Admission
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.model.rules import CompiledRule, Inner
from tests.support.detection import ANY_ADDRESS, HOUR, MINUTE, START, event, rule, ruleset, selection, single

BUDGET = 10
DAY = 24 * HOUR
BY_ADDRESS: dict[str, Any] = {"group_by": ("source_ip",), "selections": (selection(ANY_ADDRESS),)}


class Meter(MemoryWindowStore):
    """Counts the keys that the table is called for."""

    def __init__(self, *, shared_log_limit: int = 1_000_000) -> None:
        super().__init__(shared_log_limit=shared_log_limit)
        self.written: Counter[str] = Counter()
        self.read_of: Counter[str] = Counter()
        self.looked_up: Counter[str] = Counter()

    def add(
        self, additions: Any, *, expires_at: Mapping[tuple[str, int], int], limit: int | None = None
    ) -> Any:
        self.written.update({key for key, _ in additions})
        return super().add(additions, expires_at=expires_at, limit=limit)

    def read(self, key: str, epochs: Iterable[int]) -> Mapping[int, frozenset[bytes]]:
        if not key.startswith("shelf"):  # as shared logs are named in the table
            self.read_of[key] += 1
        return super().read(key, epochs)

    def suppressed(self, key: str, periods: Iterable[int]) -> frozenset[int]:
        self.looked_up[key] += 1
        return super().suppressed(key, periods)


class Watch:
    """One process with a budget, at a time that the test sets (ms after `START`)."""

    def __init__(
        self,
        *rules: CompiledRule,
        store: Meter | None = None,
        on_shared_logs: bool = False,
        budget: int | None = BUDGET,
        salt: bytes = b"salt",
    ) -> None:
        self.store = store or Meter()
        self.engine = Engine(
            ruleset(*rules),
            self.store,
            shared_logs=self.store if on_shared_logs else None,
            admission=Admission(new_keys_per_minute=budget, salt=salt),
        )

    def see(self, happened: Sequence[Event], *, at: int = 0) -> Outcome:
        outcome = self.engine.process(happened, now_ms=START + at)
        outcome.commit(outcome.findings)
        return outcome

    def remembered(self) -> int:
        return sum(len(cache.states) for cache in self.engine._caches.values())


def full_shared_log() -> Meter:
    """A store whose shared log of the minute of `START` takes no more."""
    store = Meter(shared_log_limit=100)
    Watch(rule(**BY_ADDRESS), store=store, on_shared_logs=True, budget=None).see(addresses(100, first=1_000))
    store.read_of.clear()
    return store


def addresses(count: int, *, first: int = 0, at: int = 0) -> list[Event]:
    """One event of each of `count` addresses."""
    return [
        event(number, at=at, source_ip=f"10.0.{number >> 8}.{number & 255}")
        for number in range(first, first + count)
    ]


def of_one(count: int, *, first: int = 0, **fields: Any) -> list[Event]:
    return [event(50_000 + first + number, at=number, **fields) for number in range(count)]


def test_a_flood_of_invented_keys_costs_its_budget_in_writes_and_in_reads() -> None:
    watch = Watch(rule(timespan_ms=2 * HOUR, **BY_ADDRESS))
    outcome = watch.see(addresses(500))
    assert (len(watch.store.written), len(watch.store.read_of)) == (BUDGET, BUDGET)
    assert outcome.dropped_keys == 500 - BUDGET


def test_a_flood_costs_its_budget_for_each_minute_and_the_first_twice() -> None:
    watch = Watch(rule(timespan_ms=2 * HOUR, **BY_ADDRESS))
    for second in range(180):
        watch.see(addresses(20, first=20 * second, at=second * 1000), at=second * 1000)
    # a full budget at the start, and what comes in by the last second
    assert watch.store.written.total() == watch.store.read_of.total() == BUDGET + 179 * BUDGET // 60


def test_what_is_left_out_fails_no_message_and_raises_nothing() -> None:
    watch = Watch(rule(threshold=1, **BY_ADDRESS))
    outcome = watch.see(addresses(BUDGET + 5))
    assert outcome.failures == ()
    assert len(outcome.findings) == BUDGET


def test_a_key_with_many_events_is_found_among_keys_with_one() -> None:
    watch = Watch(rule(**BY_ADDRESS), budget=1)
    flood = addresses(400)
    heavy = of_one(3, source_ip="192.0.2.99")
    outcome = watch.see([*flood[:200], *heavy, *flood[200:]])
    assert [finding.source_ip for finding in outcome.findings] == ["192.0.2.99"]
    assert outcome.dropped_keys == 400


def test_a_key_that_is_known_is_served_whatever_floods_in() -> None:
    watch = Watch(rule(threshold=5, **BY_ADDRESS))
    watch.see(of_one(1, source_ip="192.0.2.99"))
    found: list[Finding] = []
    for turn in range(1, 5):
        flood = addresses(300, first=300 * turn)
        found += watch.see([*flood, *of_one(1, first=turn, source_ip="192.0.2.99")]).findings
    assert [(finding.source_ip, finding.count) for finding in found] == [("192.0.2.99", 5)]


def test_a_key_that_was_left_out_counts_from_when_there_is_room() -> None:
    watch = Watch(rule(**BY_ADDRESS))
    watch.see([*of_one(2, source_ip="10.0.0.0"), *addresses(BUDGET - 1, first=1)])
    outcome = watch.see(addresses(1, first=999))
    assert outcome.dropped_keys == 1
    later = of_one(3, first=10, source_ip="10.0.3.231")
    assert len(watch.see(later, at=MINUTE // BUDGET).findings) == 1


def test_keys_that_are_left_out_are_not_remembered() -> None:
    watch = Watch(rule(timespan_ms=2 * HOUR, **BY_ADDRESS))
    watch.see(addresses(500))
    assert watch.remembered() == BUDGET
    (cache,) = watch.engine._caches.values()
    assert cache.characters == sum(len(address) for (address,) in cache.states)


def test_a_flood_of_addresses_costs_users_nothing() -> None:
    watch = Watch(rule(**BY_ADDRESS), rule("of users"))
    watch.see([event(number, user=None, source_ip=f"10.0.0.{number}") for number in range(200)])
    outcome = watch.see(of_one(3, user="new", source_ip="10.0.0.0"))
    assert [finding.user for finding in outcome.findings] == ["new"]


def test_two_windows_of_addresses_have_a_budget_each() -> None:
    watch = Watch(rule("a", **BY_ADDRESS), rule("b", **BY_ADDRESS))
    watch.see(addresses(500))
    assert len(watch.store.written) == 2 * BUDGET


@pytest.mark.parametrize(
    ("group_by", "factor"),
    [
        (("user",), VERIFIED_FACTOR),
        (("session", "route"), VERIFIED_FACTOR),
        (("client", "api_id", "stage"), VERIFIED_FACTOR),
        (("source_ip",), 1),
        (("user", "path"), 1),
        (("user_agent",), 1),
        (("host",), 1),
        (("country",), 1),
    ],
)
def test_only_keys_that_take_an_account_have_the_larger_budget(
    group_by: tuple[str, ...], factor: int
) -> None:
    watch = Watch(rule(group_by=group_by))
    fields = ("user", "session", "client", "source_ip", "path", "user_agent", "host", "country")
    fixed: dict[str, Any] = {"route": "GET /", "api_id": "a", "stage": "s", "pool": "p"}
    happened = [
        event(number, **(fixed | {field: f"{field}-{number}" for field in fields})) for number in range(200)
    ]
    watch.see(happened)
    assert len(watch.store.written) == factor * BUDGET


def test_an_alias_that_reads_an_address_somewhere_has_the_small_budget() -> None:
    selections = (selection(fields=("user",)), selection(rule="other", fields=("source_ip",)))
    watch = Watch(rule(group_by=("actor",), selections=selections))
    watch.see([event(number, user=f"u{number}", source_ip=None) for number in range(200)])
    assert len(watch.store.written) == BUDGET


def test_single_events_are_looked_up_for_their_budget_alone() -> None:
    watch = Watch(single(**BY_ADDRESS))
    outcome = watch.see(addresses(500))
    assert (len(watch.store.looked_up), len(outcome.findings)) == (BUDGET, BUDGET)
    assert outcome.dropped_keys == 500 - BUDGET


def test_firings_of_addresses_are_counted_for_the_small_budget() -> None:
    inner = rule(threshold=2, emits=False, timespan_ms=DAY, **BY_ADDRESS)
    outer = rule("outer", selections=(), inner=(Inner(rule="burst"),), group_by=("source_ip",), threshold=1)
    watch = Watch(inner, outer)
    for minute in range(3):
        watch.see(addresses(BUDGET, first=BUDGET * minute), at=minute * MINUTE)
    # all known to the inner rule, and each fires with its second event
    again = [event(900 + number, at=MINUTE, source_ip=f"10.0.0.{number}") for number in range(3 * BUDGET)]
    outcome = watch.see(again, at=2 * MINUTE)
    assert (len(outcome.findings), outcome.dropped_keys) == (BUDGET, 2 * BUDGET)


def test_keys_on_a_shared_log_with_room_cost_no_budget() -> None:
    watch = Watch(rule(**BY_ADDRESS), on_shared_logs=True)
    assert watch.see(addresses(500)).dropped_keys == 0
    assert watch.store.written == {}


def test_keys_beside_a_full_shared_log_cost_their_budget() -> None:
    watch = Watch(rule(**BY_ADDRESS), store=full_shared_log(), on_shared_logs=True)
    outcome = watch.see(addresses(500))
    assert (len(watch.store.written), len(watch.store.read_of)) == (BUDGET, BUDGET)
    assert outcome.dropped_keys == 500 - BUDGET
    assert watch.remembered() == BUDGET


def test_keys_that_were_on_the_shared_log_are_served_when_it_is_full() -> None:
    store = Meter(shared_log_limit=90)
    watch = Watch(rule(**BY_ADDRESS), store=store, on_shared_logs=True)
    watch.see(addresses(80))
    Watch(rule(**BY_ADDRESS), store=store, on_shared_logs=True, budget=None).see(addresses(20, first=1_000))
    again = [event(900 + number, at=9, source_ip=f"10.0.0.{number}") for number in range(80)]
    outcome = watch.see([*again, *addresses(30, first=80)])
    assert outcome.dropped_keys == 30 - BUDGET
    assert len(store.written) == 80 + BUDGET


def test_a_heavy_key_beside_a_full_shared_log_is_found_among_invented_ones() -> None:
    watch = Watch(rule(**BY_ADDRESS), store=full_shared_log(), on_shared_logs=True, budget=1)
    outcome = watch.see([*addresses(200), *of_one(3, source_ip="192.0.2.99")])
    assert [finding.source_ip for finding in outcome.findings] == ["192.0.2.99"]


def test_keys_on_a_shared_log_next_to_a_full_one_are_read_apart_for_their_budget() -> None:
    store = full_shared_log()
    watch = Watch(rule(**BY_ADDRESS), store=store, on_shared_logs=True)
    outcome = watch.see(addresses(90, at=MINUTE))
    assert store.written == {}
    assert len(store.read_of) == BUDGET
    assert outcome.dropped_keys == 90 - BUDGET


def test_a_key_that_full_shared_logs_leave_out_still_counts_on_shared_logs_with_room() -> None:
    store = Meter(shared_log_limit=3)
    Watch(rule(**BY_ADDRESS), store=store, on_shared_logs=True, budget=None).see(addresses(3))
    watch = Watch(rule(**BY_ADDRESS), store=store, on_shared_logs=True, budget=1)
    watch.see(addresses(1, first=10))
    victim = [event(number, at=number, source_ip="192.0.2.99") for number in (MINUTE, MINUTE + 1)]
    crossing = event(99, at=MINUTE + 2, source_ip="192.0.2.99")
    outcome = watch.see([event(0, at=1, source_ip="192.0.2.99"), *victim, crossing])
    assert outcome.dropped_keys == 1
    assert [finding.count for finding in outcome.findings] == [3]


def test_budgets_fill_with_the_time_that_batches_name_and_with_nothing_else() -> None:
    watch = Watch(rule(timespan_ms=2 * HOUR, **BY_ADDRESS))
    served = []
    for turn, at in enumerate((0, 0, MINUTE // 2, MINUTE // 2, 2 * MINUTE, DAY)):
        before = len(watch.store.written)
        watch.see(addresses(100, first=100 * turn, at=at), at=at)
        served.append(len(watch.store.written) - before)
    assert served == [BUDGET, 0, BUDGET // 2, 0, BUDGET, BUDGET]


def test_a_clock_that_is_put_back_gives_nothing_and_stops_nothing() -> None:
    watch = Watch(rule(timespan_ms=2 * HOUR, **BY_ADDRESS))
    served = []
    for turn, at in enumerate((HOUR, 0, 0, MINUTE, 2 * MINUTE)):
        before = len(watch.store.written)
        watch.see(addresses(100, first=100 * turn), at=at)
        served.append(len(watch.store.written) - before)
    assert served == [BUDGET, 0, 0, BUDGET, BUDGET]


def test_who_wins_between_equals_is_a_secret_of_the_process() -> None:
    def winners(salt: bytes) -> set[str]:
        watch = Watch(rule(**BY_ADDRESS), salt=salt)
        watch.see(addresses(200))
        return set(watch.store.written)

    assert winners(b"one") == winners(b"one")
    assert winners(b"one") != winners(b"two")


def test_without_a_budget_every_key_is_served() -> None:
    watch = Watch(rule(timespan_ms=2 * HOUR, **BY_ADDRESS), budget=None)
    assert watch.see(addresses(500)).dropped_keys == 0
    assert len(watch.store.written) == 500


def random_traffic(random: Random) -> list[list[Event]]:
    def one(number: int) -> Event:
        return event(
            number,
            at=random.randrange(3 * MINUTE),
            user=f"u{random.randrange(6)}",
            source_ip=f"10.0.0.{random.randrange(12)}",
            latency_ms=random.randrange(9),
        )

    return [[one(10 * turn + number) for number in range(random.randint(1, 10))] for turn in range(8)]


RULES = (
    rule(**BY_ADDRESS),
    rule("users", kind="value_count", value_field="source_ip"),
    rule("sum", kind="value_sum", value_field="latency_ms", threshold=20, **BY_ADDRESS),
    rule("repeated", selections=(), inner=(Inner(rule="users"),), threshold=1, timespan_ms=HOUR),
    single(**BY_ADDRESS),
)


@pytest.mark.parametrize("on_shared_logs", [True, False], ids=["on shared logs", "in sets of their own"])
def test_within_its_budget_a_process_finds_what_it_finds_without_and_beyond_it_nothing_else(
    on_shared_logs: bool,
) -> None:
    random = Random(7)
    dropped = 0
    for _ in range(20):
        batches = random_traffic(random)
        shared_log_limit = random.choice((1, 5, 1_000))
        found: dict[int | None, list[Any]] = {}
        for budget in (None, 12, 1):
            watch = Watch(
                *RULES,
                store=Meter(shared_log_limit=shared_log_limit),
                on_shared_logs=on_shared_logs,
                budget=budget,
            )
            outcomes = [watch.see(batch, at=3 * MINUTE) for batch in batches]
            found[budget] = [finding for outcome in outcomes for finding in outcome.findings]
            dropped += sum(outcome.dropped_keys for outcome in outcomes) if budget == 1 else 0
        assert found[12] == found[None]
        assert {one.id for one in found[1]} <= {one.id for one in found[None]}
    assert dropped > 0
