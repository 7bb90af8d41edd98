"""The engine over a part of a rule's events: which part, what a finding says, how often chance is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from sessionwarden.adapters.memory.windows import NO_LIMIT, MemoryWindowStore
from sessionwarden.correlations.sampling import sample_of, sampling_rate
from sessionwarden.detection.engine import Engine
from sessionwarden.errors import RulesetError
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.model.rules import CompiledRule, Inner
from sessionwarden.ruleset.compiler.sampling import doubt
from tests.support.detection import HOUR, START, accepted, event, events, rule, ruleset

NOW = START + HOUR


def sampled(threshold: int = 40, *, exact_up_to: int = 10, **changes: Any) -> CompiledRule:
    one_in = sampling_rate(threshold, exact_up_to=exact_up_to)
    return rule(**({"threshold": threshold, "sampled_one_in": one_in, "timespan_ms": HOUR} | changes))


def looked_at(happened: Sequence[Event], one: CompiledRule) -> list[Event]:
    is_in = sample_of(one)
    assert is_in is not None
    return [event for event in happened if is_in(event)]


def found(happened: Sequence[Event], *rules: CompiledRule) -> tuple[Finding, ...]:
    return Engine(ruleset(*rules), MemoryWindowStore()).process(happened, now_ms=NOW).findings


def test_about_one_event_in_the_rate_is_looked_at_and_it_is_always_the_same_ones() -> None:
    happened = events(4000)
    chosen = looked_at(happened, sampled())
    assert 900 < len(chosen) < 1100
    assert looked_at(happened[::-1], sampled()) == chosen[::-1]


def test_two_windows_and_two_sources_choose_apart_from_each_other() -> None:
    happened = events(4000)
    first = set(map(id, looked_at(happened, sampled())))
    other = set(map(id, looked_at(happened, sampled(window="other"))))
    assert 200 < len(first & other) < 300
    elsewhere = [event(number, source="api_authorizer") for number in range(4000)]
    both = {one.id for one in looked_at(happened, sampled())} & {
        one.id for one in looked_at(elsewhere, sampled())
    }
    assert 200 < len(both) < 300


def test_the_same_id_at_another_time_is_in_or_out_with_it() -> None:
    for number in range(50):
        again = [event(number, at=at) for at in (0, 1, 5_000)]
        assert len(looked_at(again, sampled())) in (0, 3)


def test_a_rule_fires_at_the_event_of_its_sample_that_stands_for_the_threshold() -> None:
    happened = events(200)
    chosen = looked_at(happened, sampled())
    assert found([one for one in happened if one.time < chosen[9].time], sampled()) == ()
    (finding,) = found([one for one in happened if one.time <= chosen[9].time], sampled())
    assert (finding.time, finding.first_time) == (chosen[9].time, chosen[0].time)
    assert (finding.count, finding.sampled_one_in) == (40, 4)
    assert finding.events == tuple(one.id for one in chosen[:10])


def test_a_count_is_an_estimate_of_all_events() -> None:
    # a threshold that is no multiple of the rate is reached by the first number of members that stands for it
    one = sampled(38)
    happened = events(400)
    assert one.members_to_reach == 10
    chosen = looked_at(happened, one)
    last = [one for one in happened if one.time <= chosen[11].time]
    engine = Engine(ruleset(one), MemoryWindowStore())
    engine.process(last[:-60], now_ms=NOW)
    (finding,) = engine.process(last[-60:], now_ms=NOW).findings
    assert finding.count == 4 * sum(START <= other.time <= finding.time for other in chosen)


def test_an_exact_rule_beside_it_still_counts_every_event() -> None:
    happened = events(11)
    (finding,) = found(happened, sampled(), rule("exact", threshold=11, window="window-of-burst"))
    assert (finding.rule, finding.count, finding.sampled_one_in) == ("exact", 11, 1)


def test_rules_of_one_name_and_two_rates_never_share_a_set() -> None:
    store = MemoryWindowStore()
    rates = [rule("one"), sampled(id="two"), sampled(80, id="three")]
    same = [CompiledRule(**_fields(one, window="same")) for one in rates]
    Engine(ruleset(*same), store).process(events(40), now_ms=NOW)
    sizes = sorted(len(members) for members in store._sets.values())
    assert sizes == sorted([40, len(looked_at(events(40), same[1])), len(looked_at(events(40), same[2]))])


def _fields(one: CompiledRule, **changes: Any) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__struct_fields__} | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"sampled_one_in": 0},
        {"sampled_one_in": -2},
        {"sampled_one_in": 3},
        {"threshold": 0},
        {"threshold": 40_001, "sampled_one_in": 4},
        {"bounds": (("gt", 40),)},
        {"bounds": (("gte", 40), ("lt", 50))},
        {"bounds": (("lt", 40),)},
        {"bounds": ()},
        {"kind": "event", "timespan_ms": 0, "bounds": ()},
        {"kind": "value_count", "value_field": "route"},
        {"kind": "value_sum", "value_field": "response_bytes"},
        {"kind": "temporal", "steps": ("selected",), "bounds": ()},
    ],
)
def test_a_sample_that_no_compiler_would_take_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(RulesetError):
        accepted(sampled(**changes))


def test_firings_of_a_sampled_rule_cannot_be_counted() -> None:
    outer = rule("outer", selections=(), inner=(Inner(rule="burst"),))
    with pytest.raises(RulesetError, match="looks at one event in"):
        accepted(sampled(), outer)


def fired(one: CompiledRule, *, keys: int, each: int) -> int:
    """How many of so many keys fire that have so many events each, all within one interval."""
    engine, found = Engine(ruleset(one), MemoryWindowStore(member_limit=NO_LIMIT)), 0
    for key in range(keys):
        happened = [
            Event(id=f"{key}-{number}", time=START + number, source="api_access", user=f"user-{key}")
            for number in range(each)
        ]
        found += len(engine.process(happened, now_ms=NOW).findings)
    return found


def test_of_two_thousand_keys_none_is_wrong_beyond_the_stated_counts() -> None:
    one = sampled()
    fires_from, found_from = doubt(one)
    assert fires_from < 40 < found_from
    assert fired(one, keys=2000, each=fires_from - 1) == 0
    assert fired(one, keys=2000, each=found_from) == 2000


def test_the_chance_of_being_wrong_is_the_stated_one_and_not_much_less() -> None:
    one = sampled()
    fires_from, found_from = doubt(one, chance=0.01)
    assert 10 <= fired(one, keys=2000, each=fires_from) <= 45
    assert fired(one, keys=2000, each=fires_from - 1) <= 30
    assert 2000 - 30 <= fired(one, keys=2000, each=found_from) < 2000
