"""Which rules are sampled, at which rate, and what is then said of it."""

from __future__ import annotations

from fractions import Fraction
from math import comb
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sessionwarden.correlations.counts import MAX_EVENTS
from sessionwarden.correlations.sampling import MAX_SAMPLED_EVENTS, sampling_rate
from sessionwarden.errors import RulesetError
from sessionwarden.model.rules import CompiledRule, Inner
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.compiler.compile import CheckedRules, check_rules, dump_ruleset
from sessionwarden.ruleset.compiler.sampling import (
    doubt,
    missed,
    reached,
)
from sessionwarden.ruleset.load import digest_of, load_ruleset
from tests.support.detection import rule
from tests.support.ruleset import changed, found

RULES = """\
title: Base
name: base
logsource: {category: api_access}
detection: {s: {user|exists: true}, condition: s}
---
title: Many
id: 00000000-0000-4000-8000-000000000001
name: many
correlation:
  type: event_count
  rules: [base]
  group-by: [user]
  timespan: 6h
  condition: {gte: 40000}
"""
CHAIN = """\
---
title: Chain
id: 00000000-0000-4000-8000-000000000002
correlation: {type: event_count, rules: [many], group-by: [user], timespan: 7d, condition: {gte: 2}}
"""


def checked(folder: Path, text: str = RULES) -> CheckedRules:
    (folder / "rules.yml").write_text(text)
    return check_rules([folder])


def with_condition(condition: str) -> str:
    return changed(RULES, "{gte: 40000}", condition)


def many(folder: Path, text: str = RULES) -> CompiledRule:
    return next(one for one in checked(folder, text).ruleset.rules if one.title == "Many")


@pytest.mark.parametrize(
    ("condition", "one_in", "members"),
    [
        ("{gte: 1000}", 1, 1000),
        ("{gte: 10000}", 1, 10000),
        ("{gt: 9999}", 1, 10000),
        ("{gt: 10000}", 2, 5001),
        ("{gte: 10001}", 2, 5001),
        ("{gte: 20000}", 2, 10000),
        ("{gte: 20001}", 4, 5001),
        ("{gte: 1000000}", 128, 7813),
        ("{gt: 999999}", 128, 7813),
    ],
)
def test_the_rate_is_the_smallest_power_of_two_that_leaves_the_documented_size(
    tmp_path: Path, condition: str, one_in: int, members: int
) -> None:
    one = many(tmp_path, with_condition(condition))
    assert (one.sampled_one_in, one.members_to_reach) == (one_in, members)


@pytest.mark.parametrize("condition", ["{gte: 1000001}", "{gt: 1000000}"])
def test_a_threshold_above_the_largest_is_refused(tmp_path: Path, condition: str) -> None:
    (diagnostic,) = found(tmp_path, rules=with_condition(condition))
    assert "rules.yml:14:15: correlation.condition.g" in diagnostic
    assert f"not {condition[-8:-1].strip()}" in diagnostic


@pytest.mark.parametrize(
    "condition", ["{lt: 10000}", "{lte: 10000}", "{eq: 10000}", "{neq: 10000}", "{gte: 9000, lt: 10000}"]
)
def test_other_conditions_stay_exact_up_to_their_limit(tmp_path: Path, condition: str) -> None:
    assert many(tmp_path, with_condition(condition)).sampled_one_in == 1


@pytest.mark.parametrize(
    "condition", ["{lt: 10001}", "{lte: 10001}", "{eq: 10001}", "{neq: 10001}", "{gte: 9000, lt: 10001}"]
)
def test_other_conditions_have_no_higher_limit_than_before(tmp_path: Path, condition: str) -> None:
    (diagnostic,) = found(tmp_path, rules=with_condition(condition))
    assert "must be from" in diagnostic


def test_a_rule_whose_firings_others_count_looks_at_every_event(tmp_path: Path) -> None:
    exact = with_condition("{gte: 10000}")
    assert many(tmp_path, exact + CHAIN).sampled_one_in == 1
    generated = changed(CHAIN, "timespan: 7d", "timespan: 7d, generate: true")
    assert many(tmp_path, exact + generated).sampled_one_in == 1
    assert found(tmp_path, rules=with_condition("{gte: 10001}") + CHAIN) == [
        "rules.yml:14:3: correlation.condition: must be at most 10000 here, where no event is left out: "
        "other rules count its matches"
    ]


def test_a_rule_on_events_whose_ids_an_application_chooses_looks_at_every_event(tmp_path: Path) -> None:
    application = changed(with_condition("{gte: 10000}"), "category: api_access", "category: application")
    assert many(tmp_path, application).sampled_one_in == 1
    (diagnostic,) = found(tmp_path, rules=changed(application, "{gte: 10000}", "{gte: 10001}"))
    assert diagnostic.endswith("no event is left out: an application chooses the ids of its events")


def test_firings_are_counted_as_far_as_before(tmp_path: Path) -> None:
    (diagnostic,) = found(
        tmp_path, rules=with_condition("{gte: 3}") + changed(CHAIN, "{gte: 2}", "{gte: 5000}")
    )
    assert diagnostic.endswith("correlations can be counted up to 625, not to 5000")


def test_a_rule_that_is_not_sampled_has_the_bytes_and_the_window_it_had_before(tmp_path: Path) -> None:
    ruleset = checked(tmp_path, with_condition("{gte: 10000}")).ruleset
    assert b"sampled" not in dump_ruleset(ruleset)
    assert ruleset.rules[0].window == "e7a3c7eb7b2d27a7"


