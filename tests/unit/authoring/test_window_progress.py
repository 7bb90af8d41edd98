"""How near a rule is to firing: kind by kind, over events that everybody can count."""

from __future__ import annotations

from typing import Any

import pytest

from sessionwarden.authoring.window_progress import figure_in_words, held, members_by_key, nearest_to_match
from sessionwarden.model.event import Event
from sessionwarden.model.rules import CompiledRule, Selection
from tests.support.detection import ANY_USER, MINUTE, START, event, rule, selection

KEY = ("alice", None)


def nearest(found: CompiledRule, events: list[Event]) -> Any:
    return nearest_to_match(found, members_by_key(found, events)[KEY])


def test_the_window_is_half_open_and_counts_an_event_once() -> None:
    counting = rule(threshold=3)
    events = [event(0), event(1, at=1000), event(1, at=1000), event(2, at=MINUTE)]
    members = members_by_key(counting, events)[KEY]
    assert held(counting, members, until=START + MINUTE).figure == 2
    assert held(counting, members, until=START + 1000).figure == 2
    assert figure_in_words(counting, nearest(counting, events)) == "2 of 3 events"


def test_distinct_values_are_counted_as_the_engine_groups_them() -> None:
    counting = rule(kind="value_count", value_field="source_ip", threshold=2)
    events = [event(n, at=n, source_ip=f"2001:db8::{n}") for n in range(5)]
    assert nearest(counting, events).figure == 1
    found = nearest(counting, [*events, event(9, at=9, source_ip="192.0.2.9")])
    assert (found.figure, found.meets, found.coarse) == (2, True, True)


@pytest.mark.parametrize(
    ("kind", "percentile", "figure", "words"),
    [
        ("value_sum", None, 100, "100 of 1,000 (sum of response_bytes)"),
        ("value_avg", None, 25, "25 of 1,000 (average of response_bytes)"),
        ("value_percentile", 50, 20, "20 of 1,000 (median of response_bytes)"),
        ("value_percentile", 100, 40, "40 of 1,000 (100th percentile of response_bytes)"),
        ("value_percentile", 0, 10, "10 of 1,000 (0th percentile of response_bytes)"),
    ],
)
def test_values_are_summed_averaged_and_ranked(kind: Any, percentile: Any, figure: int, words: str) -> None:
    judging = rule(kind=kind, value_field="response_bytes", percentile=percentile, threshold=1000)
    events = [event(n, at=n, response_bytes=size) for n, size in enumerate((10, 20, 30, 40))]
    members = members_by_key(judging, [*events, event(7, at=7)])[KEY]
    found = held(judging, members, until=START + 9)
    assert (found.figure, found.members, found.meets) == (figure, 4, False)
    assert figure_in_words(judging, found) == words


def test_the_nearest_interval_of_a_range_is_the_one_that_meets_it() -> None:
    counting = rule(bounds=(("gt", 1), ("lt", 3)))
    events = [event(n, at=n) for n in range(5)]
    found = nearest(counting, events)
    assert (found.figure, found.meets) == (2, True)
    assert figure_in_words(counting, found) == "2, wanted more than 1 and less than 3 events"


def steps(kind: Any) -> CompiledRule:
    selections = tuple(
        Selection(rule=name, category="api_access", expression=["equals", "method", [name]])
        for name in ("a", "b", "c")
    )
    return rule(kind=kind, selections=selections, steps=("a", "b", "c"), bounds=())


@pytest.mark.parametrize(
    ("kind", "order", "missing"),
    [
        ("temporal", "cab", ()),
        ("temporal", "cac", ("b",)),
        ("temporal_ordered", "abc", ()),
        ("temporal_ordered", "cab", ("c",)),
        ("temporal_ordered", "cba", ("b", "c")),
    ],
)
def test_steps_that_were_not_seen_are_named(kind: Any, order: str, missing: tuple[str, ...]) -> None:
    found = nearest(steps(kind), [event(n, at=n, method=name) for n, name in enumerate(order)])
    assert (found.missing, found.meets) == (missing, not missing)
    assert figure_in_words(steps(kind), found) == f"{3 - len(missing)} of 3 steps"


def test_an_event_without_the_key_or_of_another_source_or_refused_by_us_counts_for_nobody() -> None:
    others = [
        event(1, user=None),
        event(2, source="identity"),
        event(3, decision="deny", reason="signed_out"),
    ]
    assert members_by_key(rule(), others) == {}


def test_a_selection_can_name_its_own_key_fields() -> None:
    aliased = rule(
        group_by=("user",),
        selections=(Selection(rule="s", category="api_access", expression=ANY_USER, fields=("client",)),),
    )
    assert list(members_by_key(aliased, [event(1, client="app"), event(2)])) == [("app",)]


def test_a_rule_on_single_events_is_met_by_each() -> None:
    single = rule(kind="event", bounds=(), timespan_ms=0, selections=(selection(),))
    assert nearest(single, [event(1), event(2, at=5)]).meets


def test_a_large_figure_is_written_out_and_a_fraction_is_rounded() -> None:
    judging = rule(kind="value_avg", value_field="response_bytes", threshold=5)
    events = [event(n, at=n, response_bytes=size) for n, size in enumerate((2_000_000, 1, 1))]
    members = members_by_key(judging, events)[KEY]
    assert figure_in_words(judging, held(judging, members, until=START + 1)).startswith("1,000,000.50 of 5")
    assert figure_in_words(judging, held(judging, members, until=START)).startswith("2,000,000 of 5")


def test_of_very_many_intervals_the_fullest_and_the_emptiest_are_judged() -> None:
    steady = [event(n, at=n * MINUTE) for n in range(1000)]
    burst = [event(2000 + n, at=500 * MINUTE + n) for n in range(5)]
    assert nearest(rule(threshold=9), [*steady, *burst]).figure == 6
    assert nearest(rule(bounds=(("lt", 2),)), [*steady, *burst]).meets
