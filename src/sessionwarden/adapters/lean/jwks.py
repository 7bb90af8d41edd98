"""Fetches the signing keys of a user pool, its JWKS document, over https (from the emulator over http).

Invariant: TLS is verified, since a server that could replace this document could forge any user's token.
"""

from __future__ import annotations

from sessionwarden.adapters.lean.connection import HttpError, parse_endpoint
from sessionwarden.adapters.lean.get import get
from sessionwarden.errors import StoreError

# API Gateway waits 10 s for an authorizer; a request waits this long only when keys must be fetched.
DEADLINE_SECONDS = 2.0
MAX_BODY_BYTES = 65_536


def fetch_jwks(url: str) -> bytes:
    """The document at `url`; raises `StoreError`."""
    try:
        return get(parse_endpoint(url), deadline_seconds=DEADLINE_SECONDS, max_body_bytes=MAX_BODY_BYTES)
    except (HttpError, ValueError, OSError) as error:
        raise StoreError(f"JWKS not fetched: {error}") from error
