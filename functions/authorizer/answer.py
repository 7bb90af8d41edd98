"""What was decided, in the shapes that API Gateway and the logs expect.

Enters: an `Outcome` and the `Request`. Leaves: the simple answer (HTTP API), the policy answer for
exactly one method (REST API), the context, the decision line. Invariants: no answer holds the
token; identity appears only if a token was verified completely; what it merely claimed is in
`claimed_user`. Formats: docs/reference/authorizer.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from functions.authorizer.request import MAX_ID_LENGTH, MAX_NAME_LENGTH, Request, printable
from sessionwarden.model.deny import Claims

MAX_LIST_CHARS = 16_384
UNKNOWN_PRINCIPAL = "unverified"


class Unauthorized(Exception):  # noqa: N818 - its name and message are what API Gateway reads
    """Makes a REST API answer 401: API Gateway compares the message with exactly this word.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
    """

    def __init__(self) -> None:
        super().__init__("Unauthorized")


class Outcome(NamedTuple):
    """`status` is 200, 401 (get a new token) or 403 (a new token will not help, or not yet)."""

    status: int
    reason: str
    claims: Claims | None = None
    claimed_user: str | None = None

    @property
    def allowed(self) -> bool:
        """Whether the request may pass."""
        return self.status == 200


def shape_answer(request: Request, outcome: Outcome) -> dict[str, Any]:
    """What the function returns; raises `Unauthorized` for a 401 of a REST API.

    HTTP APIs have no 401 of a Lambda authorizer: `isAuthorized` false gives 403.
    """
    if request.answer != "policy":
        return {"isAuthorized": outcome.allowed, "context": shape_context(outcome)}
    if outcome.status == 401:
        raise Unauthorized
    return {
        "principalId": outcome.claims.sub if outcome.claims else UNKNOWN_PRINCIPAL,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow" if outcome.allowed else "Deny",
                    "Resource": request.method_arn,
                }
            ],
        },
        "context": shape_context(outcome),
    }


def shape_context(outcome: Outcome) -> dict[str, str]:
    """Flat strings for integrations and access logs; what is absent is left out.

    `groups` and `scope` are space-separated; a name with a space in it would read as two, so it is
    left out.
    """
    context = {"decision": "allow" if outcome.allowed else "deny", "reason": outcome.reason}
    claims = outcome.claims
    if claims is None:
        return context
    for name in ("user", "username", "session", "token", "client", "pool"):
        value = getattr(claims, name)
        if value is not None:
            context[name] = value
    if claims.scope:
        context["scope"] = " ".join(claims.scope)
    groups = " ".join(group for group in claims.groups if not any(map(str.isspace, group)))
    return context | {"groups": groups} if groups else context


def shape_line(request: Request, outcome: Outcome, *, fallback_id: str, now_ms: int) -> str:
    """The decision line, without its line break. `fallback_id` serves events that have no id."""
    line: dict[str, Any] = {"type": "sessionwarden.decision", "v": 1, "id": fallback_id, "time": now_ms}
    line |= request.fields
    line["decision"] = "allow" if outcome.allowed else "deny"
    line["reason"] = outcome.reason
    claims = outcome.claims
    if claims is not None:
        line |= _identity(claims)
    elif (claimed := printable(outcome.claimed_user, MAX_ID_LENGTH)) is not None:
        line["claimed_user"] = claimed
    return json.dumps(line, separators=(",", ":"))


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
        room -= len(json.dumps(text)) + 1
        if room < 0:
            break
        kept.append(text)
    return kept
