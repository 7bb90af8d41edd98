"""Rules that count the matches of others."""

from __future__ import annotations

from typing import Any

import pytest

from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.detection.engine import Engine
from sessionwarden.errors import RulesetError, StoreError
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.model.rules import CompiledRule, Inner
from tests.support.detection import HOUR, MINUTE, START, accepted, event, rule, ruleset, selection

NOW = START + HOUR
BURST: dict[str, Any] = {"group_by": ("user", "source_ip"), "emits": False}


def burst(rule_id: str = "burst", **changes: Any) -> CompiledRule:
    """Three events of a user from an address within a minute; emits nothing."""
    return rule(rule_id, **(BURST | changes))


def counting(rule_id: str = "outer", *, of: str = "burst", **changes: Any) -> CompiledRule:
    """Two matches of a user within an hour."""
    fields: dict[str, Any] = {
        "selections": (),
        "inner": (Inner(rule=of),),
        "timespan_ms": HOUR,
        "threshold": 2,
        "cooldown_ms": 24 * HOUR,
    }
    return rule(rule_id, **(fields | changes))


def three(number: int, *, at: int, **fields: Any) -> list[Event]:
    return [event(10 * number + index, at=at + index, **fields) for index in range(3)]


def found(happened: list[Event], *rules: CompiledRule) -> list[Finding]:
    """Findings of one batch; the same must be found in disorder, one by one and twice."""
    at_once = Engine(ruleset(*rules), MemoryWindowStore()).process(happened, now_ms=NOW).findings
    engine, again = Engine(ruleset(*rules), MemoryWindowStore()), set()
    for one in (*reversed(happened), *happened):
        outcome = engine.process([one], now_ms=NOW)
        outcome.commit(outcome.findings)
        again |= {finding.id for finding in outcome.findings}
    assert again == {finding.id for finding in at_once}
    return list(at_once)


def test_bursts_from_two_addresses_are_two_matches() -> None:
    happened = [*three(1, at=0), *three(2, at=60, source_ip="192.0.2.2")]
    assert found(happened[:5], burst(), counting()) == []
    (finding,) = found(happened, burst(), counting())
    assert (finding.rule, finding.key, finding.count, finding.user) == (
        "outer",
        {"user": "alice"},
        2,
        "alice",
    )
    assert set(finding.events) == {one.id for one in happened}


def test_a_burst_that_lasts_counts_once_a_timespan() -> None:
    lasting = [event(number, at=number * 1000) for number in range(60)]
    assert found(lasting, burst(), counting()) == []
    lasting += [event(60 + number, at=60_000 + number * 1000) for number in range(8)]
    assert len(found(lasting, burst(), counting())) == 1


def test_one_burst_across_a_border_of_time_is_one_match() -> None:
    border = -START % MINUTE
    happened = [event(number, at=border - 5 + number) for number in range(10)]
    assert found(happened, burst(), counting()) == []


def test_matches_are_counted_whether_or_not_the_inner_rule_emits_and_is_suppressed() -> None:
    inner = burst(emits=True, cooldown_ms=24 * HOUR)
    engine = Engine(ruleset(inner, counting()), MemoryWindowStore())
    outcome = engine.process(three(1, at=0), now_ms=NOW)
    first = outcome.findings
    outcome.commit(first)
    second = engine.process(three(2, at=10 * MINUTE), now_ms=NOW).findings
    assert ([one.rule for one in first], [one.rule for one in second]) == (["burst"], ["outer"])


def test_matches_are_told_apart_by_a_field_of_their_key() -> None:
    addresses = counting(kind="value_count", value_field="source_ip")
    assert found([*three(1, at=0), *three(2, at=5 * MINUTE)], burst(), addresses) == []
    (finding,) = found([*three(1, at=0), *three(2, at=9, source_ip="192.0.2.2")], burst(), addresses)
    assert finding.count == 2


def test_a_match_is_a_step_before_an_event() -> None:
    sequence = counting(
        kind="temporal_ordered",
        bounds=(),
        selections=(selection(["number", "status", [200]], rule="worked"),),
        steps=("burst", "worked"),
    )
    worked = event(99, at=10 * MINUTE, status=200)
    (finding,) = found([*three(1, at=5 * MINUTE), worked], burst(), sequence)
    assert (finding.count, finding.time) == (2, worked.time)
    assert found([event(99, status=200), *three(1, at=5 * MINUTE)], burst(), sequence) == []


