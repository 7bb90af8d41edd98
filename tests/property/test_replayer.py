"""What the replayer forgets on its way through a long log against an engine that forgets nothing."""

from __future__ import annotations

from random import Random

import msgspec

from sessionwarden.adapters.memory.windows import NO_LIMIT, MemoryWindowStore
from sessionwarden.detection.engine import Engine
from sessionwarden.model.finding import Finding
from sessionwarden.replay.replayer import Replayer
from sessionwarden.ruleset.compiled import CompiledRuleset
from tests.support.detection import HOUR, event, rule, ruleset
from tests.support.histories.logs import Batches, deliveries, random_events, random_rules


def without_forgetting(rules: CompiledRuleset, batches: Batches) -> list[list[Finding]]:
    engine = Engine(rules, MemoryWindowStore(member_limit=NO_LIMIT))
    found = []
    for now_ms, batch in batches:
        outcome = engine.process(batch, now_ms=now_ms)
        outcome.commit(outcome.findings)
        found.append(list(outcome.findings))
    return found


def replayed(rules: CompiledRuleset, batches: Batches) -> tuple[list[list[Finding]], Replayer]:
    replayer = Replayer(rules, MemoryWindowStore(member_limit=NO_LIMIT))
    return [list(replayer.feed_at(batch, now_ms=now_ms)) for now_ms, batch in batches], replayer


def test_what_is_forgotten_after_days_was_of_no_use() -> None:
    """Events of a week, some more than a day late."""
    late = found = 0
    for seed in range(15):
        random = Random(seed)
        span = random.choice((HOUR // 2, 3 * HOUR, 30 * HOUR))
        rules = random_rules(random, span)
        happened = list(random_events(random, count=250, within=random.choice((3, 8)) * 24 * HOUR))
        batches = deliveries(random, happened, disorder=random.choice((span // 4, 20 * HOUR, 40 * HOUR)))
        findings, replayer = replayed(rules, batches)
        assert findings == without_forgetting(rules, batches), seed
        late += replayer.late
        found += sum(map(len, findings))
    assert late > 100
    assert found > 500


def test_the_memory_of_a_long_log_is_that_of_its_last_days() -> None:
    store = MemoryWindowStore(member_limit=NO_LIMIT)
    replayer = Replayer(ruleset(rule(threshold=3)), store)
    sizes = []
    for hour in range(24 * 30):
        replayer.feed([event(10 * hour + n, at=hour * HOUR + n, user=f"user-{hour}") for n in range(3)])
        sizes.append(len(store._sets) + len(store._marker_expiry))

    assert max(sizes[200:]) <= max(sizes[:100])


def test_the_same_batches_give_the_same_bytes() -> None:
    random = Random(1)
    rules = random_rules(random, 1000)
    happened = list(random_events(random, count=300, within=30_000))
    batches = deliveries(random, happened, disorder=500)

    first, second = (msgspec.json.encode(replayed(rules, batches)[0]) for _ in range(2))

    assert first == second
    assert b"time" in first
