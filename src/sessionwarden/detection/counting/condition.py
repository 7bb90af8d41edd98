"""When an interval meets a rule, given what was measured in it.

Enters: a rule's bounds and a measure (a number, an average as a fraction). Leaves: yes or no. Invariant:
a condition that `grows` stays met whatever arrives later; the guarantees of docs/explanation/windows.md
are two-sided for those, and one-sided for the others.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sessionwarden.errors import RulesetError
from sessionwarden.ports import MAX_THRESHOLDS, MEMBER_LIMIT
from sessionwarden.ruleset.compiled import Bound, CompiledRule, Kind, Operator

Measure = int | Fraction

COMPARE: Mapping[Operator, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "eq": operator.eq,
    "neq": operator.ne,
}
GROWING: frozenset[Kind] = frozenset({"event_count", "value_count", "value_sum"})
"""Kinds whose measure can only grow as members arrive: values are never negative."""

SEQUENCES: frozenset[Kind] = frozenset({"temporal", "temporal_ordered"})
NUMBERS: frozenset[Kind] = frozenset({"value_sum", "value_avg", "value_percentile"})

MAX_STEPS = 64
"""Steps of a sequence: each has sets of its own, or a member in every quantum."""


@dataclass(frozen=True, slots=True)
class Condition:
    """`bounds`, all of which a measure must meet. Fewer than `least` members never meet them."""

    bounds: tuple[Bound, ...]
    grows: bool
    least: int

    def met(self, measure: Measure) -> bool:
        """Whether the measure meets every bound."""
        for name, bound in self.bounds:  # noqa: SIM110  asked at every member: a generator would cost more
            if not COMPARE[name](measure, bound):
                return False
        return True


def condition_of(rule: CompiledRule) -> Condition:
    """The condition of a rule; a sequence is met when all its steps are there.

    Raises `RulesetError` for one that no honest compiler would have written.
    """
    if rule.sampled_one_in != 1:
        return _estimate(rule)
    if rule.kind == "event":
        return Condition((), grows=True, least=1)
    if rule.kind in SEQUENCES:
        return _sequence(rule)
    if not rule.bounds or any(bound < 0 for _, bound in rule.bounds):
        raise RulesetError(f"rule {rule.id}: bounds {rule.bounds} are out of range")
    lower = all(name in ("gt", "gte") for name, _ in rule.bounds)
    reach = max(bound + (name == "gt") for name, bound in rule.bounds)
    if rule.kind in ("event_count", "value_count"):
        _refuse_counts(rule, lower, reach)
        return Condition(rule.bounds, grows=lower, least=reach if lower else 1)
    return Condition(rule.bounds, grows=lower and rule.kind in GROWING, least=1)


def _estimate(rule: CompiledRule) -> Condition:
    """The condition on the events that are looked at, which stand for all."""
    one_in, least = rule.sampled_one_in, 0
    if rule.kind == "event_count" and not rule.inner and [name for name, _ in rule.bounds] == ["gte"]:
        least = rule.members_to_reach if one_in.bit_count() == 1 and one_in > 0 else 0
    if not 1 <= least <= MAX_THRESHOLDS["event_count"]:
        raise RulesetError(
            f"rule {rule.id}: {rule.kind} with bounds {rule.bounds} over one event in {one_in}"
        )
    return Condition((("gte", least),), grows=True, least=least)


def _sequence(rule: CompiledRule) -> Condition:
    # of an unordered sequence the distinct steps count: one that is named twice is there once
    count = len(rule.steps) if rule.kind == "temporal_ordered" else len(set(rule.steps))
    if not 0 < count <= MAX_STEPS or rule.bounds:
        raise RulesetError(f"rule {rule.id}: {len(rule.steps)} steps with bounds {rule.bounds}")
    return Condition((("gte", count),), grows=True, least=count)


def _refuse_counts(rule: CompiledRule, lower: bool, reach: int) -> None:
    # firings repeat in every quantum, as values do, so a full set of them proves as much
    limit = MAX_THRESHOLDS["value_count" if rule.inner else rule.kind]
    if reach > limit or (lower and reach < 1):
        raise RulesetError(f"rule {rule.id}: bounds {rule.bounds} are out of range")


def proves_when_full(rule: CompiledRule, condition: Condition) -> bool:
    """Whether `MEMBER_LIMIT` members in one set prove that the condition was met."""
    if rule.kind == "temporal":
        return condition.least * 32 < MEMBER_LIMIT
    return condition.grows and rule.kind in ("event_count", "value_count")
