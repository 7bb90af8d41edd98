"""What a correlation must meet: its `condition` in, bounds, field and percentile out.

A map of numbers for what is counted (`bounds` reads those), nothing or all of the rules for `temporal`
(https://sigmahq.io/docs/meta/correlations.html). Other expressions over rules are refused.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from sessionwarden.correlations.bounds import OPERATORS
from sessionwarden.correlations.correlation_type import PERCENTILES, CorrelationType
from sessionwarden.documents.check import Check, quoted
from sessionwarden.documents.yaml import Path
from sessionwarden.model.rules import Bound
from sessionwarden.ruleset.compiler.bounds import read_bounds
from sessionwarden.ruleset.vocabulary import event_field, field_hint

# all rules, and nothing but `and` between them: the one expression that says what temporal says anyway
_RULES_JOINED_BY_AND = re.compile(r"[A-Za-z_]\w*(?: and [A-Za-z_]\w*)*")

Reference = tuple[str, Path]
"""A word for another rule, and where it stands."""


class Condition(NamedTuple):
    """A checked `condition`."""

    bounds: tuple[Bound, ...]
    value_field: str | None = None
    percentile: int | None = None


def joined_rules(condition: str) -> list[str]:
    """The rules of `a and b`, in that order; none if the condition says anything else."""
    return condition.split(" and ") if _RULES_JOINED_BY_AND.fullmatch(condition) else []


def read_condition(
    section: dict[str, Any],
    type_: str,
    correlation: CorrelationType | None,
    rules: tuple[Reference, ...],
    check: Check,
    path: Path,
) -> Condition | None:
    """What a `correlation` section of a type, written as `type_`, must meet.

    `None` if there was a mistake, which `check` now holds, or if there is no condition and must be one.
    """
    here = (*path, "condition")
    if correlation is not None and correlation.has_steps:
        _check_temporal_condition(section, rules, check, path)
        return Condition(())
    if isinstance(section.get("condition"), str):
        check.refuse(here, "only temporal rules have a condition over rules", "a map like {gte: 10}")
        return None
    condition = check.section(section, "condition", path)
    if condition is None:
        return None
    check.keys(condition, {*OPERATORS, "field", "percentile"}, here)
    bounds = read_bounds(condition, correlation, check, here)
    if correlation is not None and not correlation.value_fields and "field" in condition:
        check.refuse((*here, "field"), f"{type_} counts events, not the values of a field", "use value_count")
        return None
    percentile = _read_percentile(condition, type_, correlation, check, here)
    field = _read_value_field(condition, type_, correlation, check, here)
    return None if bounds is None else Condition(bounds, field, percentile)


def _check_temporal_condition(
    section: dict[str, Any], rules: tuple[Reference, ...], check: Check, path: Path
) -> None:
    names = [name for name, _ in rules]
    if "rules" in section and len(names) == 1:
        check.refuse((*path, "rules"), "needs at least two rules", "one rule is counted by event_count")
    here = (*path, "condition")
    condition = section.get("condition")
    if isinstance(condition, str):
        joined = joined_rules(condition)
        if not joined:
            check.refuse(here, "only rules joined by and are supported here", "or leave the condition out")
        elif sorted(joined) != sorted(names):
            check.refuse(here, "must name every rule of the correlation, once")
        elif joined != names and section.get("type") == "temporal_ordered":
            check.refuse(here, "names the rules in another order than the correlation")
    elif "condition" in section and names and not _is_all(condition, len(names)):
        hint = f"leave the condition out, or {{gte: {len(names)}}}"
        check.refuse(here, f"{section['type']} is only supported with all of its rules", hint)


def _is_all(condition: Any, rules: int) -> bool:
    return bool(condition == {"gte": rules}) and type(condition["gte"]) is int


def _read_percentile(
    condition: dict[str, Any], type_: str, correlation: CorrelationType | None, check: Check, path: Path
) -> int | None:
    here = (*path, "percentile")
    meant = correlation.spellings[type_] if correlation is not None else None
    wanted = correlation is not None and correlation.needs_percentile and meant is None
    if wanted and "percentile" not in condition:
        check.refuse(path, f"{type_} needs a percentile", "add percentile: 95, say")
    if "percentile" not in condition:
        return meant
    if not wanted:
        check.refuse(here, f"{type_ or 'this type'} has no percentile", "use value_percentile")
        return None
    percentile: int | None = check.typed(condition["percentile"], int, here)
    if percentile is not None and percentile not in PERCENTILES:
        check.refuse(here, f"must be from {PERCENTILES.start} to {PERCENTILES.stop - 1}, not {percentile}")
        return None
    return percentile


def _read_value_field(
    condition: dict[str, Any], type_: str, correlation: CorrelationType | None, check: Check, path: Path
) -> str | None:
    here = (*path, "field")
    if "field" not in condition:
        if correlation is not None and correlation.value_fields:
            purpose, example = correlation.value_purpose, correlation.value_example
            check.refuse(
                path, f"{type_} needs the field whose values are {purpose}", f"add field: {example}, say"
            )
        return None
    if isinstance(condition["field"], list):
        check.refuse(here, "counting several fields together is not supported")
        return None
    name = check.typed(condition["field"], str, here)
    if name is None:
        return None
    field = event_field(name)
    if field is None:
        check.refuse(here, f"no event has a field {quoted(name)}", field_hint(name))
    elif correlation is not None and field not in correlation.value_fields:
        _refuse_value_field(name, correlation, check, here)
    return field


def _refuse_value_field(name: str, correlation: CorrelationType, check: Check, path: Path) -> None:
    if correlation.shows_value:
        known = ", ".join(sorted(correlation.value_fields))
        check.refuse(path, f"{name} is no quantity", f"known: {known}")
    else:
        check.refuse(path, f"the values of {name} cannot be counted")
