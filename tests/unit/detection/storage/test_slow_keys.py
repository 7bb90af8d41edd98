"""What is watched for hours is not displaced by what is a second old.

A thousandth of the real size: a process admits 6 new keys a minute and remembers 8; the floods bring 7.8 and
60 new ones a minute, for six hours. A slow attacker tries a user name every two or twenty minutes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pytest

from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.detection.engine import Engine
from sessionwarden.detection.storage.admission import Admission
from sessionwarden.detection.windows import key_state
from sessionwarden.errors import StoreError
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.model.rules import CompiledRule
from tests.support.detection import ANY_ADDRESS, HOUR, MINUTE, START, event, rule, ruleset, selection

NEW_KEYS_PER_MINUTE = 6
SLOW = "2001:db8:ffff::1"
HOURS = 6 * HOUR
EPOCH = -START % HOURS

NAMES = 100


def spraying(names: int) -> CompiledRule:
    return rule(
        kind="value_count",
        value_field="claimed_user",
        group_by=("source_ip",),
        selections=(selection(ANY_ADDRESS),),
        timespan_ms=HOURS,
        cooldown_ms=2 * HOURS,
        threshold=names,
    )


class Store(MemoryWindowStore):
    """Counts the sets that it is asked for, and can refuse to say."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.fails = False

    def existing(self, sets: Collection[tuple[str, int]]) -> frozenset[tuple[str, int]]:
        self.asked += len(sets)
        if self.fails:
            raise StoreError("throttled")
        return super().existing(sets)


class Process:
    def __init__(self, store: MemoryWindowStore, *, salt: bytes = b"salt", names: int = NAMES) -> None:
        admission = Admission(new_keys_per_minute=NEW_KEYS_PER_MINUTE, salt=salt)
        self.engine = Engine(ruleset(spraying(names)), store, admission=admission)
        self.dropped = 0

    def see(self, happened: Sequence[Event], *, at: int) -> list[Finding]:
        outcome = self.engine.process(happened, now_ms=START + at)
        outcome.commit(outcome.findings)
        self.dropped += outcome.dropped_keys
        return list(outcome.findings)

    def remembered(self) -> int:
        (cache,) = self.engine._caches.values()
        groups = (cache.states, cache._older, cache._lasting, cache._older_lasting)
        return sum(map(len, groups))


@pytest.fixture(autouse=True)
def _few_keys_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_state, "KEYS_REMEMBERED", 8)
    monkeypatch.setattr(key_state, "LASTING_REMEMBERED", 4)


def invented(second: int, number: int) -> Event:
    """An address that never comes again."""
    return attempt(second * 100 + number, source_ip=f"2001:db8:{second:x}:{number:x}::1", second=second)


def attempt(number: int, *, second: int, **fields: Any) -> Event:
    return event(number, at=EPOCH + 1000 * second, user=None, claimed_user=f"name-{number}", **fields)


def six_hours(
    process: Process, *, flood_per_10_minutes: int, begins: int = 0, every: int = 120
) -> list[Finding]:
    """Batches of half a minute. The flood begins at second `begins`; the slow one tries `every` so many."""
    found: list[Finding] = []
    for second in range(0, 6 * 3600, 30):
        batch = []
        if second >= begins:
            before, now = ((one * flood_per_10_minutes) // 600 for one in (second, second + 30))
            batch += [invented(second, number) for number in range(now - before)]
        if second % every == 0:
            batch.append(attempt(9_000_000 + second, second=second, source_ip=SLOW))
        found += process.see(batch, at=EPOCH + 1000 * second)
    return found


@pytest.mark.parametrize("flood_per_10_minutes", [78, 600])
@pytest.mark.parametrize(("every", "names"), [(120, 100), (1_200, 15)])
def test_a_slow_address_that_was_known_before_the_flood_is_counted_to_the_end(
    flood_per_10_minutes: int, every: int, names: int
) -> None:
    process = Process(Store(), names=names)
    (finding,) = six_hours(process, flood_per_10_minutes=flood_per_10_minutes, begins=600, every=every)
    assert finding.source_ip == SLOW
    # the first name that reaches the threshold, not a later one: none was missed
    assert finding.time == START + EPOCH + (names - 1) * every * 1000
    assert process.dropped > 0


@pytest.mark.parametrize("flood_per_10_minutes", [78, 600])
def test_a_fresh_address_is_found_in_the_midst_of_a_flood(flood_per_10_minutes: int) -> None:
    for salt in (b"one", b"two", b"three"):
        process = Process(Store(), salt=salt)
        (finding,) = six_hours(process, flood_per_10_minutes=flood_per_10_minutes)
        assert finding.source_ip == SLOW


def test_an_address_that_another_process_knows_is_served() -> None:
    store = Store()
    Process(store).see([attempt(1, second=0, source_ip=SLOW)], at=EPOCH)
    other = Process(store)
    other.see([invented(59, number) for number in range(NEW_KEYS_PER_MINUTE)], at=EPOCH + MINUTE)
    assert other.see([attempt(2, second=60, source_ip=SLOW)], at=EPOCH + MINUTE) == []
    assert other.dropped == 0
    members = [found for (key, _), found in store._sets.items() if len(found) == 2]
    assert len(members) == 1


def test_the_store_is_asked_for_a_bounded_number_of_keys() -> None:
    store = Store()
    process = Process(store)
    process.see([invented(0, number) for number in range(1_000)], at=EPOCH)
    # of each key, the set of the epoch and that of the one before
    assert store.asked == 2 * 10 * NEW_KEYS_PER_MINUTE
    assert process.dropped == 1_000 - NEW_KEYS_PER_MINUTE


def test_without_a_flood_the_store_is_asked_for_nothing() -> None:
    store = Store()
    Process(store).see([invented(0, number) for number in range(NEW_KEYS_PER_MINUTE)], at=EPOCH)
    assert store.asked == 0


def test_a_store_that_does_not_say_leaves_new_keys_out_and_fails_no_message() -> None:
    store = Store()
    store.fails = True
    process = Process(store)
    outcome = process.engine.process([invented(0, number) for number in range(20)], now_ms=START + EPOCH)
    assert (outcome.failures, outcome.dropped_keys) == ((), 20 - NEW_KEYS_PER_MINUTE)


def test_a_flood_fills_no_memory_with_keys_that_last() -> None:
    process = Process(Store())
    for minute in range(60):
        batch = [attempt(minute * 1_000 + n, second=60 * minute, source_ip=f"10.0.0.{n}") for n in range(40)]
        process.see(batch, at=EPOCH + minute * MINUTE)
    assert process.remembered() <= 4 * 8 + 2 * 40
