"""Keys, JWKS documents and tokens for tests: real RSA keys, signed by cryptography itself."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from sessionwarden.errors import TokenError

NOW = 1_790_000_000
POOL = "eu-west-1_Ab12Cd34"
CLIENT = "7lh1client0000000000000000"
SUB = "5f0c2a10-aaaa-4bbb-8ccc-0123456789ab"
ISSUER = f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}"
KID = "key-1="


def private_key(name: str = KID, bits: int = 2048) -> rsa.RSAPrivateKey:
    return _generated(name, bits)


@lru_cache
def _generated(name: str, bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwk(name: str = KID, *, bits: int = 2048, **changes: Any) -> dict[str, Any]:
    numbers = private_key(name, bits).public_key().public_numbers()
    value = {
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": name,
        "n": b64(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")),
        "e": b64(numbers.e.to_bytes(3, "big")),
    } | changes
    return {key: item for key, item in value.items() if item is not None}


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": list(keys or (jwk(),))}).encode()


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a Cognito access token; a change to `...` leaves one out."""
    value = {
        "sub": SUB,
        "iss": ISSUER,
        "client_id": CLIENT,
        "origin_jti": "0a0a0a0a-1111-4222-8333-444444444444",
        "event_id": "9b1b1b1b-1111-4222-8333-444444444444",
        "token_use": "access",
        "scope": "aws.cognito.signin.user.admin openid",
        "auth_time": NOW - 600,
        "exp": NOW + 3000,
        "iat": NOW - 600,
        "jti": "1c1c1c1c-1111-4222-8333-444444444444",
        "username": "alice",
        "cognito:groups": ["staff"],
    } | changes
    return {key: item for key, item in value.items() if item is not ...}


def sign(header: bytes, payload: bytes, *, key: str = KID, bits: int = 2048) -> str:
    signing_input = f"{b64(header)}.{b64(payload)}"
    signature = private_key(key, bits).sign(signing_input.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signing_input}.{b64(signature)}"


def token(
    payload: dict[str, Any] | bytes | None = None,
    *,
    header: dict[str, Any] | bytes | None = None,
    key: str = KID,
    bits: int = 2048,
) -> str:
    """A signed token; `payload` and `header` default to Cognito's."""
    body = (
        payload
        if isinstance(payload, bytes)
        else json.dumps(claims() if payload is None else payload).encode()
    )
    default = {"kid": key, "alg": "RS256"}
    head = header if isinstance(header, bytes) else json.dumps(default if header is None else header).encode()
    return sign(head, body, key=key, bits=bits)


def token_refusal(check: Callable[..., object], *arguments: Any, **options: Any) -> str:
    """The reason of the `TokenError` that the call raises; fails if it raises none."""
    with pytest.raises(TokenError) as caught:
        check(*arguments, **options)
    return caught.value.reason
