"""Verifies a Cognito access or ID token and returns its claims.

Invariants: no claim is returned before the signature was checked with a key of a configured pool; every claim
has exactly the type and bounds below (a boolean is no integer); the first wrong claim decides the reason; an
ID token passes only where the caller allows that use. Whether the session was revoked is decided by
`denylist`. Claims: Amazon Cognito, "Understanding the access token" and "Understanding the identity (ID)
token"; RFC 7519; RFC 8725.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from sessionwarden.errors import TokenError
from sessionwarden.model.deny import CLOCK_SKEW_SECONDS, Claims
from sessionwarden.tokens.jwks import DEAD_AFTER_SECONDS, KeyStore, parse_jwks
from sessionwarden.tokens.jws import parse_jws, verify_signature
from sessionwarden.tokens.verified import VerifiedTokens

# Cognito issues access tokens that live for 5 minutes to 24 hours.
MAX_LIFETIME_SECONDS = 86_400
MAX_IDENTIFIER_LENGTH = 128
MAX_NAME_LENGTH = 2048

ACCESS = frozenset({"access"})
# For each token use: the claim that names the client, and the claim that names the user.
_NAMED_BY = {"access": ("client_id", "username"), "id": ("aud", "cognito:username")}

_IDENTIFIER = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:")


class Pool(NamedTuple):
    """One user pool whose tokens are accepted.

    `clients` are the allowed app clients; an explicit `None` allows every client of the pool. `jwks_url` is
    where the keys are if not at the issuer, for an emulator. The issuer itself is no setting, so that no
    setting can make this authorizer accept the tokens of another issuer.
    """

    pool_id: str
    clients: frozenset[str] | None
    jwks_url: str | None = None

    @property
    def issuer(self) -> str:
        """The `iss` of the pool's tokens."""
        return f"https://cognito-idp.{self.pool_id.partition('_')[0]}.amazonaws.com/{self.pool_id}"

    @property
    def keys_url(self) -> str:
        """The URL of the pool's JWKS document."""
        return self.jwks_url or f"{self.issuer}/.well-known/jwks.json"


class CognitoVerifier:
    """Verifies tokens of `pools`. `fetch` returns the document at a JWKS URL; `clock` is epoch seconds.

    `shipped` are JWKS documents by pool id that came with the deployment; one that is no JWK Set raises
    `ValueError`. `on_failure` receives the error of each failed fetch. `cache`, if there is one, keeps
    verified tokens. Safe for threads.
    """

    def __init__(
        self,
        pools: Iterable[Pool],
        *,
        fetch: Callable[[str], bytes],
        clock: Callable[[], float],
        shipped: Mapping[str, bytes] | None = None,
        dead_after_seconds: int = DEAD_AFTER_SECONDS,
        on_failure: Callable[[Exception], None] | None = None,
        cache: VerifiedTokens | None = None,
    ) -> None:
        self._clock = clock
        self._cache = cache
        documents = shipped or {}
        self._pools: dict[str, tuple[Pool, KeyStore]] = {}
        for pool in pools:
            document = documents.get(pool.pool_id)
            self._pools[pool.issuer] = (
                pool,
                KeyStore(
                    _bind(fetch, pool.keys_url),
                    clock,
                    shipped=None if document is None else parse_jwks(document),
                    dead_after_seconds=dead_after_seconds,
                    on_failure=on_failure,
                ),
            )

    def verify(self, token: str, *, uses: frozenset[str] = ACCESS) -> Claims:
        """The claims of `token`, whose `token_use` is one of `uses`.

        Raises `TokenError` with a `reason` listed in docs/reference/authorizer.md. Costs about 40 µs, or a
        few if the same token was verified before. An unknown key or stale keys cost a fetch (at most one
        in 10 s).
        """
        now = int(self._clock())
        claims = self._cache.get(token, now=now) if self._cache is not None else None
        if claims is None:
            claims = self._verify(token, uses, now)
        elif claims.token_use not in uses:
            raise TokenError("wrong_token_use", expected=sorted(uses))
        return claims

    def _verify(self, token: str, uses: frozenset[str], now: int) -> Claims:
        jws = parse_jws(token)
        pool, keys = self._pool(jws.payload)
        key = keys.key(jws.kid)
        verify_signature(jws, key)
        claims = _read_claims(jws.payload, pool, uses, now)
        if self._cache is not None:
            self._cache.put(token, claims, still_signed=_still_signed(keys, jws.kid, key))
        return claims

    def _pool(self, payload: dict[str, Any]) -> tuple[Pool, KeyStore]:
        issuer = payload.get("iss")
        found = self._pools.get(issuer) if isinstance(issuer, str) else None
        if found is None:
            raise TokenError("unknown_issuer")
        return found


