"""Bounds: the numbers that a correlation must meet, and when an interval meets them.

Enters: bounds and a measure (a number, an average as a fraction). Leaves: whether the measure meets them, how
far a bound may go, and the bounds in words. Invariant: a condition that `grows` stays met whatever arrives
later. The guarantees of docs/explanation/windows.md are two-sided for those, and one-sided for the others.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sessionwarden.model.rules import Bound, Operator

Measure = int | Fraction

COMPARE: Mapping[Operator, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "eq": operator.eq,
    "neq": operator.ne,
}
LOWER: tuple[Operator, ...] = ("gt", "gte")
UPPER: tuple[Operator, ...] = ("lt", "lte")
OPERATORS: tuple[Operator, ...] = (*LOWER, *UPPER, "eq", "neq")
"""In the order in which bounds are compiled."""

IN_WORDS: Mapping[Operator, str] = {
    "gte": "at least",
    "gt": "more than",
    "lte": "at most",
    "lt": "less than",
    "eq": "exactly",
    "neq": "not",
}

# from a bound to the nearest whole number that meets it
NEAREST = {"gt": 1, "lt": -1}


@dataclass(frozen=True, slots=True)
class Condition:
    """A measure must meet all `bounds`. Fewer than `least` members never meet them."""

    bounds: tuple[Bound, ...]
    grows: bool
    least: int

    def met(self, measure: Measure) -> bool:
        """Whether the measure meets every bound."""
        for name, bound in self.bounds:  # noqa: SIM110  asked at every member: a generator would cost more
            if not COMPARE[name](measure, bound):
                return False
        return True


def are_lower(bounds: Sequence[Bound]) -> bool:
    """Whether a measure that grows, once it meets all of them, meets them for good."""
    return all(name in LOWER for name, _ in bounds)


def go_together(operators: Sequence[Operator]) -> bool:
    """Whether these are one operator, or the two of a range."""
    if len(operators) == 2:
        return operators[0] in LOWER and operators[1] in UPPER
    return len(operators) == 1


def bounds_in_words(bounds: Sequence[Bound]) -> str:
    """`at least 3`, or of a range `more than 3 and at most 9`."""
    return " and ".join(f"{IN_WORDS[name]} {bound:,}" for name, bound in bounds)
