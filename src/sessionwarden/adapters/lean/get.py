"""One `GET` on a connection of its own, bounded in time and size.

Enters: an endpoint. Leaves: the body of a 200. Invariant: no redirect is followed and nothing but a 200
is believed: what is fetched so rarely (signing keys, our own credentials) decides who is trusted. The
connection is not kept: it would not live until the next fetch.
"""

from __future__ import annotations

from time import monotonic

from sessionwarden.adapters.lean.connection import Connection, Endpoint, HttpError


def get(
    endpoint: Endpoint, *, deadline_seconds: float, max_body_bytes: int, authorization: str = ""
) -> bytes:
    """The body at `endpoint`; raises `HttpError`, also for any status but 200.

    `authorization` is that header's value, checked by the caller to be one line.
    """
    authorization_line = f"Authorization: {authorization}\r\n" if authorization else ""
    request = (
        f"GET {endpoint.path} HTTP/1.1\r\nHost: {endpoint.authority}\r\nAccept: application/json\r\n"
        f"{authorization_line}User-Agent: sessionwarden\r\nConnection: close\r\n\r\n"
    )
    connection = Connection(endpoint, max_body_bytes=max_body_bytes)
    try:
        response = connection.exchange(request.encode("ascii"), monotonic() + deadline_seconds)
    finally:
        connection.close()
    if response.status != 200:
        raise HttpError(f"status {response.status}")
    return response.body
