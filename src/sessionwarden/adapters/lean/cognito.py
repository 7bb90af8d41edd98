"""Asks Cognito whether a verified token is still accepted, for routes that require this online check.

It calls `GetUser`, and remembers the answer for as long as the route allows. Invariants: a yes names the very
user of the token; it is never used for longer than the caller allows; a no is final, since Cognito never
accepts a revoked token again; tokens are kept as digests. The token's own checks come first, elsewhere. The
call is not signed: the token is its credential.
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_GetUser.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import blake2b
from threading import Lock, local
from time import monotonic, time
from typing import Any, NamedTuple

from sessionwarden.adapters.lean.connection import Connection, HttpError, Response, parse_endpoint
from sessionwarden.errors import StoreError
from sessionwarden.model.deny import Claims

TARGET = "AWSCognitoIdentityProviderService.GetUser"
# API Gateway waits 10 s; only requests to routes with the online check wait for this.
DEADLINE_SECONDS = 1.0
MAX_BODY_BYTES = 262_144
CAPACITY = 1024

# The errors by which `GetUser` says that the token, its user or its session is no longer valid.
_REVOKED = frozenset({"NotAuthorizedException", "UserNotFoundException", "PasswordResetRequiredException"})


class _Answer(NamedTuple):
    valid: bool
    asked_at: float


class _Connections(local):
    """The connections of one thread, by Region: an exchange occupies its connection."""

    def __init__(self) -> None:
        self.by_region: dict[str, Connection] = {}


class CognitoOnlineCheck:
    """Asks Cognito in each pool's own Region. Safe for threads.

    They share the answers, and each keeps one connection per Region. `endpoint_of` returns the endpoint URL
    of a Region; `clock` is epoch seconds.
    """

    def __init__(
        self,
        *,
        endpoint_of: Callable[[str], str],
        clock: Callable[[], float] = time,
        cafile: str | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
        capacity: int = CAPACITY,
    ) -> None:
        self._endpoint_of = endpoint_of
        self._clock = clock
        self._cafile = cafile
        self._deadline_seconds = deadline_seconds
        self._capacity = capacity
        self._connections = _Connections()
        self._known: dict[bytes, _Answer] = {}
        self._lock = Lock()

    def confirms(self, claims: Claims, token: str, *, max_age_seconds: int) -> bool:
        """Whether Cognito still accepts `token`, whose verified claims are `claims`.

        `max_age_seconds` is how old a yes may be; 0 asks each time. Raises `StoreError` if Cognito does
        not answer in time, throttles, or answers in a way that is not documented.
        """
        digest = blake2b(token.encode("ascii"), digest_size=32).digest()
        now = self._clock()
        known = self._known.get(digest)
        if known is not None and (not known.valid or 0 <= now - known.asked_at < max_age_seconds):
            return known.valid
        valid = self._ask(claims, token)
        return self._keep(digest, _Answer(valid, now)).valid

    def close(self) -> None:
        """Close this thread's connections; the next question opens another."""
        for connection in self._connections.by_region.values():
            connection.close()

    def _keep(self, digest: bytes, answer: _Answer) -> _Answer:
        """The answer that counts from now on; a no that another thread got meanwhile outlasts a yes."""
        with self._lock:
            known = self._known.pop(digest, None)
            if known is not None and not known.valid:
                answer = known
            self._known[digest] = answer
            if len(self._known) > self._capacity:
                del self._known[next(iter(self._known))]
        return answer

    def _ask(self, claims: Claims, token: str) -> bool:
        connection = self._connection(claims.pool.partition("_")[0])
        body = json.dumps({"AccessToken": token}).encode("ascii")
        head = (
            f"POST / HTTP/1.1\r\nHost: {connection.endpoint.authority}\r\n"
            f"Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: {TARGET}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        request = head.encode("ascii") + body
        end = monotonic() + self._deadline_seconds
        first_end = monotonic() + self._deadline_seconds / 2
        try:
            response = connection.exchange(request, first_end)
        except HttpError:
            # GetUser changes nothing, so it is safe to try again on a fresh connection
            response = self._last_try(connection, request, end)
        return _says_yes(response, claims.sub)

    def _last_try(self, connection: Connection, request: bytes, end: float) -> Response:
        try:
            return connection.exchange(request, end)
        except HttpError as error:
            raise StoreError(f"Cognito was not asked: {error}") from error

    def _connection(self, region: str) -> Connection:
        connections = self._connections.by_region
        if region not in connections:
            endpoint = parse_endpoint(self._endpoint_of(region))
            connections[region] = Connection(endpoint, max_body_bytes=MAX_BODY_BYTES, cafile=self._cafile)
        return connections[region]


def online_check(environ: Mapping[str, str]) -> CognitoOnlineCheck:
    """The check as a Lambda function uses it; `environ` may name another endpoint."""
    named = environ.get("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER") or environ.get("AWS_ENDPOINT_URL")
    return CognitoOnlineCheck(
        endpoint_of=lambda region: named or f"https://cognito-idp.{region}.amazonaws.com"
    )


def _says_yes(response: Response, sub: str) -> bool:
    try:
        answer = json.loads(response.body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise StoreError(f"Cognito's answer cannot be read: status {response.status}")
    if response.status == 200 and isinstance(answer.get("Username"), str):
        if _subs(answer) != [sub]:
            raise StoreError("Cognito answered for another user, or named none")
        return True
    kind = answer.get("__type")
    name = kind.rpartition("#")[2] if isinstance(kind, str) else ""
    if response.status == 400 and name in _REVOKED:
        return False
    shown = name if name.isascii() and name.isalnum() and len(name) <= 64 else "unknown error"
    raise StoreError(f"Cognito did not say: status {response.status} {shown}")


def _subs(answer: Mapping[str, Any]) -> list[Any]:
    """The values of all `sub` attributes; there is one in every good answer."""
    listed = answer.get("UserAttributes")
    attributes = listed if isinstance(listed, list) else []
    return [item.get("Value") for item in attributes if isinstance(item, dict) and item.get("Name") == "sub"]
