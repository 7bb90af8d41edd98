"""Fetches AWS credentials from the endpoint that Lambda (under SnapStart), ECS and EKS name.

They are kept until shortly before they expire. Invariants: nothing is fetched until credentials are asked
for, so a snapshot holds none; plain http is allowed only to this machine and to the link-local addresses of
ECS and EKS, as in the SDKs; credentials about to expire serve while their renewal fails, expired ones never.
Times are epoch seconds, because a frozen function's monotonic clock stands still.
https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from datetime import datetime
from time import time
from typing import Any, NamedTuple

from sessionwarden.adapters.lean.connection import Endpoint, HttpError, parse_endpoint
from sessionwarden.adapters.lean.environment_credentials import FULL_URI, RELATIVE_URI
from sessionwarden.adapters.lean.get import get
from sessionwarden.adapters.lean.shared_call import SharedCall
from sessionwarden.adapters.lean.sigv4 import Credentials
from sessionwarden.errors import StoreError
from sessionwarden.tokens.canonical import load_object

ECS_ENDPOINT = "http://169.254.170.2"
NEAR_HOSTS = frozenset({"localhost", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"})
"""Hosts that are this machine, ECS or EKS, besides all of 127.0.0.0/8."""

AUTHORIZATION_TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"  # noqa: S105 - a name, no secret
AUTHORIZATION_TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 - a name, no secret

# One local round trip, which the first request of a restored environment waits for.
DEADLINE_SECONDS = 1.0
MAX_BODY_BYTES = 65_536
RENEW_BEFORE_SECONDS = 300
# While known credentials still serve, a failing endpoint must not cost every request the deadline.
RETRY_SECONDS = 10
# The longest that a thread waits for the fetch of another one.
WAIT_SECONDS = 2 * DEADLINE_SECONDS


class _Fetched(NamedTuple):
    credentials: Credentials
    fetched_at: float
    expires_at: float


class ContainerCredentials:
    """Returns current credentials when called, the same for all threads; one of them fetches.

    The others wait for the first credentials only, for `WAIT_SECONDS` at most: while known ones are renewed,
    these serve. Its constructor raises `ValueError` for an endpoint that may not be asked. `clock` is epoch
    seconds.
    """

    def __init__(self, environ: Mapping[str, str], *, clock: Callable[[], float] = time) -> None:
        self._environ = environ
        self._endpoint = container_endpoint(environ)
        self._clock = clock
        self._known: _Fetched | None = None
        self._tried_at = 0.0
        self._shared: SharedCall[Credentials] = SharedCall(WAIT_SECONDS)

    def __call__(self) -> Credentials:
        """Credentials that have not expired; fetches at most once, for `DEADLINE_SECONDS` at most.

        Raises `StoreError` if there are none.
        """
        now = self._clock()
        known = self._serving(now)
        if known is not None and not self._renewal_due(known, now):
            return known.credentials
        return self._shared(self._renewed)

    def _renewed(self) -> Credentials:
        now = self._clock()
        known = self._serving(now)
        # another thread may have renewed them since this one looked
        if known is not None and not self._renewal_due(known, now):
            return known.credentials
        self._tried_at = now
        try:
            self._known = fetched = self._fetch(now)
        except (HttpError, ValueError, OSError) as error:
            if known is not None:
                return known.credentials
            raise StoreError(f"no AWS credentials from the container's endpoint: {error}") from error
        return fetched.credentials

    def _serving(self, now: float) -> _Fetched | None:
        known = self._known
        # if the clock was set back since the fetch, the expiry cannot be trusted
        return known if known is not None and known.fetched_at <= now < known.expires_at else None

    def _renewal_due(self, known: _Fetched, now: float) -> bool:
        tried_lately = self._tried_at <= now < self._tried_at + RETRY_SECONDS
        return now >= known.expires_at - RENEW_BEFORE_SECONDS and not tried_lately

    def _fetch(self, now: float) -> _Fetched:
        body = get(
            self._endpoint,
            deadline_seconds=DEADLINE_SECONDS,
            max_body_bytes=MAX_BODY_BYTES,
            authorization=_authorization(self._environ),
        )
        credentials, expires_at = parse_credentials(body)
        if expires_at <= now:
            raise ValueError("they have expired")
        return _Fetched(credentials, now, expires_at)


def container_endpoint(environ: Mapping[str, str]) -> Endpoint:
    """The endpoint that `environ` names; raises `ValueError` unless it is https, or on this machine.

    >>> container_endpoint({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9001/c"}).port
    9001
    """
    relative = environ.get(RELATIVE_URI)
    if relative and not relative.startswith("/"):
        raise ValueError(f"{RELATIVE_URI} is not a path")
    endpoint = parse_endpoint(ECS_ENDPOINT + relative if relative else environ.get(FULL_URI, ""))
    if not endpoint.secure and not _is_near(endpoint.host):
        raise ValueError(f"{FULL_URI} is plain http to another machine")
    return endpoint


def parse_credentials(body: bytes) -> tuple[Credentials, float]:
    """The credentials in an endpoint's answer, and when they expire (epoch seconds); raises `ValueError`."""
    answer = load_object(body)
    credentials = Credentials(
        _header_text(answer, "AccessKeyId"),
        _header_text(answer, "SecretAccessKey"),
        _header_text(answer, "Token"),
    )
    return credentials, _epoch_seconds(answer.get("Expiration"))


def _epoch_seconds(value: object) -> float:
    """Reads an RFC 3339 time; Lambda writes nine digits of a second."""
    try:
        time_at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        time_at = None
    if time_at is None or time_at.tzinfo is None:
        raise ValueError("no usable Expiration")
    return time_at.timestamp()


def _header_text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    # the value becomes part of a header line, where a line break would start another header
    if (
        not isinstance(value, str)
        or not value
        or not value.isascii()
        or not value.isprintable()
        or " " in value
    ):
        raise ValueError(f"no usable {name}")
    return value


def _authorization(environ: Mapping[str, str]) -> str:
    """The endpoint's token: from the file, which EKS renews, or else from the variable, or empty."""
    path = environ.get(AUTHORIZATION_TOKEN_FILE)
    if path:
        with open(path, encoding="ascii") as file:
            token = file.read(MAX_BODY_BYTES)
    else:
        token = environ.get(AUTHORIZATION_TOKEN, "")
    if not token.isascii() or not token.isprintable():
        raise ValueError("the token for the endpoint is not one line")
    return token


def _is_near(host: str) -> bool:
    if host in NEAR_HOSTS:
        return True
    try:
        # stricter than a resolver, so that `127.1.example` and `0x7f.1` are no addresses
        return socket.inet_pton(socket.AF_INET, host)[0] == 127
    except OSError:
        return False
