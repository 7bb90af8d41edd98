"""A decision in the shape that each kind of API expects.

Enters: a `Decision` and the `ParsedEvent` it is for. Leaves: the simple answer (HTTP API), the policy answer
for exactly one method (REST, WebSocket, HTTP API), or AppSync's. Invariants: a policy names the method
and stage asked for and no other, even if somebody configured a result cache; AppSync is told not to
cache. Formats: docs/reference/authorizer.md.
"""

from __future__ import annotations

from typing import Any

from functions.authorizer.events import ParsedEvent
from sessionwarden.authorizer.decision import Decision, shape_context

UNKNOWN_PRINCIPAL = "unverified"


class Unauthorized(Exception):  # noqa: N818 - its name and message are what API Gateway reads
    """Makes a REST or WebSocket API answer 401: API Gateway compares the message with exactly this word.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
    """

    def __init__(self) -> None:
        super().__init__("Unauthorized")


def shape_answer(parsed: ParsedEvent, decision: Decision) -> dict[str, Any]:
    """What the function returns; raises `Unauthorized` for a 401 of a REST or WebSocket API.

    HTTP APIs have no 401 of a Lambda authorizer that ran: `isAuthorized` false and a Deny give 403.
    """
    context = shape_context(decision)
    if parsed.answer == "graphql":
        return {
            "isAuthorized": decision.allowed,
            "resolverContext": context,
            "deniedFields": list(decision.denied_fields),
            "ttlOverride": 0,
        }
    if parsed.answer != "policy":
        return {"isAuthorized": decision.allowed, "context": context}
    if decision.status == 401 and parsed.raises:
        raise Unauthorized
    return {
        "principalId": decision.claims.sub if decision.claims else UNKNOWN_PRINCIPAL,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow" if decision.allowed else "Deny",
                    "Resource": parsed.resource,
                }
            ],
        },
        "context": context,
    }
