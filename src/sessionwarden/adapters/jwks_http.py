"""Gets a JWKS document: one `GET`, bounded in time and size, on a connection of its own.

Enters: an https URL (or the emulator's http one). Leaves: the body of a 200. Invariant: TLS is
verified and no redirect is followed, since whoever serves this document can sign in as anybody.
The connection is not kept: keys are fetched every ten minutes, longer than it would live.
"""

from __future__ import annotations

from time import monotonic

from sessionwarden.adapters.http_lean import Connection, HttpError, parse_endpoint
from sessionwarden.errors import StoreError

# of the 10 s that API Gateway waits for an authorizer; a request pays this when keys are due
DEADLINE_SECONDS = 2.0
MAX_BODY_BYTES = 65_536


def fetch_jwks(url: str) -> bytes:
    """The document at `url`; raises `StoreError`."""
    end = monotonic() + DEADLINE_SECONDS
    try:
        endpoint = parse_endpoint(url)
        connection = Connection(endpoint, max_body_bytes=MAX_BODY_BYTES)
        request = (
            f"GET {endpoint.path} HTTP/1.1\r\nHost: {endpoint.authority}\r\n"
            "Accept: application/json\r\nUser-Agent: sessionwarden\r\nConnection: close\r\n\r\n"
        )
        try:
            response = connection.exchange(request.encode("ascii"), end)
        finally:
            connection.close()
    except (HttpError, ValueError, OSError) as error:
        raise StoreError(f"JWKS not fetched: {error}") from error
    if response.status != 200:
        raise StoreError(f"JWKS not fetched: status {response.status}")
    return response.body
