"""Reads one Sigma document into a draft of its rule or filter, as far as that needs no other file.

First, keys and types are checked strictly at every level. pySigma then checks each piece of metadata and, if
there is no diagnostic, the whole document, so that every accepted document is valid Sigma
(https://sigmahq.io/docs/basics/rules.html).
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.filters import SigmaFilter
from sigma.rule import SigmaRule

from sessionwarden.correlations.bounds import OPERATORS
from sessionwarden.documents.check import Check
from sessionwarden.documents.yaml import Path
from sessionwarden.model.event import Category
from sessionwarden.model.finding import Level
from sessionwarden.ruleset.compiler import correlation_section
from sessionwarden.ruleset.compiler.correlation_condition import Reference
from sessionwarden.ruleset.compiler.detection_section import compile_detection
from sessionwarden.ruleset.compiler.metadata import (
    DEFAULT_LEVEL,
    LEVELS,
    METADATA,
    NOT_SUPPORTED,
    LogSource,
    check_metadata,
    read_source,
)
from sessionwarden.ruleset.compiler.response_section import RequestedResponse, read_response
from sessionwarden.ruleset.vocabulary import CATEGORIES


class RuleDraft(NamedTuple):
    """A rule as far as it could be read; parts that `check` has diagnostics for are `None`.

    `names` are the words by which other rules may refer to it, each with its path in the document.
    """

    check: Check
    names: tuple[Reference, ...]
    id: str | None
    title: str
    level: Level
    requested: RequestedResponse
    source: LogSource | None = None
    expression: Any = None
    correlation: correlation_section.Draft | None = None

    @property
    def category(self) -> Category | None:
        """The category of the events that a detection tests."""
        return None if self.source is None else CATEGORIES[self.source["category"]]


class FilterDraft(NamedTuple):
    """A Sigma filter as far as it could be read. Without `rules` it applies to any rule of its log source."""

    check: Check
    names: tuple[Reference, ...]
    rules: tuple[Reference, ...] | None
    source: LogSource | None
    expression: Any


def read_document(check: Check) -> RuleDraft | FilterDraft | None:
    """The draft in a document; `None` if the document is not a map. `check` collects the diagnostics."""
    data: dict[str, Any] | None = check.typed(check.document.data, dict, ())
    if data is None:
        return None
    return _read_filter(data, check) if "filter" in data else _read_rule(data, check)


def _read_filter(data: dict[str, Any], check: Check) -> FilterDraft:
    before = len(check.diagnostics)
    check.keys(data, {*METADATA, "logsource", "filter"}, (), unsupported=NOT_SUPPORTED)
    check_metadata(data, check)
    source = read_source(data, check)
    section = check.section(data, "filter", ()) or {}
    rules = _read_filtered_rules(section, check, ("filter",))
    if isinstance(section.get("condition"), list):
        check.refuse(("filter", "condition"), "must be text, not a list", "a filter has one condition")
    detection = {key: value for key, value in section.items() if key != "rules"}
    category = None if source is None else source["category"]
    expression = compile_detection(detection, category, check, ("filter",)) if section else None
    if len(check.diagnostics) == before:
        _check_as_sigma(data, check, SigmaFilter)
    return FilterDraft(check, _names(data), rules, source, expression)


def _read_filtered_rules(section: dict[str, Any], check: Check, path: Path) -> tuple[Reference, ...] | None:
    here = (*path, "rules")
    value = section.get("rules", "any")
    if "rules" not in section:
        check.refuse(path, "rules is missing", "names or ids of rules, or any")
    if value == "any":
        return None
    if isinstance(value, str):
        return ((value, here),)
    names = check.texts(value, here)
    if value == []:
        check.refuse(here, "must name at least one rule", "or any, for all of the log source")
    return tuple(names.items())


def _read_rule(data: dict[str, Any], check: Check) -> RuleDraft:
    before = len(check.diagnostics)
    is_correlation = "correlation" in data
    parts = ("correlation",) if is_correlation else ("logsource", "detection")
    check.keys(data, {*METADATA, *parts, "response"}, (), unsupported=NOT_SUPPORTED)
    check_metadata(data, check)
    draft = RuleDraft(
        check=check,
        names=_names(data),
        id=data["id"] if isinstance(data.get("id"), str) else None,
        title=str(data.get("title", "")),
        level=cast("Level", data["level"] if data.get("level") in LEVELS else DEFAULT_LEVEL),
        requested=read_response(check.section(data, "response", ()) or {}, check, ("response",)),
    )
    draft = _read_correlation(data, draft) if is_correlation else _read_detection(data, draft)
    if len(check.diagnostics) == before:
        if is_correlation:
            _check_as_sigma(_without_range(data), check, SigmaCorrelationRule)
        else:
            _check_as_sigma(data, check, SigmaRule)
    return draft


def _names(data: dict[str, Any]) -> tuple[Reference, ...]:
    return tuple((data[key], (key,)) for key in ("id", "name") if isinstance(data.get(key), str))


def _without_range(data: dict[str, Any]) -> dict[str, Any]:
    """The same rule with one bound of a range, since pySigma 1.5 refuses two, unlike its specification."""
    condition = data["correlation"].get("condition")
    if not isinstance(condition, dict):
        return data
    others = [operator for operator in OPERATORS if operator in condition][1:]
    plain = {key: value for key, value in condition.items() if key not in others}
    return data | {"correlation": data["correlation"] | {"condition": plain}}


def _read_correlation(data: dict[str, Any], draft: RuleDraft) -> RuleDraft:
    section = draft.check.section(data, "correlation", ())
    if section is None:
        return draft
    return draft._replace(
        correlation=correlation_section.read_correlation(section, draft.check, ("correlation",))
    )


def _read_detection(data: dict[str, Any], draft: RuleDraft) -> RuleDraft:
    check = draft.check
    source = read_source(data, check)
    if "detection" not in data and not NOT_SUPPORTED & data.keys():
        check.refuse((), "detection is missing")
    detection = check.section(data, "detection", ())
    if detection is None:
        return draft._replace(source=source)
    category = None if source is None else source["category"]
    expression = compile_detection(detection, category, check, ("detection",))
    return draft._replace(source=source, expression=expression)


def _check_as_sigma(data: dict[str, Any], check: Check, kind: Any) -> None:
    if check.document.broken:  # pySigma would find a mistake in each value that could not be read
        return
    try:
        errors: list[Exception] = kind.from_dict(data, collect_errors=True).errors
    except (SigmaError, AttributeError, TypeError, KeyError, ValueError) as raised:
        errors = [raised]
    for error in errors:
        check.refuse((), f"not valid Sigma: {error}")
