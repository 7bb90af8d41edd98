"""Checks what every Sigma document says about itself (title, id, tags and so on), and reads its log source.

Types are checked strictly here, and pySigma checks each piece, so that accepted metadata is valid Sigma
(https://sigmahq.io/docs/basics/rules.html).
"""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from sessionwarden.documents.check import Check, describe, quoted
from sessionwarden.model.finding import Level
from sessionwarden.ruleset.vocabulary import CATEGORIES, WEBSERVER

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
NOT_SUPPORTED = frozenset({"action"})
LOG_SOURCE_KEYS = ("category", "product", "service")
ERROR_LOG = "error"

LogSource = dict[str, str]
"""The values of a `logsource`, by the keys of `LOG_SOURCE_KEYS`."""


def check_metadata(data: dict[str, Any], check: Check) -> None:
    """Refuse every piece of metadata that Sigma does not allow."""
    if not data.get("title") and ("title",) not in check.document.broken:
        check.refuse(("title",) if "title" in data else (), "title is missing")
    for key, kind in METADATA.items():
        if key in data and (key != "title" or data[key]):
            _check_metadatum(key, data[key], kind, check)


def _check_metadatum(key: str, value: Any, kind: type, check: Check) -> None:
    if kind is date:
        if not isinstance(value, str):
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
        # titles and names are shown on terminals and in the subjects of alerts
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


def read_source(data: dict[str, Any], check: Check) -> LogSource | None:
    """The `logsource` of a document; `None` if `check` has a diagnostic for it."""
    path = ("logsource",)
    if "logsource" not in data:
        if not NOT_SUPPORTED & data.keys():
            check.refuse((), "logsource is missing")
        return None
    section = check.section(data, "logsource", ())
    if section is None:
        return None
    before = len(check.diagnostics)
    # the product does not change what a request means, and public rules of `webserver` may name one
    servers = ("product", "service") if section.get("category") == WEBSERVER else ()
    unsupported = {"product", "service"} - set(servers)
    check.keys(section, ("category", "definition", *servers), path, unsupported=unsupported)
    for key in ("definition", *servers):
        check.option(section, key, str, path)
    if section.get("service") == ERROR_LOG and servers:
        check.refuse((*path, "service"), "an API has no error log", "webserver is about requests")
    if "category" not in section:
        check.refuse(path, "category is missing", f"known: {', '.join(CATEGORIES)}")
    elif (
        check.one_of(section["category"], CATEGORIES, (*path, "category"))
        and len(check.diagnostics) == before
    ):
        return {key: section[key] for key in LOG_SOURCE_KEYS if key in section}
    return None


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
