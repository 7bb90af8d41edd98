"""Lambda entry point of the authorizer of HTTP APIs (payload 2.0, simple answer) and REST APIs (REQUEST).

Enters: API Gateway's authorizer event. Leaves: its answer, and one decision line on stdout. Built
at import, where Lambda gives a cold start its full CPU; a wrong environment does not fail the
import but refuses every request with the reason `misconfigured`, so that the log says why.
"""

from __future__ import annotations

import os
import time
from typing import Any

from functions.authorizer.answer import Outcome
from functions.authorizer.authorizer import Authorizer, conclude, note
from functions.authorizer.request import read_request
from functions.authorizer.settings import read_settings
from sessionwarden.adapters.dynamodb_lean import lean_denylist
from sessionwarden.adapters.jwks_http import fetch_jwks
from sessionwarden.errors import SettingsError
from sessionwarden.tokens.cognito import CognitoVerifier
from sessionwarden.tokens.verified import VerifiedTokens


def build() -> Authorizer | None:
    """The authorizer of this environment; `None`, with a note on stderr, if it cannot be built."""
    try:
        settings = read_settings(os.environ)
        return Authorizer(
            verifier=CognitoVerifier(
                settings.pools,
                fetch=fetch_jwks,
                clock=time.time,
                shipped=settings.jwks,
                dead_after_seconds=settings.keys_serve_seconds,
                on_failure=note,
                cache=VerifiedTokens(),
            ),
            denylist=lean_denylist(os.environ, table=settings.table, region=settings.region),
            clock=time.time,
            country_header=settings.country_header,
        )
    except (SettingsError, ValueError) as error:
        note(error)
        return None


AUTHORIZER = build()


def lambda_handler(event: object, context: object) -> dict[str, Any]:
    """Answer one authorizer event; raises only `Unauthorized`, for a REST API's 401."""
    invocation_id = str(getattr(context, "aws_request_id", "") or time.time_ns())
    if AUTHORIZER is None:
        request = read_request(event)
        outcome = Outcome(403, "misconfigured")
        return conclude(request, outcome, invocation_id=invocation_id, now=time.time())
    return AUTHORIZER.answer(event, invocation_id=invocation_id)
