"""What was decided, and how it is told: the flat context and the decision line.

Enters: a `Decision` and its `Request`. Leaves: strings for integrations and access logs, and one line
of JSON. Invariants: neither holds the token; identity appears only if a token was verified completely;
what it merely claimed is in `claimed_user`. Format: docs/reference/authorizer.md.
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
    """`status` is 200, 401 (get a new token) or 403 (a new token will not help, or not yet).

    `denied_fields`: of an allowed GraphQL request, the fields (`Type.field`) it may not have.
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
    """Flat strings for integrations and access logs; what is absent is left out.

    `groups` and `scope` are space-separated; a name with a space in it would read as two, so it is
    left out. So is any name with a control character: integrations put these into headers.
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
    """The decision line, without its line break. `fallback_id` serves requests that have no id."""
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
    """Whole names while they fit: half a group's name could be another group's."""
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
