"""Ours against joserfc: whatever we accept it accepts, with the same claims."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from joserfc import jws as oracle
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from sessionwarden.errors import TokenError
from sessionwarden.tokens.jws import parse_jws, verify_signature
from tests.support.attacks.tokens import documents, encodings, paddings, right_block, signatures, signed_block
from tests.support.tokens import KID, b64, claims, jwk, private_key, sign, token

ORACLE_KEY = RSAKey.import_key(jwk())
GOOD = token()


def ours(text: str) -> dict[str, object] | None:
    try:
        parsed = parse_jws(text)
        verify_signature(parsed, private_key().public_key())
    except TokenError:
        return None
    return parsed.payload


def theirs(text: str) -> dict[str, object] | None:
    try:
        found = oracle.deserialize_compact(text, ORACLE_KEY, algorithms=["RS256"])
        payload: dict[str, object] = json.loads(found.payload)
    except (JoseError, ValueError, TypeError):
        return None
    return payload


def agree(text: str) -> None:
    accepted = ours(text)
    if accepted is not None:
        assert theirs(text) == accepted


def test_both_accept_a_good_token() -> None:
    assert ours(GOOD) == theirs(GOOD) == claims()


@given(st.integers(0, len(GOOD) - 1), st.characters(max_codepoint=0x17F))
def test_one_changed_character(position: int, character: str) -> None:
    changed = GOOD[:position] + character + GOOD[position + 1 :]
    agree(changed)
    assert changed == GOOD or ours(changed) is None


@given(st.integers(0, len(GOOD)), st.text("ABab01-_+/=. \n\x00", max_size=4), st.integers(0, 3))
def test_inserted_and_removed_text(position: int, added: str, removed: int) -> None:
    changed = GOOD[:position] + added + GOOD[position + removed :]
    agree(changed)
    assert changed == GOOD or ours(changed) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
header_names = st.sampled_from(["alg", "kid", "typ", "crit", "jku", "jwk", "x5c", "b64", "zip", "cty", "a"])


@settings(max_examples=60)  # each one is signed
@given(
    st.dictionaries(header_names, json_values | st.sampled_from(["RS256", "none", "JWT", KID]), max_size=4)
)
@example({"alg": "RS256", "kid": KID})
@example({"alg": "RS256", "kid": KID, "crit": ["exp"], "exp": 1})
@example({"alg": "RS256", "kid": KID, "b64": False, "crit": ["b64"]})
def test_any_header_that_was_really_signed(header: dict[str, object]) -> None:
    agree(sign(json.dumps(header).encode(), json.dumps(claims()).encode()))


@settings(max_examples=60)
@given(st.dictionaries(st.text(max_size=4), json_values, max_size=4))
def test_any_payload_that_was_really_signed(payload: dict[str, object]) -> None:
    agree(token(payload))


@settings(max_examples=60)
@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_bytes_that_were_really_signed(header: bytes, payload: bytes) -> None:
    agree(sign(header, payload))
    agree(token(payload))


@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    assert ours(text) is None


@pytest.mark.parametrize("alg", ["none", "HS256", "RS512", "PS256"])
def test_the_classic_attacks(alg: str) -> None:
    head = b64(json.dumps({"alg": alg, "kid": KID}).encode())
    body = GOOD.split(".")[1]
    for signature in ("", GOOD.split(".")[2]):
        text = f"{head}.{body}.{signature}"
        assert ours(text) is None
        assert theirs(text) is None


@pytest.mark.parametrize("texts", [signatures, paddings, encodings, documents])
def test_the_attacks_that_we_count(texts: Callable[[], Iterator[str]]) -> None:
    for text in texts():
        agree(text)


def test_both_refuse_every_forged_padding_and_take_the_right_one() -> None:
    for text in paddings():
        assert ours(text) is None
        assert theirs(text) is None
    right = signed_block(right_block())
    assert ours(right) == theirs(right) == claims()
