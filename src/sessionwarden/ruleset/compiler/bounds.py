"""The `condition` of a correlation in, the numbers to meet out.

All of Sigma's operators, alone or two as a range (https://sigmahq.io/docs/meta/correlations.html).
Refused: a range that no number is in, a bound that every interval meets or none can, and one beyond
what a window holds. A single lower bound on what is counted in whole numbers becomes `gte`.
"""

from __future__ import annotations

from typing import Any

from sessionwarden.correlations.bounds import LOWER, NEAREST, OPERATORS, go_together
from sessionwarden.correlations.correlation_type import CorrelationType
from sessionwarden.correlations.sampling import MAX_SAMPLED_EVENTS
from sessionwarden.documents.check import Check
from sessionwarden.documents.yaml import Path
from sessionwarden.model.rules import Bound, Operator


def read_bounds(
    condition: dict[str, Any], correlation: CorrelationType | None, check: Check, path: Path
) -> tuple[Bound, ...] | None:
    """The bounds of a condition; `None` if there was a mistake. Without a type, that is not known."""
    before = len(check.diagnostics)
    operators = [operator for operator in OPERATORS if operator in condition]
    if not operators:
        check.refuse(path, f"needs one of {', '.join(OPERATORS)}")
    given = [(operator, check.typed(condition[operator], int, (*path, operator))) for operator in operators]
    if operators and not go_together(operators):
        check.refuse(
            path, f"{' and '.join(operators)} cannot be combined", "a range is gt or gte with lt or lte"
        )
    # a value that YAML could not read is a mistake already, of the file
    unread = any(bound is None for _, bound in given)
    if correlation is None or unread or len(check.diagnostics) > before:
        return None
    # whether this rule can be sampled, `assembly` sees: that needs the rules that it refers to
    estimable = correlation.can_be_sampled and len(given) == 1 and given[0][0] in LOWER
    most = MAX_SAMPLED_EVENTS if estimable else correlation.largest_bound(of_matches=False)
    for operator, bound in given:
        _check_limits(bound, *correlation.least_and_most(operator, most), check, (*path, operator))
    if len(check.diagnostics) == before and len(given) == 2:
        _check_not_empty(given, correlation, check, path)
    if len(check.diagnostics) > before:
        return None
    if len(given) == 1 and correlation.whole_numbers and given[0][0] == "gt":
        return (("gte", given[0][1] + 1),)
    return tuple(given)


def _check_limits(bound: int, least: int, most: int, check: Check, path: Path) -> None:
    if not least <= bound <= most:
        check.refuse(path, f"must be from {least} to {most}, not {bound}")


def _check_not_empty(
    given: list[tuple[Operator, int]], correlation: CorrelationType, check: Check, path: Path
) -> None:
    (lower, low), (upper, high) = given
    if correlation.whole_numbers:
        empty = low + NEAREST.get(lower, 0) > high + NEAREST.get(upper, 0)
    else:
        empty = low > high or (low == high and (lower, upper) != ("gte", "lte"))
    if empty:
        check.refuse(path, f"no number is {lower} {low} and {upper} {high}")
