"""Finds the necessary tests of an expression: a few tests of single fields where one must hold.

If none of them holds for an event, the expression cannot match it. Among several such sets, the one least
likely to hold is chosen; a bare `not`, for example, has none. Invariant: where the expression matches, at
least one of its necessary tests does. `selection_index` asks those of all rules at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Test = tuple[str, str, Any]
"""An operator, a field and one value: `("contains", "path", "/../")`."""


class NecessaryTests(NamedTuple):
    """A set of tests where at least one must hold, and roughly how likely that is, to compare sets by."""

    tests: frozenset[Test]
    likelihood: float


# Shares of usual traffic for which a test holds, from experience. A wrong one costs time, never a match.
_OF_OPERATOR = {
    "equals": 0.01,
    "number": 0.05,
    "cidr": 0.05,
    "like": 0.05,
    "re": 0.05,
    "contains": 0.02,
    "startswith": 0.05,
    "endswith": 0.02,
    "exists": 0.9,
}
_OF_COMPARISON = 0.3
_OF_SHORT_TEXT = 0.3
SHORT_CHARACTERS = 2
_OF_FIELD = {
    "api_id": 0.5,
    "client": 0.2,
    "country": 0.1,
    "decision": 0.3,
    "host": 0.5,
    "line": 0.05,
    "method": 0.3,
    "pool": 0.5,
    "route": 0.03,
    "scope": 0.3,
    "stage": 0.5,
    "status": 0.1,
}


def necessary_tests(expression: Any) -> NecessaryTests | None:
    """The necessary tests of `expression`, one that `predicates` can compile; `None` if it has none."""
    name, *operands = expression
    if name == "not":
        return None
    if name == "never":
        return NecessaryTests(frozenset(), 0.0)
    if name == "and":
        found = [one for one in map(necessary_tests, operands) if one is not None]
        return min(found, key=lambda one: (one.likelihood, len(one.tests))) if found else None
    if name == "or":
        return _of_any(operands)
    return _of_single_test(name, operands)


def _of_any(operands: list[Any]) -> NecessaryTests | None:
    tests: frozenset[Test] = frozenset()
    likelihood = 0.0
    for operand in operands:
        found = necessary_tests(operand)
        if found is None:
            return None
        tests |= found.tests
        likelihood += found.likelihood
    return NecessaryTests(tests, likelihood)


def _of_single_test(name: str, operands: list[Any]) -> NecessaryTests:
    field = operands[0]
    if name in ("exists", "fieldref"):
        values: list[Any] = [None]
        name = "exists"
    elif name == "re":
        values = [tuple(operands[1:])]
    elif name.startswith("like"):
        values = [tuple(operands[1])]
    elif name in ("lt", "lte", "gt", "gte"):
        values = [operands[1]]
    else:
        values = list(operands[1])
    likelihood = sum(_likelihood(name, field, value) for value in values)
    return NecessaryTests(frozenset((name, field, value) for value in values), likelihood)


def _likelihood(name: str, field: str, value: Any) -> float:
    share = _OF_OPERATOR.get(name.removesuffix("_cased"), _OF_COMPARISON)
    if isinstance(value, str) and len(value) <= SHORT_CHARACTERS and not name.startswith("equals"):
        share = _OF_SHORT_TEXT
    return max(share, _OF_FIELD.get(field, 0.0))
