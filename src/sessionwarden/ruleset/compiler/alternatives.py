"""Joins the expressions of one detection item, and merges alternatives on one field into one test.

So a list of a hundred values is one lookup, and stays small when it is published. Invariant: the merged
expression matches the same events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Operators with a list of values, where one matching value is enough.
_MERGEABLE = frozenset(
    {"number", "cidr"}
    | {name + cased for name in ("equals", "contains", "startswith", "endswith") for cased in ("", "_cased")}
)


def joined(operator: str, expressions: Sequence[Any]) -> Any:
    """One or more expressions as one, joined by `and` or `or`; alternatives are merged."""
    if operator == "or":
        expressions = _merged(expressions)
    return expressions[0] if len(expressions) == 1 else [operator, *expressions]


def negated(expression: Any) -> Any:
    """The expression that matches where `expression` does not."""
    return expression[1] if expression[0] == "not" else ["not", expression]


def _merged(expressions: Sequence[Any]) -> list[Any]:
    merged: list[Any] = []
    for expression in expressions:
        if expression[0] == "or":
            merged.extend(expression[1:])
        else:
            merged.append(expression)
    # keys of dicts, not lists: a list of values may be as long as its file
    by_test: dict[tuple[str, str], dict[Any, None]] = {}
    result: list[Any] = []
    for expression in merged:
        if expression[0] not in _MERGEABLE:
            result.append(expression)
            continue
        operator, field, values = expression
        if (operator, field) not in by_test:
            by_test[operator, field] = {}
            result.append([operator, field, by_test[operator, field]])
        by_test[operator, field] |= dict.fromkeys(values)
    return [
        [expression[0], expression[1], list(expression[2])] if expression[0] in _MERGEABLE else expression
        for expression in result
    ]
