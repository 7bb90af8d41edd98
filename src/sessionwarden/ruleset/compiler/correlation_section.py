"""The `correlation` section of a Sigma rule in, what to count out.

Every type of Sigma's correlations (https://sigmahq.io/docs/meta/correlations.html), with `aliases`.
Leaves out: what the references mean, which needs all files, and whether a response fits the group-by.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sessionwarden.correlations.correlation_type import CorrelationType
from sessionwarden.correlations.registry import spellings
from sessionwarden.documents.check import Check, quoted
from sessionwarden.documents.durations import duration_seconds
from sessionwarden.documents.yaml import Path
from sessionwarden.model.event import LIST_FIELDS, UNGROUPABLE_FIELDS
from sessionwarden.model.rules import Bound
from sessionwarden.ruleset.compiler.correlation_condition import Reference, joined_rules, read_condition
from sessionwarden.ruleset.limits import ALIAS
from sessionwarden.ruleset.vocabulary import W3C_FIELDS, event_field, field_hint, groupable

KEYS = frozenset({"type", "rules", "group-by", "timespan", "condition", "generate", "aliases"})
OPTIONAL_KEYS = frozenset({"generate", "aliases"})

Aliases = Mapping[str, Mapping[str, str]]
"""By alias and by the word for a rule, the field of that rule that is meant."""


class Correlation(NamedTuple):
    """A checked `correlation` section."""

    type: CorrelationType
    group_by: tuple[str, ...]
    timespan_seconds: int
    bounds: tuple[Bound, ...]
    value_field: str | None
    percentile: int | None


class Draft(NamedTuple):
    """What could be read of the section, even if other parts were wrong.

    `rules` holds each reference with its place. `group_by` are event fields and names of `aliases`.
    """

    type: CorrelationType | None
    rules: tuple[Reference, ...]
    group_by: tuple[str, ...] | None
    timespan_seconds: int | None
    correlation: Correlation | None
    generate: bool
    aliases: Aliases


def read_correlation(section: dict[str, Any], check: Check, path: Path) -> Draft:
    """Everything that can be read of a `correlation` section; `check` holds the mistakes."""
    before = len(check.diagnostics)
    check.keys(section, KEYS, path)
    word, type_ = _read_type(section, check, path)
    for key in sorted(KEYS - OPTIONAL_KEYS - _needless_keys(section, type_) - section.keys()):
        check.refuse(path, f"{key} is missing")
    rules = _read_references(section, type_, check, path)
    aliases = _read_aliases(section, check, path)
    group_by = _read_group_by(section, aliases, check, path)
    timespan = (
        duration_seconds(section["timespan"], check, (*path, "timespan")) if "timespan" in section else None
    )
    generate = bool(check.option(section, "generate", bool, path))
    condition = read_condition(section, word, type_, rules, check, path)
    correlation = None
    if len(check.diagnostics) == before and type_ and group_by and timespan and condition:
        correlation = Correlation(type_, group_by, timespan, *condition)
    return Draft(type_, rules, group_by, timespan, correlation, generate, aliases)


def _read_type(section: dict[str, Any], check: Check, path: Path) -> tuple[str, CorrelationType | None]:
    if "type" not in section:
        return "", None
    known = spellings()
    word = check.one_of(section["type"], known, (*path, "type")) or ""
    return word, known.get(word)


def _needless_keys(section: dict[str, Any], type_: CorrelationType | None) -> set[str]:
    if type_ is None or not type_.has_steps:
        return set()
    return {"condition", "rules"} if isinstance(section.get("condition"), str) else {"condition"}


def _read_references(
    section: dict[str, Any], type_: CorrelationType | None, check: Check, path: Path
) -> tuple[Reference, ...]:
    here = (*path, "rules")
    condition = section.get("condition")
    if "rules" not in section and type_ is not None and type_.has_steps and isinstance(condition, str):
        return tuple((name, (*path, "condition")) for name in joined_rules(condition))
    value = section.get("rules", [])
    if isinstance(value, str):
        return ((value, here),)
    names = check.texts(value, here)
    if value == [] and "rules" in section:
        check.refuse(here, "must name at least one rule")
    return tuple(names.items())


def _read_aliases(section: dict[str, Any], check: Check, path: Path) -> Aliases:
    here = (*path, "aliases")
    found: dict[str, dict[str, str]] = {}
    for alias, mapping in (check.section(section, "aliases", path) or {}).items():
        place = (*here, alias)
        if event_field(alias) is not None:
            # a key that is called `user` must hold a verified user, whatever a rule's author aliased to it
            check.refuse(place, f"{alias} is a field of events", "give the alias a name of its own")
        elif not ALIAS.fullmatch(alias):
            check.refuse(place, f"{quoted(alias)} cannot be the name of an alias", "letters, digits, _ and -")
        fields = check.typed(mapping, dict, place) or {}
        read = {rule: check.typed(field, str, (*place, rule)) for rule, field in fields.items()}
        found[alias] = {rule: W3C_FIELDS.get(field, field) for rule, field in read.items() if field}
    return found


def _read_group_by(
    section: dict[str, Any], aliases: Aliases, check: Check, path: Path
) -> tuple[str, ...] | None:
    if "group-by" not in section:
        return None
    here = (*path, "group-by")
    value = section["group-by"]
    if isinstance(value, str):
        value = [value]
    if value == []:
        check.refuse(here, "must not be empty", "name what the count is kept for, like user or source_ip")
        return None
    before = len(check.diagnostics)
    names = check.texts(value, here)
    fields: list[str] = []
    for name, listed in names.items():
        place = listed if isinstance(section["group-by"], list) else here
        field = name if name in aliases else _group_field(name, check, place)
        if field in fields:
            check.refuse(place, f"{quoted(name)} means {field}, which is listed already")
        elif field is not None:
            fields.append(field)
    for alias in aliases.keys() - set(names):
        check.refuse(
            (*path, "aliases", alias), "the group-by does not name this alias", "add it or remove it"
        )
    return tuple(fields) if len(check.diagnostics) == before else None


def _group_field(name: str, check: Check, path: Path) -> str | None:
    field = event_field(name)
    if field is None:
        check.refuse(path, f"no event has a field {quoted(name)}", field_hint(name))
    elif not groupable(field):
        check.refuse(path, f"{name} cannot be a group key", why_ungroupable(field))
        return None
    return field


def why_ungroupable(field: str) -> str:
    """What to do instead of grouping by `field`."""
    if field == "claimed_user":
        return "a client can claim to be someone: group by source_ip, count claimed_user as a value"
    if field in LIST_FIELDS:
        return "it is a list"
    if field in UNGROUPABLE_FIELDS:
        return "it differs in every event"
    return "group by path"