def test_inner_keys_give_the_outer_key_by_name() -> None:
    by_address = counting(group_by=("address",), inner=(Inner(rule="burst", fields=("source_ip",)),))
    happened = [*three(1, at=0), *three(2, at=9, user="bob"), *three(3, at=9, source_ip="192.0.2.9")]
    (finding,) = found(happened, burst(), by_address)
    assert (finding.key, finding.count) == ({"address": "192.0.2.1"}, 2)


def test_users_of_two_pools_never_mix_in_an_outer_key() -> None:
    happened = [*three(1, at=0, pool="p"), *three(2, at=9, pool="q", source_ip="192.0.2.2")]
    assert found(happened, burst(), counting()) == []


def test_chains_have_levels() -> None:
    top = counting("top", of="middle", group_by=("source_ip",), threshold=2)
    middle = counting("middle", group_by=("user", "source_ip"), threshold=1, emits=False)
    happened = [*three(1, at=0), *three(2, at=9, user="bob")]
    (finding,) = found(happened, top, middle, burst())
    assert (finding.rule, finding.key) == ("top", {"source_ip": "192.0.2.1"})


def test_a_rule_that_serves_nobody_costs_nothing() -> None:
    engine = Engine(ruleset(burst()), MemoryWindowStore())
    assert not engine._caches


def test_when_the_outer_key_fails_the_events_behind_the_match_come_again() -> None:
    class Failing(MemoryWindowStore):
        writes = 0

        def add(self, *arguments: Any, **named: Any) -> Any:
            self.writes += 1
            if self.writes == 2:
                raise StoreError("throttled")
            return super().add(*arguments, **named)

    engine = Engine(ruleset(burst(), counting(threshold=1)), Failing())
    outcome = engine.process(three(1, at=0), now_ms=NOW)
    assert ({failure.index for failure in outcome.failures}, outcome.findings) == ({0, 1, 2}, ())
    outcome = engine.process(three(1, at=0), now_ms=NOW)
    assert list(outcome.origins.values()) == [(0, 1, 2)]


def test_sets_of_matches_outlive_the_time_by_which_matches_precede_events() -> None:
    expiries: dict[Any, int] = {}

    class Recording(MemoryWindowStore):
        def add(self, additions: Any, *, expires_at: Any, limit: int | None = None) -> Any:
            expiries.update(expires_at)
            return super().add(additions, expires_at=expires_at, limit=limit)

    inner = burst(timespan_ms=32 * 24 * HOUR, threshold=1)
    Engine(ruleset(inner, counting(threshold=1)), Recording()).process([event(1)], now_ms=NOW)
    (outer,) = {key for key, _ in expiries if key.startswith("window-of-outer")}
    # the match counts at the start of its quantum, here up to a day before; the event may be a day late
    assert min(until for (key, _), until in expiries.items() if key == outer) * 1000 > START + 24 * HOUR


def test_sets_are_named_by_what_made_the_matches() -> None:
    names = set()
    for threshold in (2, 3):
        engine = Engine(ruleset(burst(threshold=threshold), counting()), MemoryWindowStore())
        names.add(list(engine._caches)[-1].sets)
    assert len(names) == 2


@pytest.mark.parametrize(
    "rules",
    [
        (counting(of="nothing"),),
        (counting("a", of="b"), counting("b", of="a")),
        (rule("burst", kind="event", timespan_ms=0, bounds=()), counting()),
        (burst(), counting(group_by=("session",))),
        (burst(), counting(inner=(Inner(rule="burst", fields=("user", "source_ip")),))),
        (burst(), counting(kind="value_count", value_field="route")),
        (burst(), counting(kind="value_sum", value_field="status")),
        (burst(), counting(threshold=626)),
        (burst(bounds=(("lt", 3),)), counting(bounds=(("lt", 3),))),
        (burst("0"), *(counting(str(number), of=str(number - 1)) for number in range(1, 12))),
        (burst(), counting(inner=(Inner(rule="burst"),) * 65)),
    ],
)
def test_chains_that_cannot_be_evaluated_are_refused(rules: tuple[CompiledRule, ...]) -> None:
    with pytest.raises(RulesetError):
        accepted(*rules)


def test_undoable_matches_can_be_counted_by_what_only_grows() -> None:
    quiet = burst(bounds=(("lt", 3),))
    assert len(found([event(1)], quiet, counting(threshold=1))) == 1
