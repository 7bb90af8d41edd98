"""Caches the claims of verified tokens, so that the same token is not verified on every request.

Invariants: the cache key is a digest of the token's exact bytes, so no token is stored, and another encoding
of the same token misses and is verified (and refused) like any other; each hit is checked again for expiry
and for a withdrawn key; a refused token is never cached. The denylist is not cached: revocation is read for
each request.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from threading import Lock
from typing import NamedTuple

from sessionwarden.errors import TokenError
from sessionwarden.model.deny import Claims
from sessionwarden.tokens.jws import MAX_TOKEN_BYTES

CAPACITY = 1024
"""The most tokens kept. Claims are no longer than their token: at most 10 MB, usually about 1 MB."""


class _Entry(NamedTuple):
    claims: Claims
    still_signed: Callable[[], bool]


class VerifiedTokens:
    """The most recently used tokens. Safe for threads."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._entries: dict[bytes, _Entry] = {}
        self._lock = Lock()

    def get(self, token: str, *, now: int) -> Claims | None:
        """The claims of `token`, or `None` if it must be verified (again). `now` is epoch seconds.

        Raises `TokenError` (`unknown_key`, `keys_unavailable`) as `KeyStore.key` does.
        """
        if len(token) > MAX_TOKEN_BYTES or not token.isascii():
            return None
        digest = _digest(token)
        entry = self._entries.get(digest)
        if entry is None:
            return None
        # expired, or a clock set back: the full verification says which
        if not entry.claims.issued_at <= now < entry.claims.expires_at:
            self._forget(digest)
            return None
        try:
            signed = entry.still_signed()
        except TokenError:
            self._forget(digest)
            raise
        if not signed:
            self._forget(digest)
            return None
        self._keep(digest, entry)
        return entry.claims

    def put(self, token: str, claims: Claims, *, still_signed: Callable[[], bool]) -> None:
        """Keep a verified token. `still_signed` is called on each hit: whether its key is still valid."""
        self._keep(_digest(token), _Entry(claims, still_signed))

    def _keep(self, digest: bytes, entry: _Entry) -> None:
        with self._lock:
            # a dict keeps the order of insertion: the first one is the least recently used
            self._entries.pop(digest, None)
            self._entries[digest] = entry
            if len(self._entries) > self._capacity:
                del self._entries[next(iter(self._entries))]

    def _forget(self, digest: bytes) -> None:
        with self._lock:
            self._entries.pop(digest, None)


def _digest(token: str) -> bytes:
    return blake2b(token.encode("ascii"), digest_size=32).digest()
