"""What bounds mean for each kind of correlation: how far they may go, and whether findings are final.

Invariant: the check of rule files and the loader of compiled rules ask the same questions here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from sessionwarden.ports import MAX_THRESHOLDS
from sessionwarden.ruleset.compiled import Bound, CompiledRule, Kind, Operator

LOWER: tuple[Operator, ...] = ("gt", "gte")
UPPER: tuple[Operator, ...] = ("lt", "lte")
OPERATORS: tuple[Operator, ...] = (*LOWER, *UPPER, "eq", "neq")
"""In the order in which bounds are compiled."""

MAX_VALUE = 2**53 - 1
"""Largest bound of sums, means and percentiles: beyond it other JSON readers lose digits."""

COUNTS: frozenset[Kind] = frozenset({"event_count", "value_count"})
WHOLE_KINDS: frozenset[Kind] = COUNTS | {"value_sum"}
NUMBER_KINDS: frozenset[Kind] = frozenset({"value_sum", "value_avg", "value_percentile"})
NUMBER_FIELDS = frozenset({"latency_ms", "response_bytes"})
TEMPORAL: frozenset[Kind] = frozenset({"temporal", "temporal_ordered"})
GROWING_KINDS: frozenset[Kind] = WHOLE_KINDS | TEMPORAL | {"event"}
PERCENTILES = range(1, 101)

ALIAS = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""What may stand in a group-by besides event fields: it reaches terminals, alerts and stores."""

MAX_CHAIN = 4
"""Correlations on top of each other: each is one more round of reads and writes for every event below."""

MAX_RULES = 64
"""Rules that one correlation takes in an order, or builds on: a member of a window names its own."""

MAX_PATTERNS = 1000
"""Regular expressions of a rule set, each of which may compile to a megabyte in every process of detect."""

# from a bound to the nearest whole number that meets it
NEAREST = {"gt": 1, "lt": -1}


def count_patterns(rules: Iterable[CompiledRule]) -> int:
    """How many regular expressions the selections of `rules` hold; the same selection counts once."""
    expressions = {selection.rule: selection.expression for rule in rules for selection in rule.selections}
    return sum(map(_patterns_in, expressions.values()))


def _patterns_in(expression: Any) -> int:
    if not isinstance(expression, list) or not expression:
        return 0
    return 1 if expression[0] == "re" else sum(map(_patterns_in, expression))


def largest_bound(kind: Kind) -> int:
    """The largest number that a bound of a kind may have if all of its members are looked at."""
    return MAX_THRESHOLDS[kind] if kind in COUNTS else MAX_VALUE


def least_and_most(operator: Operator, kind: Kind, most: int) -> tuple[int, int]:
    """The smallest and the largest number that a bound of this kind may have, if `most` can be met.

    An interval ends at a member, so it holds at least one; sizes and durations may all be zero.
    """
    least = 1 if kind in COUNTS or operator in LOWER else 0
    offset = NEAREST.get(operator, 0)
    return least - offset, min(most, most - offset)


def go_together(operators: Sequence[Operator]) -> bool:
    """Whether these are one operator, or the two of a range."""
    if len(operators) == 2:
        return operators[0] in LOWER and operators[1] in UPPER
    return len(operators) == 1


def is_final(kind: Kind, bounds: Sequence[Bound]) -> bool:
    """Whether more events can never undo what a rule of `kind` with `bounds` found by itself.

    Events are late, repeated and out of order. What only needs more of something stays found whatever
    still arrives; what needs less of something, or a mean, can turn out wrong. Sums are of sizes and
    durations, never negative. A chain of rules is final if each of them is.
    """
    return kind in GROWING_KINDS and all(operator in LOWER for operator, _ in bounds)
