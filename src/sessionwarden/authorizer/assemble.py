"""Builds a working authorizer from its settings, for the Lambda function and for `decide`."""

from __future__ import annotations

import time
from collections.abc import Mapping

from sessionwarden.adapters.lean.cognito import online_check
from sessionwarden.adapters.lean.denylist import Poll, lean_denylist
from sessionwarden.adapters.lean.jwks import fetch_jwks
from sessionwarden.authorizer.authorizer import Authorizer
from sessionwarden.authorizer.operator_notes import note
from sessionwarden.authorizer.settings import Settings
from sessionwarden.tokens.cognito import CognitoVerifier
from sessionwarden.tokens.verified import VerifiedTokens


def build_authorizer(settings: Settings, environ: Mapping[str, str]) -> Authorizer:
    """An authorizer with `settings`; endpoints and credentials come from `environ`.

    Raises `ValueError` for an endpoint that is no URL or shipped keys that are no JWK Set. The authorizer
    is safe for threads: keys, verified tokens, the poll, Cognito's answers and credentials are shared, and
    only connections are each thread's own.
    """
    denylist = lean_denylist(
        environ,
        table=settings.table,
        region=settings.region,
        deadline_seconds=settings.denylist_deadline_seconds,
    )
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
        denylist=denylist,
        clock=time.time,
        report=note,
        routes=settings.routes,
        online=online_check(environ),
        # the thread that polls is done after one deadline; parsing many entries takes a little longer
        broad=Poll(denylist.broad, wait_seconds=2 * settings.denylist_deadline_seconds),
    )
