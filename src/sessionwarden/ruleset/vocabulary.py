"""The words that rules may use: field names, log sources, scopes and their actions.

Everything a rule can name is listed here once. W3C names are those of Sigma's `webserver` category
(https://sigmahq.io/docs/basics/log-sources.html), so that public web rules run unchanged.
"""

from __future__ import annotations

import difflib

from sessionwarden.model.event import DERIVED_FIELDS, FIELDS, GROUPABLE_FIELDS, Category
from sessionwarden.model.finding import Action, Scope
from sessionwarden.ruleset.matching.event_fields import RAW_PATH, RAW_URI, URI

W3C_FIELDS = {
    "c-ip": "source_ip",
    "cs-host": "host",
    "cs-method": "method",
    "cs-referer": "referer",
    "cs-uri": URI,
    "cs-uri-query": "query",
    "cs-uri-stem": "path",
    "cs-user-agent": "user_agent",
    "cs-username": "username",
    "sc-bytes": "response_bytes",
    "sc-status": "status",
}

W3C_ABSENT = frozenset(
    {
        *("c-dns", "c-port", "cs-bytes", "cs-content-type", "cs-cookie", "cs-version", "r-dns"),
        *("s-computername", "s-ip", "s-port", "s-sitename", "sc-substatus", "sc-win32-status"),
    }
)
"""Fields of web server logs that no log of API Gateway has (its variables are listed at
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html)."""

WEBSERVER = "webserver"

CATEGORIES: dict[str, Category] = {
    "api_access": "api_access",
    "api_authorizer": "api_authorizer",
    "application": "application",
    "identity": "identity",
    WEBSERVER: "api_access",
}

SCOPES: tuple[Scope, ...] = ("session", "user", "client", "identity", "source_ip", "source_network")
"""In the order in which the group-by picks one: the narrowest principal first."""

SCOPE_ACTIONS: dict[Scope, tuple[Action, ...]] = {
    "session": ("deny", "alert"),
    "user": ("deny", "sign_out", "disable_user", "alert"),
    "client": ("deny", "alert"),
    "identity": ("alert",),
    "source_ip": ("deny", "alert"),
    # it may be a carrier's: nothing is done about so many people at once
    "source_network": ("alert",),
}
"""What can be done about each scope."""

ACTIONS: tuple[Action, ...] = ("deny", "sign_out", "disable_user", "alert")


def event_field(name: str) -> str | None:
    """The event field (or `uri`) that a rule means by `name`; `None` if there is no such field."""
    return name if name in FIELDS else W3C_FIELDS.get(name)


SPELLINGS = {"cs-uri": (URI, RAW_URI), "cs-uri-stem": ("path", RAW_PATH)}
"""Names of Sigma under which public rules look for a path as often as for an attack that is encoded in it:
what they look for may be in the path as it was written or in its one spelling."""


def searched_fields(name: str, category: str | None) -> tuple[str, ...]:
    """The fields that a detection's `name` stands for: a value may be in any of them. Empty if none is known.

    Public rules of the category `webserver` write whole request targets, path and all, under
    `cs-uri-query` (56 of the 67 of SigmaHQ that use the field), so there it means all of them.
    """
    if name in SPELLINGS:
        return SPELLINGS[name]
    field = event_field(name)
    if field is None:
        return ()
    return (field, URI, RAW_URI) if category == WEBSERVER and name == "cs-uri-query" else (field,)


def group_field(name: str) -> str | None:
    """The field that a group-by means by `name`; `None` if there is no such field."""
    return name if name in DERIVED_FIELDS else event_field(name)


def field_hint(name: object) -> str:
    """The nearest field name to one that is not known."""
    near = difflib.get_close_matches(str(name)[:80], [*FIELDS, *W3C_FIELDS], n=1)
    return f"did you mean {near[0]}?" if near else "docs/reference/rules.md lists the fields"


def groupable(field: str) -> bool:
    """Whether a group-by may use `field`."""
    return field in GROUPABLE_FIELDS
