"""Gets a pool's JWKS document over https (from the emulator: over http).

Enters: an absolute URL. Leaves: the body of a 200. Invariant: TLS is verified, since whoever serves this
document can sign in as anybody.
"""

from __future__ import annotations

from sessionwarden.adapters.lean.connection import HttpError, parse_endpoint
from sessionwarden.adapters.lean.get import get
from sessionwarden.errors import StoreError

# of the 10 s that API Gateway waits for an authorizer; a request pays this when keys are due
DEADLINE_SECONDS = 2.0
MAX_BODY_BYTES = 65_536


def fetch_jwks(url: str) -> bytes:
    """The document at `url`; raises `StoreError`."""
    try:
        return get(parse_endpoint(url), deadline_seconds=DEADLINE_SECONDS, max_body_bytes=MAX_BODY_BYTES)
    except (HttpError, ValueError, OSError) as error:
        raise StoreError(f"JWKS not fetched: {error}") from error
