"""Keeps a user pool's public signing keys: reads them strictly, fetches them rarely, drops old ones in time.

Invariants: whatever key ids attackers name, there is at most one fetch in 10 s and one at a time; a key that
the pool no longer lists stops working within 15 minutes; while fetching fails, known keys serve for at most
24 h, then every token is refused. Keys that were shipped with the deployment serve the first minute without a
fetch. RFC 7517, RFC 7518 section 6.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from sessionwarden.errors import TokenError
from sessionwarden.tokens.canonical import decode_base64url, load_object

MAX_DOCUMENT_BYTES = 65_536
MIN_KEY_BITS = 2048
MAX_KEY_BITS = 8192

FETCH_INTERVAL_SECONDS = 10
# Five minutes under the promised 15, which leaves time for fetches that fail before one succeeds.
REFRESH_AFTER_SECONDS = 600
DEAD_AFTER_SECONDS = 86_400
# Long enough for the first requests after a cold start; short enough that a new environment does not
# trust a key for ten minutes that was withdrawn since the deployment.
SHIPPED_SERVE_SECONDS = 60

_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})


def parse_jwks(document: bytes) -> dict[str, RSAPublicKey]:
    """The keys of a JWK Set that may check RS256 signatures, by `kid`.

    A key is left out, and tokens that name it are refused, if it has another type, use or algorithm, no
    `kid`, fewer than 2048 or more than 8192 bits, or its private half. If two keys have one `kid`, both are
    left out. Raises `ValueError` if the document as a whole is not a JWK Set.
    """
    if len(document) > MAX_DOCUMENT_BYTES:
        raise ValueError("JWK Set too large")
    listed = load_object(document).get("keys")
    if not isinstance(listed, list):
        raise ValueError("not a JWK Set")
    keys: dict[str, RSAPublicKey] = {}
    seen: set[str] = set()
    for jwk in listed:
        kid = jwk.get("kid") if isinstance(jwk, dict) else None
        if not isinstance(kid, str) or not kid:
            continue
        if kid in seen:
            keys.pop(kid, None)
            continue
        seen.add(kid)
        key = _rsa_key(jwk)
        if key is not None:
            keys[kid] = key
    return keys


class KeyStore:
    """The keys of one pool. Several threads may call it: one fetches, and those that need the result wait.

    `fetch` returns the JWKS document or raises any `Exception`. `on_failure` receives that error, because
    operators must act before `dead_after_seconds` have passed. `clock` is epoch seconds: a monotonic clock
    stands still while AWS keeps the Lambda frozen, and the pool may withdraw a key meanwhile. `shipped` are
    keys that came with the deployment; their minute starts at the first use, since this object may lie in a
    snapshot for weeks.
    """

    def __init__(
        self,
        fetch: Callable[[], bytes],
        clock: Callable[[], float],
        *,
        shipped: Mapping[str, RSAPublicKey] | None = None,
        dead_after_seconds: int = DEAD_AFTER_SECONDS,
        on_failure: Callable[[Exception], None] | None = None,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._dead_after_seconds = dead_after_seconds
        self._on_failure = on_failure
        self._lock = Lock()
        self._keys: Mapping[str, RSAPublicKey] = dict(shipped or {})
        self._untouched = bool(shipped)
        self._fetched_at: float | None = None
        self._attempted_at: float | None = None
        self._failing = False

    def key(self, kid: str) -> RSAPublicKey:
        """The key named `kid`; fetches the document if the key is unknown or its document is old.

        Raises `TokenError`: `unknown_key` if the pool does not list the key, `keys_unavailable` if that
        cannot be known because fetching fails or never succeeded.
        """
        if self._untouched:
            self._untouched = False
            self._fetched_at = self._clock() - (REFRESH_AFTER_SECONDS - SHIPPED_SERVE_SECONDS)
        known = self._known(kid)
        if known is not None and self._age() < REFRESH_AFTER_SECONDS:
            return known
        with self._lock:
            if self._may_fetch():
                self._refresh()
        if self._age() >= self._dead_after_seconds:
            raise TokenError("keys_unavailable")
        known = self._known(kid)
        if known is not None:
            return known
        raise TokenError("keys_unavailable" if self._failing else "unknown_key")

    def _known(self, kid: str) -> RSAPublicKey | None:
        return self._keys.get(kid)

    def _age(self) -> float:
        if self._fetched_at is None:
            return self._dead_after_seconds
        age = self._clock() - self._fetched_at
        # a clock that was set back must not make a withdrawn key look young
        return age if age >= 0 else REFRESH_AFTER_SECONDS

    def _may_fetch(self) -> bool:
        if self._attempted_at is None:
            return True
        since = self._clock() - self._attempted_at
        return since < 0 or since >= FETCH_INTERVAL_SECONDS

    def _refresh(self) -> None:
        self._attempted_at = self._clock()
        try:
            keys = parse_jwks(self._fetch())
        except Exception as error:  # known keys go on serving, whatever the error
            self._failing = True
            if self._on_failure is not None:
                self._on_failure(error)
            return
        self._keys = keys
        self._fetched_at = self._clock()
        self._failing = False


def _rsa_key(jwk: Mapping[str, Any]) -> RSAPublicKey | None:
    if jwk.get("kty") != "RSA" or jwk.get("use") != "sig" or jwk.get("alg") != "RS256":
        return None
    # if the private half is public, any attacker can sign with it
    if not _PRIVATE_MEMBERS.isdisjoint(jwk):
        return None
    if "key_ops" in jwk and jwk["key_ops"] != ["verify"]:
        return None
    try:
        modulus, exponent = _number(jwk.get("n")), _number(jwk.get("e"))
        if not MIN_KEY_BITS <= modulus.bit_length() <= MAX_KEY_BITS:
            return None
        return RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:
        return None


def _number(text: object) -> int:
    if not isinstance(text, str):
        raise ValueError("not a number")
    return int.from_bytes(decode_base64url(text.encode("ascii")), "big")
