"""Fetches one document with `GET`, bounded in time and size: signing keys, or our own credentials.

Invariant: no redirect is followed and only a 200 is accepted, because these documents decide who is trusted.
Each fetch has a connection of its own, since none would stay open until the next one.
"""

from __future__ import annotations

from time import monotonic

from sessionwarden.adapters.lean.connection import Connection, Endpoint, HttpError


def get(
    endpoint: Endpoint, *, deadline_seconds: float, max_body_bytes: int, authorization: str = ""
) -> bytes:
    """The body at `endpoint`; raises `HttpError`, also for any status but 200.

    `authorization` is the value of that header; the caller has checked that it is one line.
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