def _bind(fetch: Callable[[str], bytes], url: str) -> Callable[[], bytes]:
    return lambda: fetch(url)


def _still_signed(keys: KeyStore, kid: str, key: RSAPublicKey) -> Callable[[], bool]:
    # compares identity: each fetch makes new key objects, so every token is verified again after it
    return lambda: keys.key(kid) is key


def _read_claims(payload: dict[str, Any], pool: Pool, uses: frozenset[str], now: int) -> Claims:
    use = payload.get("token_use")
    if not isinstance(use, str) or use not in uses or use not in _NAMED_BY:
        raise TokenError("wrong_token_use", expected=sorted(uses))
    client_claim, name_claim = _NAMED_BY[use]
    client = _identifier(payload, client_claim)
    if pool.clients is not None and client not in pool.clients:
        raise TokenError("wrong_client")
    auth_time, issued_at, expires_at = _times(payload, now)
    sub = _identifier(payload, "sub")
    username = _name(payload, name_claim)
    # only an access token can be a machine token
    if username is None and (use != "access" or sub != client):
        raise TokenError("malformed_claims", actual=name_claim)
    return Claims(
        pool=pool.pool_id,
        token_use=use,
        sub=sub,
        client=client,
        user=None if username is None else sub,
        username=username,
        session=_identifier(payload, "origin_jti") if "origin_jti" in payload else None,
        token=_identifier(payload, "jti") if "jti" in payload else None,
        auth_time=auth_time,
        issued_at=issued_at,
        expires_at=expires_at,
        scope=_scope(payload),
        groups=_groups(payload),
    )


def _times(payload: dict[str, Any], now: int) -> tuple[int, int, int]:
    expires_at = _epoch(payload, "exp")
    issued_at = _epoch(payload, "iat")
    auth_time = _epoch(payload, "auth_time")
    not_before = _epoch(payload, "nbf") if "nbf" in payload else issued_at
    # expiry has no tolerance, since a longer life would only help a thief; equality refuses
    if now >= expires_at:
        raise TokenError("expired", actual=expires_at, expected=now)
    latest = now + CLOCK_SKEW_SECONDS
    if issued_at > latest or not_before > latest or auth_time > latest:
        raise TokenError("not_yet_valid")
    # auth_time decides which tokens a sign-out refuses, and a later one than iat would escape that
    if auth_time > issued_at + CLOCK_SKEW_SECONDS:
        raise TokenError("malformed_claims", actual="auth_time")
    if not 0 < expires_at - issued_at <= MAX_LIFETIME_SECONDS:
        raise TokenError("lifetime", actual=expires_at - issued_at, expected=MAX_LIFETIME_SECONDS)
    return auth_time, issued_at, expires_at


def _epoch(payload: dict[str, Any], name: str) -> int:
    value = payload.get(name)
    # type() rather than isinstance, for which True is an int
    if type(value) is not int or not 0 < value < 1 << 40:
        raise TokenError("malformed_claims", actual=name)
    return value


def _identifier(payload: dict[str, Any], name: str) -> str:
    """A UUID or client id, made of characters that are safe in a table key and in an unescaped log."""
    value = payload.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_IDENTIFIER_LENGTH:
        raise TokenError("malformed_claims", actual=name)
    if not _IDENTIFIER.issuperset(value):
        raise TokenError("malformed_claims", actual=name)
    return value


def _name(payload: dict[str, Any], name: str) -> str | None:
    if name not in payload:
        return None
    value = payload[name]
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME_LENGTH:
        raise TokenError("malformed_claims", actual=name)
    return value


def _scope(payload: dict[str, Any]) -> tuple[str, ...]:
    value = payload.get("scope", "")
    # RFC 6749 section 3.3 allows only spaces: split() would part a name at other white space
    if not isinstance(value, str) or not value.isprintable():
        raise TokenError("malformed_claims", actual="scope")
    return tuple(value.split())


def _groups(payload: dict[str, Any]) -> tuple[str, ...]:
    value = payload.get("cognito:groups", [])
    if not isinstance(value, list) or not all(isinstance(group, str) and group for group in value):
        raise TokenError("malformed_claims", actual="cognito:groups")
    return tuple(value)
