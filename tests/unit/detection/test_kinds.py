"""Each kind of correlation at its borders: just under, at, just over; early, late, twice and in disorder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.detection.engine import Engine
from sessionwarden.errors import RulesetError
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.model.rules import CompiledRule
from tests.support.detection import HOUR, MINUTE, START, accepted, event, rule, ruleset, selection

NOW = START + MINUTE
EPOCH = -START % MINUTE
"""Milliseconds after `START` at which an epoch of a minute begins."""

FAILED = selection(["number", "status", [401]], rule="failed")
WORKED = selection(["number", "status", [200]], rule="worked")
CHANGED = selection(["equals", "route", ["put /me"]], rule="changed")
SEQUENCE: dict[str, Any] = {"selections": (FAILED, WORKED), "steps": ("failed", "worked"), "bounds": ()}


def found(happened: Sequence[Event], *rules: CompiledRule) -> list[Finding]:
    """Findings of one batch; the same must be found in disorder, one by one and twice."""
    at_once = Engine(ruleset(*rules), MemoryWindowStore()).process(happened, now_ms=NOW).findings
    engine, again = Engine(ruleset(*rules), MemoryWindowStore()), set()
    for one in (*reversed(happened), *happened):
        outcome = engine.process([one, one], now_ms=NOW)
        outcome.commit(outcome.findings)
        again |= {finding.id for finding in outcome.findings}
    assert again == {finding.id for finding in at_once}
    return list(at_once)


def sizes(*sizes: int | None, step: int = 1000) -> list[Event]:
    return [event(number, at=number * step, response_bytes=size) for number, size in enumerate(sizes)]


def summing(**changes: Any) -> CompiledRule:
    return rule(kind="value_sum", value_field="response_bytes", **({"threshold": 100} | changes))


def test_a_sum_is_found_when_it_is_reached() -> None:
    assert found(sizes(60, 39), summing()) == []
    (finding,) = found(sizes(60, 40), summing())
    assert (finding.count, finding.value, finding.time) == (2, 100, START + 1000)
    assert found(sizes(60, 40), summing(bounds=(("gt", 100),))) == []
    assert len(found(sizes(60, 41), summing(bounds=(("gt", 100),)))) == 1


def test_a_sum_holds_what_lies_within_the_timespan() -> None:
    assert found(sizes(50, 50, step=MINUTE), summing()) == []
    (finding,) = found(sizes(50, 50, step=MINUTE - 1), summing())
    assert finding.first_time == START


def test_only_events_that_carry_the_value_are_summed() -> None:
    happened = [*sizes(None, 50, 49, 2**48, -100)]
    assert found(happened, summing()) == []
    (finding,) = found(sizes(None, 2**48 - 1), summing())
    assert (finding.count, finding.value, finding.events) == (1, 2**48 - 1, ("id-1",))


def test_a_record_delivered_twice_is_summed_once() -> None:
    assert found([sizes(60)[0]] * 2, summing()) == []


def test_two_equal_values_are_two_values() -> None:
    assert len(found([event(1, response_bytes=50), event(2, response_bytes=50)], summing())) == 1


def test_a_sum_across_the_border_of_an_epoch_is_whole() -> None:
    happened = [event(number, at=EPOCH - 1 + number, response_bytes=50) for number in range(2)]
    assert len(found(happened, summing())) == 1


def test_an_average_is_judged_at_every_event() -> None:
    averaging = rule(kind="value_avg", value_field="latency_ms", bounds=(("gt", 100),))
    assert found([event(1, latency_ms=100)], averaging) == []
    happened = [event(1, latency_ms=100), event(2, at=1, latency_ms=101), event(3, at=2, latency_ms=0)]
    engine = Engine(ruleset(averaging), MemoryWindowStore())
    (finding,) = engine.process(happened, now_ms=NOW).findings
    assert (finding.count, finding.value, finding.time) == (2, 100.5, START + 1)


def test_a_percentile_is_by_nearest_rank() -> None:
    median = rule(kind="value_percentile", percentile=50, value_field="latency_ms", bounds=(("gte", 30),))
    happened = [event(number, latency_ms=value) for number, value in enumerate((10, 20, 30, 40))]
    assert Engine(ruleset(median), MemoryWindowStore()).process(happened, now_ms=NOW).findings == ()
    engine = Engine(ruleset(median), MemoryWindowStore())
    (finding,) = engine.process([*happened, event(9, latency_ms=50)], now_ms=NOW).findings
    assert (finding.count, finding.value) == (5, 30)


@pytest.mark.parametrize(
    ("bounds", "counts"),
    [
        ((("lt", 2),), {1}),
        ((("lte", 2),), {1, 2}),
        ((("eq", 2),), {2}),
        ((("neq", 2),), {1, 3}),
        ((("gt", 1), ("lt", 3)), {2}),
        ((("gte", 2), ("lte", 3)), {2, 3}),
    ],
)
def test_every_operator_judges_the_interval_that_ends_at_an_event(bounds: Any, counts: set[int]) -> None:
    one_rule = rule(bounds=bounds, cooldown_ms=1)
    happened = [event(number, at=number) for number in range(3)]
    engine = Engine(ruleset(one_rule), MemoryWindowStore())
    assert {one.count for one in engine.process(happened, now_ms=NOW).findings} == counts


def test_what_was_true_when_it_arrived_is_not_withdrawn() -> None:
    engine = Engine(ruleset(rule(bounds=(("lt", 2),))), MemoryWindowStore())
    (early,) = engine.process([event(1, at=1)], now_ms=NOW).findings
    (again,) = engine.process([event(0, at=0)], now_ms=NOW).findings
    assert early.id == again.id


def test_an_interval_is_only_judged_as_a_whole() -> None:
    """The event before belongs to an interval whose beginning is not read for this batch: it stays out."""
    engine = Engine(ruleset(rule(bounds=(("lt", 2),), cooldown_ms=1)), MemoryWindowStore())
    first = [event(0, at=EPOCH - 2), event(1, at=EPOCH - 1)]
    outcome = engine.process(first, now_ms=NOW)
    outcome.commit(outcome.findings)
    outcome = engine.process([event(2, at=EPOCH + MINUTE)], now_ms=NOW + MINUTE)
    assert [finding.time for finding in outcome.findings] == [START + EPOCH + MINUTE]


def test_a_sequence_without_order_needs_every_step() -> None:
    together = rule(kind="temporal", **SEQUENCE)
    happened = [event(1, at=5, status=200), event(2, status=401)]
    assert found([event(1, status=401), event(3, status=401)], together) == []
    (finding,) = found(happened, together)
    assert (finding.count, finding.events) == (2, ("id-2", "id-1"))


def test_steps_within_thirty_one_quanta_are_always_together_and_a_timespan_apart_never() -> None:
    together = rule(kind="temporal", **SEQUENCE, timespan_ms=32_000)
    for start in (0, 1, 999, 31_999):
        near = [event(1, at=start, status=401), event(2, at=start + 31_000, status=200)]
        far = [event(1, at=start, status=401), event(2, at=start + 32_000, status=200)]
        assert (len(found(near, together)), found(far, together)) == (1, [])


def test_one_event_can_be_several_steps_without_order_and_only_one_in_order() -> None:
    both: dict[str, Any] = {"selections": (FAILED, CHANGED), "steps": ("failed", "changed"), "bounds": ()}
    happened = [event(1, status=401, route="PUT /me")]
    (finding,) = found(happened, rule(kind="temporal", **both))
    assert (finding.count, finding.events) == (2, ("id-1",))
    in_order = rule(kind="temporal_ordered", **both)
    assert found(happened, in_order) == []
    assert len(found([*happened, event(2, at=1, route="PUT /me")], in_order)) == 1


def test_steps_in_order_are_found_and_in_another_are_not() -> None:
    in_order = rule(kind="temporal_ordered", **SEQUENCE)
    assert found([event(1, status=200), event(2, at=1, status=401)], in_order) == []
    (finding,) = found([event(1, status=401), event(2, at=1, status=200)], in_order)
    assert (finding.count, finding.time, finding.first_time) == (2, START + 1, START)
    assert (finding.events, finding.value) == (("id-1", "id-2"), None)


def test_steps_of_one_millisecond_are_in_order() -> None:
    assert (
        len(found([event(1, status=200), event(2, status=401)], rule(kind="temporal_ordered", **SEQUENCE)))
        == 1
    )


@pytest.mark.parametrize(("apart", "findings"), [(MINUTE - 1, 1), (MINUTE, 0)])
@pytest.mark.parametrize("start", [0, EPOCH - 1, EPOCH])
def test_a_chain_lies_within_one_timespan(start: int, apart: int, findings: int) -> None:
    happened = [event(1, at=start, status=401), event(2, at=start + apart, status=200)]
    assert len(found(happened, rule(kind="temporal_ordered", **SEQUENCE))) == findings


def test_one_step_s_flood_does_not_push_out_another() -> None:
    store = MemoryWindowStore(member_limit=10)
    engine = Engine(ruleset(rule(kind="temporal_ordered", **SEQUENCE)), store)
    flood = [event(number, at=number, status=401) for number in range(30)]
    engine.process(flood[:20], now_ms=NOW)
    outcome = engine.process(flood[20:], now_ms=NOW)
    assert (outcome.findings, outcome.full) == ((), 1)
    assert len(engine.process([event(99, at=40, status=200)], now_ms=NOW).findings) == 1


def test_a_full_set_is_told_where_it_could_matter_and_no_average_is_judged_by_it() -> None:
    happened = [event(number, at=number, latency_ms=1) for number in range(12)]
    average = rule("average", kind="value_avg", value_field="latency_ms", bounds=(("lte", 1),))
    sum_of = rule("sum", kind="value_sum", value_field="latency_ms", threshold=5)
    for one, full, findings in ((rule(), 0, 1), (average, 1, 1), (sum_of, 1, 1)):
        engine = Engine(ruleset(one), MemoryWindowStore(member_limit=10))
        outcome = engine.process(happened, now_ms=NOW)
        assert (outcome.full, len(outcome.findings)) == (full, findings), one.id
        assert [finding.not_judged for finding in outcome.findings] == [one is average]


def test_selections_can_name_fields_of_their_own_for_the_key() -> None:
    aliased = rule(
        group_by=("who",),
        selections=(
            selection(["exists", "status"], fields=("username",)),
            selection(category="identity", fields=("user",)),
        ),
    )
    happened = [
        event(1, username="carol", user="dave", status=200),
        event(2, at=1, source="identity", user="carol"),
        event(3, at=2, username="carol", user="erin", status=200),
        event(4, at=3, source="identity", user="dave"),
    ]
    (finding,) = found(happened, aliased)
    assert (finding.key, finding.count) == ({"who": "carol"}, 3)


def test_names_of_two_pools_do_not_meet_under_an_alias() -> None:
    aliased = rule(
        group_by=("who",),
        threshold=2,
        selections=(
            selection(fields=("client",)),
            selection(category="identity", fields=("user",)),
        ),
    )
    pools = ("pool-1", "pool-2")
    happened = [event(number, source="identity", user="x", pool=pool) for number, pool in enumerate(pools)]
    assert found(happened, aliased) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "value_sum"},
        {"kind": "value_sum", "value_field": "route"},
        {"kind": "value_percentile", "value_field": "status"},
        {"kind": "value_percentile", "value_field": "status", "percentile": 101},
        {"kind": "value_sum", "value_field": "status", "percentile": 50},
        {"kind": "value_sum", "value_field": "status", "bounds": (("gte", -1),)},
        {"kind": "value_avg", "value_field": "status", "bounds": ()},
        {"bounds": (("lt", 10_001),)},
        {"kind": "temporal", "bounds": ()},
        {"kind": "temporal", "bounds": (), "steps": ("selected", "unknown")},
        {"kind": "temporal", "steps": ("selected",)},
        {"kind": "temporal_ordered", "bounds": (), "steps": ("selected",) * 65},
        {"selections": (selection(fields=("claimed_user",)),)},
        {"selections": (selection(fields=("user", "session")),)},
        {"selections": (selection(fields=("no_such_field",)),)},
    ],
)
def test_what_cannot_be_evaluated_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(RulesetError):
        accepted(rule(**changes))


def test_kinds_whose_windows_have_one_digest_keep_their_members_apart() -> None:
    shared: dict[str, Any] = {"window": "shared", "value_field": "status"}
    rules = (
        rule("sum", kind="value_sum", threshold=400, **shared),
        rule("more", kind="value_sum", threshold=401, **shared),
        rule("values", kind="value_count", threshold=1, **shared),
    )
    engine = Engine(ruleset(*rules), MemoryWindowStore())
    findings = engine.process([event(1, status=400)], now_ms=NOW).findings
    assert {one.rule: one.value for one in findings} == {"sum": 400, "values": None}
    # two sums share members up to a full set, beyond which each threshold has a sample of its own; numbers
    # and values lie apart, though their digests are one
    assert len(engine._caches) == 3
    assert len({window.sets for window in engine._caches}) == 2
    assert len({(window.sets, window.overflow) for window in engine._caches}) == 3


def test_writes_stop_while_the_periods_of_a_sum_are_suppressed() -> None:
    engine = Engine(ruleset(summing(cooldown_ms=HOUR)), MemoryWindowStore())
    outcome = engine.process(sizes(100), now_ms=NOW)
    outcome.commit(outcome.findings)
    batch = engine.collect([event(7, at=1, response_bytes=1)], now_ms=NOW)
    assert batch.levels == [{}]
