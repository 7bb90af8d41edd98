"""The `correlation` section of a Sigma rule in, what to count out.

Sigma's correlations (https://sigmahq.io/docs/meta/correlations.html): here `event_count` and
`value_count` with `gte` or `gt`; every other type and operator is refused by name. Leaves out: what
the references mean, which needs all files, and whether a response fits the group-by.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sessionwarden.model.event import FIELDS, LIST_FIELDS, UNGROUPABLE_FIELDS
from sessionwarden.ports import MAX_THRESHOLDS
from sessionwarden.ruleset.checking import Check, quoted
from sessionwarden.ruleset.compiled import Kind
from sessionwarden.ruleset.durations import duration_seconds
from sessionwarden.ruleset.vocabulary import event_field, field_hint, groupable
from sessionwarden.yamldoc import Path

KINDS: dict[str, Kind] = {"event_count": "event_count", "value_count": "value_count"}
OTHER_KINDS = frozenset(
    {"temporal", "temporal_ordered", "value_sum", "value_avg", "value_percentile", "value_median"}
)
OPERATORS = {"gte": 0, "gt": 1}
"""How much above its bound each operator begins."""
OTHER_OPERATORS = frozenset({"lt", "lte", "eq", "neq"})

KEYS = frozenset({"type", "rules", "group-by", "timespan", "condition", "generate"})


class Correlation(NamedTuple):
    """A checked `correlation` section. `rules` holds each reference with the index it stands at."""

    kind: Kind
    rules: tuple[str, ...]
    group_by: tuple[str, ...]
    timespan_seconds: int
    threshold: int
    value_field: str | None
    generate: bool


class Draft(NamedTuple):
    """What could be read of the section, even if other parts were wrong."""

    rules: tuple[tuple[str, Path], ...]
    group_by: tuple[str, ...] | None
    timespan_seconds: int | None
    correlation: Correlation | None
    generate: bool


def read_correlation(section: dict[str, Any], check: Check, path: Path) -> Draft:
    """Everything that can be read of a `correlation` section; `check` holds the mistakes."""
    before = len(check.mistakes)
    check.keys(section, KEYS, path, unsupported={"aliases"})
    for key in sorted(KEYS - {"generate"} - section.keys()):
        check.refuse(path, f"{key} is missing")
    kind = _read_kind(section, check, path)
    rules = _read_references(section, check, path)
    group_by = _read_group_by(section, check, path)
    timespan = (
        duration_seconds(section["timespan"], check, (*path, "timespan")) if "timespan" in section else None
    )
    generate = bool(check.option(section, "generate", bool, path))
    threshold, value_field = _read_condition(section, kind, check, path)
    correlation = None
    if len(check.mistakes) == before and kind and group_by and timespan and threshold:
        names = tuple(name for name, _ in rules)
        correlation = Correlation(kind, names, group_by, timespan, threshold, value_field, generate)
    return Draft(rules, group_by, timespan, correlation, generate)


def _read_kind(section: dict[str, Any], check: Check, path: Path) -> Kind | None:
    if "type" not in section:
        return None
    here = (*path, "type")
    if isinstance(section["type"], str) and section["type"] in OTHER_KINDS:
        check.refuse(
            here, f"correlation type {section['type']} is not supported", "event_count or value_count"
        )
        return None
    name = check.one_of(section["type"], KINDS, here)
    return KINDS.get(name) if name else None


def _read_references(section: dict[str, Any], check: Check, path: Path) -> tuple[tuple[str, Path], ...]:
    here = (*path, "rules")
    value = section.get("rules", [])
    if isinstance(value, str):
        return ((value, here),)
    names = check.texts(value, here)
    if value == [] and "rules" in section:
        check.refuse(here, "must name at least one rule")
    return tuple((name, (*here, value.index(name))) for name in names)


def _read_group_by(section: dict[str, Any], check: Check, path: Path) -> tuple[str, ...] | None:
    if "group-by" not in section:
        return None
    here = (*path, "group-by")
    value = section["group-by"]
    if isinstance(value, str):
        value = [value]
    if value == []:
        check.refuse(here, "must not be empty", "name what the count is kept for, like user or source_ip")
        return None
    before = len(check.mistakes)
    names = check.texts(value, here)
    fields: list[str] = []
    for name in names:
        place = (*here, value.index(name)) if isinstance(section["group-by"], list) else here
        field = _group_field(name, check, place)
        if field in fields:
            check.refuse(place, f"{quoted(name)} means {field}, which is listed already")
        elif field is not None:
            fields.append(field)
    return tuple(fields) if len(check.mistakes) == before else None


def _group_field(name: str, check: Check, path: Path) -> str | None:
    field = event_field(name)
    if field is None:
        check.refuse(path, f"no event has a field {quoted(name)}", field_hint(name))
    elif not groupable(field):
        check.refuse(path, f"{name} cannot be a group key", _why_ungroupable(field))
        return None
    return field


def _why_ungroupable(field: str) -> str:
    if field == "claimed_user":
        return "anyone can claim to be someone: group by source_ip, count claimed_user as a value"
    if field in LIST_FIELDS:
        return "it is a list"
    if field in UNGROUPABLE_FIELDS:
        return "it differs in every event"
    return "group by path"


def _read_condition(
    section: dict[str, Any], kind: Kind | None, check: Check, path: Path
) -> tuple[int | None, str | None]:
    here = (*path, "condition")
    if isinstance(section.get("condition"), str):
        check.refuse(here, "a condition over rules is not supported", "a map like {gte: 10}")
        return None, None
    condition = check.section(section, "condition", path)
    if condition is None:
        return None, None
    check.keys(condition, {*OPERATORS, "field"}, here, unsupported=OTHER_OPERATORS | {"percentile"})
    threshold = _read_threshold(condition, check, here, limit=MAX_THRESHOLDS[kind or "event_count"])
    if kind == "value_count" and "field" not in condition:
        check.refuse(
            here, "value_count needs the field whose values are counted", "add field: source_ip, say"
        )
    if kind == "event_count" and "field" in condition:
        check.refuse(
            (*here, "field"), "event_count counts events, not the values of a field", "use value_count"
        )
        return threshold, None
    return threshold, _read_value_field(condition, check, here)


def _read_threshold(condition: dict[str, Any], check: Check, path: Path, *, limit: int) -> int | None:
    operators = [key for key in condition if key in OPERATORS]
    if not operators:
        if not OTHER_OPERATORS & condition.keys():
            check.refuse(path, "needs gte or gt")
        return None
    if len(operators) > 1 or OTHER_OPERATORS & condition.keys():
        check.refuse(path, "a range is not supported", "use gte or gt alone")
    operator = operators[0]
    here = (*path, operator)
    bound = check.typed(condition[operator], int, here)
    if bound is None:
        return None
    threshold: int = bound + OPERATORS[operator]
    if not 1 <= threshold <= limit:
        offset = OPERATORS[operator]
        check.refuse(here, f"must be from {1 - offset} to {limit - offset}, not {bound}")
        return None
    return threshold


def _read_value_field(condition: dict[str, Any], check: Check, path: Path) -> str | None:
    if "field" not in condition:
        return None
    here = (*path, "field")
    if isinstance(condition["field"], list):
        check.refuse(here, "counting several fields together is not supported")
        return None
    name = check.typed(condition["field"], str, here)
    if name is None:
        return None
    field = event_field(name)
    if field is None:
        check.refuse(here, f"no event has a field {quoted(name)}", field_hint(name))
    elif field in LIST_FIELDS or field not in FIELDS:
        check.refuse(here, f"the values of {name} cannot be counted")
        return None
    return field
