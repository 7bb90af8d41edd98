"""The authorizer's decision, and its two written forms: the context for the API, and the decision line.

The context is strings for integrations and access logs; the line is JSON for the authorizer's own log, which
rules read. Invariants: neither holds the token; identity appears only if a token was verified completely; a
name that was only claimed is in `claimed_user`. Format: docs/reference/authorizer.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from json.encoder import encode_basestring_ascii
from typing import Any, NamedTuple

from sessionwarden.authorizer.request import MAX_ID_LENGTH, MAX_NAME_LENGTH, Request, printable
from sessionwarden.model.deny import Claims

MAX_LIST_CHARS = 16_384

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Decision(NamedTuple):
    """The answer to one request. 401 means get a new token; 403, a new token will not help, or not yet.

    `status` is 200, 401 or 403. `denied_fields` are the GraphQL fields (`Type.field`) that an allowed request
    may not read.
    """

    status: int
    reason: str
    claims: Claims | None = None
    claimed_user: str | None = None
    denied_fields: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the request may pass."""
        return self.status == 200


def shape_context(decision: Decision) -> dict[str, str]:
    """The decision as flat strings, for integrations and access logs; absent values are left out.

    `groups` and `scope` are separated by spaces; a name that holds a space would read as two, so it is left
    out. So is a name with a control character, because integrations put these strings into headers.
    """
    context = {"decision": "allow" if decision.allowed else "deny", "reason": decision.reason}
    claims = decision.claims
    if claims is None:
        return context
    for name in ("user", "username", "session", "token", "client", "pool"):
        value = getattr(claims, name)
        if value is not None and value.isprintable():
            context[name] = value
    if claims.scope:
        context["scope"] = " ".join(claims.scope)
    groups = " ".join(group for group in claims.groups if group.isprintable() and " " not in group)
    return context | {"groups": groups} if groups else context


def shape_line(request: Request, decision: Decision, *, fallback_id: str, now_ms: int) -> str:
    """The decision line, without its line break. `fallback_id` is used if the request has no id."""
    line: dict[str, Any] = {
        "type": "sessionwarden.decision",
        "v": 1,
        "id": fallback_id,
        "time": now_ms,
        **request.fields,
        "decision": "allow" if decision.allowed else "deny",
        "reason": decision.reason,
    }
    claims = decision.claims
    if claims is not None:
        line |= _identity(claims)
    elif (claimed := printable(decision.claimed_user, MAX_ID_LENGTH)) is not None:
        line["claimed_user"] = claimed
    return _encode(line)


def _identity(claims: Claims) -> dict[str, Any]:
    found = {
        "user": claims.user,
        "username": printable(claims.username, MAX_NAME_LENGTH),
        "session": claims.session,
        "token": claims.token,
        "client": claims.client,
        "pool": claims.pool,
        "groups": _names(claims.groups),
        "scope": _names(claims.scope),
    }
    return {name: value for name, value in found.items() if value}


def _names(names: Iterable[str]) -> list[str]:
    """The names that fit, never cut, since part of a group's name could be another group's name."""
    kept: list[str] = []
    room = MAX_LIST_CHARS
    for name in names:
        text = printable(name, MAX_NAME_LENGTH)
        if text is None or text != name:
            continue
        room -= len(encode_basestring_ascii(text)) + 1
        if room < 0:
            break
        kept.append(text)
    return kept