def test_rules_share_a_window_if_and_only_if_they_share_a_rate(tmp_path: Path) -> None:
    windows = {
        threshold: many(tmp_path, with_condition(f"{{gte: {threshold}}}")).window
        for threshold in (3, 10_000, 10_001, 20_000, 20_001, 40_000)
    }
    assert windows[3] == windows[10_000]
    assert windows[10_001] == windows[20_000]
    assert windows[20_001] == windows[40_000]
    assert len(set(windows.values())) == 3


def test_a_sampled_rule_is_noted_with_its_place_and_its_error(tmp_path: Path) -> None:
    (note,) = checked(tmp_path).notes
    assert str(note).removeprefix(f"{tmp_path}/") == (
        "rules.yml:14:3: correlation.condition: looks at one event in 4: an interval with fewer than 38,378 "
        "events fires with a probability below 1 in 1,000,000, one with 41,672 or more is missed with one "
        "below that"
    )
    assert checked(tmp_path, with_condition("{gte: 10000}")).notes == ()


@pytest.mark.parametrize(
    ("needed", "of", "one_in"),
    [(1, 1, 2), (1, 9, 4), (3, 10, 2), (5, 40, 4), (20, 100, 4), (40, 100, 4), (60, 61, 2), (8, 500, 64)],
)
def test_the_probabilities_are_those_of_the_binomial_distribution(needed: int, of: int, one_in: int) -> None:
    exactly = sum(
        Fraction(comb(of, number) * (one_in - 1) ** (of - number), one_in**of)
        for number in range(needed, of + 1)
    )
    assert reached(needed, of=of, one_in=one_in) == pytest.approx(float(exactly), rel=1e-11)
    assert missed(needed, of=of, one_in=one_in) == pytest.approx(float(1 - exactly), rel=1e-11)


def test_less_than_needed_can_never_be_enough() -> None:
    assert reached(8, of=7, one_in=2) == 0
    assert missed(8, of=7, one_in=2) == 1


@pytest.mark.parametrize("threshold", [10_001, 15_000, 20_000, 20_001, 50_000, 640_001, MAX_SAMPLED_EVENTS])
def test_beyond_the_stated_counts_the_chance_of_being_wrong_is_below_one_in_a_million(threshold: int) -> None:
    one = rule(threshold=threshold, sampled_one_in=sampling_rate(threshold))
    fires_from, found_from = doubt(one)
    odds: dict[str, Any] = {"one_in": one.sampled_one_in}
    assert reached(one.members_to_reach, of=fires_from - 1, **odds) <= 1e-6
    assert reached(one.members_to_reach, of=fires_from, **odds) > 1e-6
    assert missed(one.members_to_reach, of=found_from, **odds) <= 1e-6
    assert missed(one.members_to_reach, of=found_from - 1, **odds) > 1e-6
    # as the documentation says in round numbers
    assert fires_from > threshold * 0.93
    assert found_from < threshold * 1.07


@pytest.fixture
def ruleset(tmp_path: Path) -> CompiledRuleset:
    return checked(tmp_path).ruleset


def forged(ruleset: CompiledRuleset, **changes: Any) -> bytes:
    one = msgspec.structs.replace(ruleset.rules[0], **changes)
    other = msgspec.structs.replace(ruleset, rules=(one, *ruleset.rules[1:]))
    return dump_ruleset(msgspec.structs.replace(other, digest=digest_of(other)))


def test_a_sampled_rule_set_loads_as_it_was_compiled(ruleset: CompiledRuleset) -> None:
    assert ruleset.rules[0].sampled_one_in == 4
    assert load_ruleset(dump_ruleset(ruleset)) == ruleset


@pytest.mark.parametrize(
    "changes",
    [
        {"sampled_one_in": 0},
        {"sampled_one_in": -4},
        {"sampled_one_in": 2},
        {"sampled_one_in": 3},
        {"sampled_one_in": 8},
        {"sampled_one_in": 1 << 20},
        {"bounds": (("gte", MAX_EVENTS),)},
        {"bounds": (("gte", 20_000),)},
        {"bounds": (("gt", 40_000),)},
        {"bounds": (("gte", 40_000), ("lt", 60_000))},
        {"kind": "value_count", "value_field": "path"},
        {"kind": "value_sum", "value_field": "latency_ms"},
    ],
)
def test_a_rate_that_no_compiler_would_write_is_refused(
    ruleset: CompiledRuleset, changes: dict[str, Any]
) -> None:
    with pytest.raises(RulesetError, match=r"looks at one event in|no usable threshold"):
        load_ruleset(forged(ruleset, **changes))


def test_a_threshold_that_no_set_could_prove_is_refused_without_a_rate(ruleset: CompiledRuleset) -> None:
    with pytest.raises(RulesetError, match="no usable threshold"):
        load_ruleset(forged(ruleset, sampled_one_in=1, bounds=(("gte", 10_001),)))


def test_a_rate_over_events_of_an_application_is_refused(ruleset: CompiledRuleset) -> None:
    selection = msgspec.structs.replace(ruleset.rules[0].selections[0], category="application")
    with pytest.raises(RulesetError, match="looks at one event in 4"):
        load_ruleset(forged(ruleset, selections=(selection,)))


def test_a_rate_of_a_rule_that_serves_another_is_refused(tmp_path: Path) -> None:
    ruleset = checked(tmp_path, with_condition("{gte: 10000}") + CHAIN).ruleset
    (chain,) = (one for one in ruleset.rules if one.inner)
    assert chain.inner == (Inner(rule=ruleset.rules[0].id),)
    with pytest.raises(RulesetError, match="looks at one event in 4"):
        load_ruleset(forged(ruleset, sampled_one_in=4))
