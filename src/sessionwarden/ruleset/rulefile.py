"""One Sigma document in, a draft of its rule out: everything that needs no other file.

Our own pass is strict about keys and types at every level; pySigma then judges each piece of
metadata and, if nothing was wrong, the whole document, so that what passes here is valid Sigma
(https://sigmahq.io/docs/basics/rules.html).
"""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple, cast
from uuid import UUID

from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from sessionwarden.model.event import Category
from sessionwarden.model.finding import Level
from sessionwarden.ruleset import correlations
from sessionwarden.ruleset.checking import Check, describe, quoted
from sessionwarden.ruleset.detections import compile_detection
from sessionwarden.ruleset.responses import Wish, read_response
from sessionwarden.ruleset.vocabulary import CATEGORIES
from sessionwarden.yamldoc import Path

METADATA: dict[str, type] = {
    "title": str,
    "id": str,
    "name": str,
    "related": list,
    "taxonomy": str,
    "status": str,
    "description": str,
    "license": str,
    "references": list,
    "author": str,
    "date": date,
    "modified": date,
    "fields": list,
    "falsepositives": list,
    "level": str,
    "tags": list,
    "scope": list,
}
LISTS_OF_TEXT = ("references", "fields", "falsepositives", "tags", "scope")
LEVELS = ("informational", "low", "medium", "high", "critical")
STATUSES = ("stable", "test", "experimental", "deprecated", "unsupported")
WORDS = {"level": LEVELS, "status": STATUSES}
DEFAULT_LEVEL: Level = "medium"
SIGMA_COLLECTION_KEYS = frozenset({"action", "filter"})


class RuleDraft(NamedTuple):
    """A rule as far as it could be read; parts with mistakes are `None`.

    `names` are the words other rules may refer to it by, with the place of each.
    """

    check: Check
    names: tuple[tuple[str, Path], ...]
    id: str | None
    title: str
    level: Level
    wish: Wish
    category: Category | None = None
    expression: Any = None
    correlation: correlations.Draft | None = None


def read_rule(check: Check) -> RuleDraft | None:
    """The rule of a document; `None` if it is not even a map. `check` holds the mistakes."""
    data: dict[str, Any] | None = check.typed(check.document.data, dict, ())
    if data is None:
        return None
    before = len(check.mistakes)
    is_correlation = "correlation" in data
    parts = ("correlation",) if is_correlation else ("logsource", "detection")
    check.keys(data, {*METADATA, *parts, "response"}, (), unsupported=SIGMA_COLLECTION_KEYS)
    _check_metadata(data, check)
    draft = RuleDraft(
        check=check,
        names=tuple((data[key], (key,)) for key in ("id", "name") if isinstance(data.get(key), str)),
        id=data["id"] if isinstance(data.get("id"), str) else None,
        title=str(data.get("title", "")),
        level=cast("Level", data["level"] if data.get("level") in LEVELS else DEFAULT_LEVEL),
        wish=read_response(check.section(data, "response", ()) or {}, check, ("response",)),
    )
    draft = _read_correlation(data, draft) if is_correlation else _read_detection(data, draft)
    if len(check.mistakes) == before:
        _check_as_sigma(data, check, SigmaCorrelationRule if is_correlation else SigmaRule)
    return draft


def _read_correlation(data: dict[str, Any], draft: RuleDraft) -> RuleDraft:
    section = draft.check.section(data, "correlation", ())
    if section is None:
        return draft
    return draft._replace(correlation=correlations.read_correlation(section, draft.check, ("correlation",)))


def _read_detection(data: dict[str, Any], draft: RuleDraft) -> RuleDraft:
    check = draft.check
    for key in ("logsource", "detection"):
        if key not in data and not SIGMA_COLLECTION_KEYS & data.keys():
            check.refuse((), f"{key} is missing")
    source = check.section(data, "logsource", ())
    detection = check.section(data, "detection", ())
    return draft._replace(
        category=_read_category(source, check, ("logsource",)) if source is not None else None,
        expression=compile_detection(detection, check, ("detection",)) if detection is not None else None,
    )


def _read_category(source: dict[str, Any], check: Check, path: Path) -> Category | None:
    check.keys(source, ("category", "definition"), path, unsupported=("product", "service"))
    check.option(source, "definition", str, path)
    if "category" not in source:
        check.refuse(path, "category is missing", f"known: {', '.join(CATEGORIES)}")
        return None
    name = check.one_of(source["category"], CATEGORIES, (*path, "category"))
    return CATEGORIES.get(name) if name else None


def _check_metadata(data: dict[str, Any], check: Check) -> None:
    if not data.get("title") and ("title",) not in check.document.broken:
        check.refuse(("title",) if "title" in data else (), "title is missing")
    for key, kind in METADATA.items():
        if key in data and (key != "title" or data[key]):
            _check_metadatum(key, data[key], kind, check)


def _check_metadatum(key: str, value: Any, kind: type, check: Check) -> None:
    if kind is date:
        if not isinstance(value, date | str):
            check.refuse((key,), f"must be a date, not {describe(value)}", "like 2025-01-31")
            return
    elif check.typed(value, kind, (key,)) is None:
        return
    if key in LISTS_OF_TEXT and len(check.texts(value, (key,))) < len(value):
        return
    if key in WORDS:
        check.one_of(value, WORDS[key], (key,))
        return
    if key == "id" and not _is_uuid(value):
        check.refuse((key,), f"{quoted(value)} is not a UUID")
        return
    if key in ("title", "name") and not value.isprintable():
        # it reaches terminals and the subjects of alerts
        check.refuse((key,), "must be one line without control characters")
        return
    for error in _sigma_errors({"title": "-", key: value}):
        check.refuse((key,), error)


def _sigma_errors(metadata: dict[str, Any]) -> list[str]:
    try:
        _, errors = SigmaRule.from_dict_common_params(metadata, collect_errors=True)
    except (SigmaError, AttributeError, TypeError, KeyError, ValueError) as error:
        return [f"not valid Sigma: {error}"]
    return [str(error) for error in errors]


def _check_as_sigma(data: dict[str, Any], check: Check, kind: Any) -> None:
    try:
        errors: list[Exception] = kind.from_dict(data, collect_errors=True).errors
    except (SigmaError, AttributeError, TypeError, KeyError, ValueError) as raised:
        errors = [raised]
    for error in errors:
        check.refuse((), f"not valid Sigma: {error}")


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
