"""Writes a decision in the form that each API kind expects.

That is the simple answer (HTTP API), a policy (REST, WebSocket, HTTP API), or AppSync's answer. Invariants: a
policy names exactly the method and stage of the request, in case the API's owner configured a result cache;
AppSync's answer forbids caching. Formats: docs/reference/authorizer.md.
"""

from __future__ import annotations

from typing import Any

from functions.authorizer.events import ParsedEvent
from sessionwarden.authorizer.decision import Decision, shape_context

UNKNOWN_PRINCIPAL = "unverified"


class Unauthorized(Exception):  # noqa: N818 - its name and message are what API Gateway reads
    """Makes a REST or WebSocket API answer 401: API Gateway looks for exactly this message.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
    """

    def __init__(self) -> None:
        super().__init__("Unauthorized")


def shape_answer(parsed: ParsedEvent, decision: Decision) -> dict[str, Any]:
    """The function's return value; raises `Unauthorized` for a 401 of a REST or WebSocket API.

    An HTTP API cannot answer 401 for a Lambda authorizer that ran: `isAuthorized` false and a Deny mean 403.
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
