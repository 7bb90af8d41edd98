"""Compiles the `detection` section of a Sigma rule into one expression.

A map means all of its fields, a list means any of its members, and a plain value is a keyword
(https://sigmahq.io/docs/basics/rules.html#detection). A detection that the condition never uses is refused,
although Sigma allows it, since a forgotten filter could end the sessions of honest users.
"""

from __future__ import annotations

from typing import Any

from sessionwarden.documents.check import Check, describe, quoted
from sessionwarden.documents.yaml import Path
from sessionwarden.ruleset.compiler.condition import RESERVED_NAMES, compile_condition, selectors
from sessionwarden.ruleset.compiler.size import MAX_SELECTED
from sessionwarden.ruleset.compiler.values import compile_item, compile_keywords

MAX_CONDITIONS = 20

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def compile_detection(section: dict[str, Any], category: str | None, check: Check, path: Path) -> Any:
    """The expression of the whole section; `None` if `check` has a new diagnostic.

    `category` is the log source's, as the rule names it: it decides what some field names mean.
    """
    before = len(check.diagnostics)
    detections: dict[str, Any] = {}
    for name, definition in section.items():
        here = (*path, name)
        if name == "timeframe":
            check.refuse(here, "timeframe is not supported", "use a correlation with a timespan")
        elif name in RESERVED_NAMES - {"condition"} or not _NAME_CHARACTERS.issuperset(name):
            check.refuse(here, f"{quoted(name)} cannot be the name of a detection")
        elif name != "condition":
            detections[name] = compile_definition(definition, category, check, here)
    if not detections:
        check.refuse(path, "has no detection")
    expression = _compile_conditions(section, detections, check, path)
    return expression if len(check.diagnostics) == before else None


def _compile_conditions(section: dict[str, Any], detections: dict[str, Any], check: Check, path: Path) -> Any:
    if "condition" not in section:
        check.refuse(path, "has no condition")
        return None
    value, here = section["condition"], (*path, "condition")
    conditions = value if isinstance(value, list) else [value]
    if not conditions:
        check.refuse(here, "must not be empty")
    if len(conditions) > MAX_CONDITIONS:
        check.refuse(
            here, f"more than {MAX_CONDITIONS} conditions", "one condition can join detections with or"
        )
        return None
    texts = [condition for condition in conditions if isinstance(condition, str)]
    if sum(map(selectors, texts)) * len(detections) > MAX_SELECTED:
        check.refuse(
            here, "selects too many detections", f"{MAX_SELECTED:,} are the limit, each time counted"
        )
        return None
    expressions, used = [], set()
    for index, condition in enumerate(conditions):
        place = (*here, index) if isinstance(value, list) else here
        text = check.typed(condition, str, place)
        if text is None:
            return None  # which detections it would use is unknown
        expression, names = compile_condition(text, detections, check, place)
        expressions.append(expression)
        used |= names
    for name in detections.keys() - used:
        check.refuse((*path, name), "the condition never uses this detection", "use it or remove it")
    return expressions[0] if len(expressions) == 1 else ["or", *expressions]


def compile_definition(definition: Any, category: str | None, check: Check, path: Path) -> Any:
    """The expression of one detection; `None` if `check` has a new diagnostic."""
    if isinstance(definition, dict):
        return _compile_map(definition, category, check, path)
    if isinstance(definition, list):
        return _compile_list(definition, category, check, path)
    return compile_keywords([definition], category, check, path)


def _compile_map(definition: dict[str, Any], category: str | None, check: Check, path: Path) -> Any:
    if not definition:
        check.refuse(path, "an empty detection matches nothing")
        return None
    items = [compile_item(key, value, category, check, (*path, key)) for key, value in definition.items()]
    if None in items:
        return None
    return items[0] if len(items) == 1 else ["and", *items]


def _compile_list(definition: list[Any], category: str | None, check: Check, path: Path) -> Any:
    if not definition:
        check.refuse(path, "an empty detection matches nothing")
        return None
    if not any(isinstance(member, dict | list) for member in definition):
        return compile_keywords(definition, category, check, path)
    members = []
    for index, member in enumerate(definition):
        here = (*path, index)
        if isinstance(member, dict):
            members.append(_compile_map(member, category, check, here))
        else:
            check.refuse(here, f"must be a map like its neighbours, not {describe(member)}")
            members.append(None)
    if None in members:
        return None
    return members[0] if len(members) == 1 else ["or", *members]
