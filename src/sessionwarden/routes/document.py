"""`authorizer.yml` as its operator writes it: the keys of the file, their types and their words.

`compile` judges what depends on several keys, or on the route itself. Invariant: an unknown key is refused,
since a misspelt `scopes` would guard nothing. Never imported in a Lambda.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from sessionwarden.documents.check import quoted
from sessionwarden.documents.durations import DURATION_SCHEMA, parse_duration
from sessionwarden.documents.models import UNIQUE, FileModel, Hints, Text, refused

MAX_ONLINE_SECONDS = 3600

Failure = Literal["open", "closed"]


def _scope(name: str) -> str:
    if any(map(str.isspace, name)):
        raise refused(f"{quoted(name)} has a space in it: a token's scopes are parted by spaces")
    return name


def _online_seconds(value: object) -> int | None:
    # YAML 1.1 reads a bare `off` as false
    if value is False or value == "off":
        return None
    if value == "always":
        return 0
    if not isinstance(value, str) or not value[:1].isdecimal():
        raise refused("online must be off, always or a duration like 30s")
    seconds = parse_duration(value)
    if seconds > MAX_ONLINE_SECONDS:
        raise refused(f"{quoted(value)} is longer than {MAX_ONLINE_SECONDS} seconds")
    return seconds


def _version_1(version: int) -> int:
    if version != 1:
        raise refused("version must be 1", "write `version: 1`")
    return version


_SOME = Field(min_length=1, json_schema_extra={"uniqueItems": True})
_NO_TOKEN = Hints(below="no token could pass; to ask for none, leave the key out of {}")
Names = Annotated[list[Text], _SOME, _NO_TOKEN, UNIQUE]
ScopeNames = Annotated[list[Annotated[Text, AfterValidator(_scope)]], _SOME, _NO_TOKEN, UNIQUE]
Online = Annotated[
    int | None,
    BeforeValidator(_online_seconds),
    WithJsonSchema({"anyOf": [{"enum": ["off", "always", False]}, DURATION_SCHEMA]}),
]


class ScopesSection(FileModel):
    """Which OAuth scopes an access token must have."""

    all: ScopeNames = Field(default_factory=list)
    """Every one of these."""
    any: ScopeNames = Field(default_factory=list)
    """At least one of these."""


class GroupsSection(FileModel):
    """Which groups of the user pool a token must name."""

    any: Names = Field(default_factory=list)
    """At least one of these."""


class RouteSection(FileModel):
    """What a route asks of a token. A key that is left out is taken from `default`."""

    scopes: ScopesSection = ScopesSection()
    groups: GroupsSection = GroupsSection()
    token: Literal["access", "id", "any"] = "access"  # noqa: S105 - the kind of a token, not a secret
    """Which kind of token passes."""
    denylist: Failure = "closed"
    """Whether a request passes when the denylist cannot be read."""
    online: Online = None
    """Whether Cognito is asked about the token: off, always, or not again for so long."""
    online_unavailable: Failure = "closed"
    """Whether a request passes when Cognito cannot be asked."""
    preflight: Literal["allow", "check"] = "check"
    """Whether a CORS preflight passes without a token."""


class RoutesDocument(FileModel):
    """What each route of the APIs asks of a token."""

    version: Annotated[int, AfterValidator(_version_1), WithJsonSchema({"const": 1})]
    default: RouteSection = RouteSection()
    """What every route asks that does not say otherwise."""
    routes: dict[str, RouteSection | None] = Field(default_factory=dict)
    """`GET /orders/{id}`, `ANY /path/{proxy+}`, `$default`, `$connect`, or `Type.field` for AppSync."""
