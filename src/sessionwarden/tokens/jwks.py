"""Keeps a user pool's public signing keys: reads them strictly, fetches them rarely, drops old ones in time.

Invariants: whatever key ids tokens name, there is at most one fetch in 10 s and one at a time, and no thread
waits for another one's fetch while there are keys to decide by; a key that the pool no longer lists stops
working within 15 minutes; while fetching fails, known keys serve for at most 24 h, then every token is
refused. A set without one usable key is a failed fetch: a pool always signs with some key, so such an answer
is a mistake of a server or a proxy, which must not refuse every user. Keys that were shipped with the
deployment serve the first minute without a fetch. RFC 7517, RFC 7518 section 6.3.
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
# Bounds of FIPS 186-5, section A.1.1. Signatures under a small exponent can be forged where a verifier reads
# the padding laxly, and a huge one makes each verification slow.
MIN_EXPONENT = 65_537
MAX_EXPONENT_BITS = 256

FETCH_INTERVAL_SECONDS = 10
# Five minutes under the promised 15, which leaves time for fetches that fail before one succeeds.
REFRESH_AFTER_SECONDS = 600
DEAD_AFTER_SECONDS = 86_400
# Long enough for the first requests after a cold start; short enough that a new environment does not
# trust a key for ten minutes that was withdrawn since the deployment.
SHIPPED_SERVE_SECONDS = 60
# The longest that a thread waits for another one's fetch, which itself ends after 2 s.
WAIT_SECONDS = 3.0

_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})


def parse_jwks(document: bytes) -> dict[str, RSAPublicKey]:
    """The keys of a JWK Set that may check RS256 signatures, by `kid`.

    A key is left out, and tokens that name it are refused, if it has another type, use or algorithm, no
    `kid`, `key_ops` other than exactly `verify`, fewer than 2048 or more than 8192 bits, a public exponent
    that is even or below 65,537, or its private half. If two keys have one `kid`, both are left out. Raises
    `ValueError` if the document as a whole is not a JWK Set, or if no key is left.
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
    if not keys:
        raise ValueError("a JWK Set with no usable key")
    return keys


class KeyStore:
    """The keys of one pool, for all threads of a process.

    One thread fetches. Meanwhile the others go on with the known keys, and a token that names an unknown one
    is refused at once, so that attackers who invent key ids hold up one thread in 10 s and no others. Only
    while no key serves (a cold start) do they wait for that one fetch, for `WAIT_SECONDS` at most. Looking up
    a key that is known and young takes no lock.

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

        Raises `TokenError`: `unknown_key` if the pool does not list it, `keys_unavailable` if that cannot
        be known because fetching fails, never succeeded, or is going on in another thread.
        """
        if self._untouched:
            # in this order, so that no other thread finds the keys without an age
            self._fetched_at = self._clock() - (REFRESH_AFTER_SECONDS - SHIPPED_SERVE_SECONDS)
            self._untouched = False
        known = self._keys.get(kid)
        if known is not None and self._age() < REFRESH_AFTER_SECONDS:
            return known
        current = self._renew()
        if self._age() >= self._dead_after_seconds:
            raise TokenError("keys_unavailable")
        known = self._keys.get(kid)
        if known is not None:
            return known
        raise TokenError("unknown_key" if current and not self._failing else "keys_unavailable")

    def _renew(self) -> bool:
        """Fetch, if it is time; false if another thread is doing so and there are keys to go on with."""
        serving = self._age() < self._dead_after_seconds
        if not self._lock.acquire(timeout=0 if serving else WAIT_SECONDS):
            return False
        try:
            if self._may_fetch():
                self._refresh()
        finally:
            self._lock.release()
        return True

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
    # RFC 7517 section 4.3 allows `sign` beside `verify`, but only a private key signs: a public set that
    # says so was made from a private key, or for another purpose
    if "key_ops" in jwk and jwk["key_ops"] != ["verify"]:
        return None
    try:
        modulus, exponent = _number(jwk.get("n")), _number(jwk.get("e"))
        if not MIN_KEY_BITS <= modulus.bit_length() <= MAX_KEY_BITS:
            return None
        # cryptography refuses an even one
        if exponent < MIN_EXPONENT or exponent.bit_length() > MAX_EXPONENT_BITS:
            return None
        return RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:
        return None


def _number(text: object) -> int:
    if not isinstance(text, str):
        raise ValueError("not a number")
    return int.from_bytes(decode_base64url(text.encode("ascii")), "big")
