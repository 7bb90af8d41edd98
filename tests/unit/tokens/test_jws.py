from __future__ import annotations

import base64
import json

import pytest

from sessionwarden.errors import TokenError
from sessionwarden.tokens.canonical import decode_base64url, load_object
from sessionwarden.tokens.jws import MAX_TOKEN_BYTES, claimed_subject, parse_jws, verify_signature
from tests.support.tokens import KID, SUB, b64, claims, private_key, sign, token, token_refusal

PAYLOAD = json.dumps(claims()).encode()


def reason_of(text: str) -> str:
    return token_refusal(lambda: verify_signature(parse_jws(text), private_key().public_key()))


def test_a_token_of_cognitos_shape_is_taken_apart_and_its_signature_checks() -> None:
    jws = parse_jws(token())
    verify_signature(jws, private_key().public_key())
    assert jws.kid == KID
    assert jws.payload == claims()


def test_a_token_signed_by_another_key_is_refused() -> None:
    assert (
        reason_of(sign(json.dumps({"kid": KID, "alg": "RS256"}).encode(), PAYLOAD, key="other"))
        == "bad_signature"
    )


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_change_of_one_bit_in_any_part_is_refused(part: int) -> None:
    parts = token().split(".")
    raw = bytearray(decode_base64url(parts[part].encode()))
    raw[len(raw) // 2] ^= 1
    parts[part] = b64(bytes(raw))
    assert reason_of(".".join(parts)) in ("bad_signature", "malformed_token", "wrong_alg", "header_parameter")


@pytest.mark.parametrize(
    "alg", ["none", "None", "HS256", "RS384", "RS512", "PS256", "ES256", "rs256", "", None, 1, ["RS256"]]
)
def test_no_algorithm_but_rs256_is_accepted(alg: object) -> None:
    assert reason_of(token(header={"kid": KID, "alg": alg})) == "wrong_alg"


def test_a_token_without_an_algorithm_is_refused() -> None:
    assert reason_of(token(header={"kid": KID})) == "wrong_alg"


@pytest.mark.parametrize(
    "name", ["crit", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "b64", "zip", "enc", "cty", "new"]
)
def test_a_header_can_name_a_key_and_nothing_else(name: str) -> None:
    assert reason_of(token(header={"kid": KID, "alg": "RS256", name: ["exp"]})) == "header_parameter"


@pytest.mark.parametrize("kid", [None, 1, True, "", "k" * 257, ["a"], {"a": 1}])
def test_a_key_id_is_a_short_text(kid: object) -> None:
    assert reason_of(token(header={"kid": kid, "alg": "RS256"})) == "malformed_kid"


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+jwt"])
def test_types_of_access_tokens_pass(typ: str) -> None:
    assert parse_jws(token(header={"kid": KID, "alg": "RS256", "typ": typ})).kid == KID


@pytest.mark.parametrize("typ", ["secevent+jwt", "dpop+jwt", 1, None])
def test_a_token_of_another_type_is_refused(typ: object) -> None:
    assert reason_of(token(header={"kid": KID, "alg": "RS256", "typ": typ})) == "wrong_typ"


@pytest.mark.parametrize(
    "header",
    [
        b'{"kid":"key-1=","alg":"none","alg":"RS256"}',
        b'{"kid":"key-1=","alg":"RS256","\\u0061lg":"RS256"}',
        b'\xef\xbb\xbf{"kid":"key-1=","alg":"RS256"}',
        '{"kid":"key-1=","alg":"RS256"}'.encode("utf-16"),
        b'{"kid":"key-1=","alg":"RS256"} x',
        b'["RS256"]',
        b'"RS256"',
        b"",
        b"\xff",
        b'{"kid":"\\ud800","alg":"RS256"}',
        b'{"kid":"key-1=","alg":"RS256","typ":NaN}',
        b"[" * 5000,
    ],
)
def test_a_header_that_others_could_read_differently_is_refused(header: bytes) -> None:
    assert reason_of(token(header=header)) == "malformed_token"


@pytest.mark.parametrize(
    "payload",
    [
        PAYLOAD[:-1] + b',"sub":"somebody-else"}',
        PAYLOAD[:-1] + b',"nested":{"a":1,"a":2}}',
        PAYLOAD[:-1] + b',"exp2":Infinity}',
        PAYLOAD[:-1] + b',"name":"\\udfff"}',
        PAYLOAD[:-1] + b',"deep":' + b"[" * 3000 + b"]" * 3000 + b"}",
        PAYLOAD[:-1] + b',"deep":' + b"[" * 32 + b"]" * 32 + b"}",
        PAYLOAD[:-1] + b',"big":1' + b"0" * 5000 + b"}",
        PAYLOAD.decode().encode("utf-16-le"),
        PAYLOAD[:-1] + b',"name":"\xff"}',
        b"null",
    ],
)
def test_a_payload_that_others_could_read_differently_is_refused(payload: bytes) -> None:
    assert reason_of(token(payload)) == "malformed_token"


@pytest.mark.parametrize(
    "damage",
    [
        lambda t: t + "=",
        lambda t: t + "==",
        lambda t: t + "\n",
        lambda t: " " + t,
        lambda t: t.replace(".", ".."),
        lambda t: t + ".",
        lambda t: t + ".e30",
        lambda t: t.rpartition(".")[0],
        lambda t: t.rpartition(".")[0] + ".",
        lambda t: t.replace("e", "\u0435", 1),
        lambda t: t.replace("e", "\ud800", 1),
        lambda t: t[:30] + "\x00" + t[30:],
        lambda t: t[:30] + "\r\n" + t[30:],
        lambda t: "",
        lambda t: "..",
        lambda t: ".",
    ],
)
def test_text_around_or_between_the_parts_is_refused(damage: object) -> None:
    assert reason_of(damage(token())) in ("malformed_token", "bad_signature")  # type: ignore[operator]


def test_the_standard_alphabet_is_refused_in_place_of_the_url_one() -> None:
    header = json.dumps({"kid": KID, "alg": "RS256"}).encode()
    for number in range(40):
        text = sign(header, json.dumps(claims(event_id=f"?>?>~~{number}")).encode())
        changed = text.replace("-", "+").replace("_", "/")
        if changed != text:
            assert reason_of(changed) == "malformed_token"
            return
    raise AssertionError("no token held - or _")


def test_no_other_text_of_a_token_passes_though_it_decodes_to_the_same_bytes() -> None:
    text = token()
    head, last = text[:-1], text[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    body = text.rpartition(".")[2]
    wanted = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    twins = 0
    for other in alphabet.replace(last, ""):
        twin = (body[:-1] + other) + "=" * (-len(body) % 4)
        twins += base64.urlsafe_b64decode(twin) == wanted
        assert reason_of(head + other) in ("malformed_token", "bad_signature")
    assert twins == 15, "a 256-byte signature leaves four bits that other decoders ignore"


def test_a_token_over_ten_kilobytes_is_refused_before_it_is_read() -> None:
    assert reason_of("\ud800" * (MAX_TOKEN_BYTES + 1)) == "token_too_large"
    assert reason_of(token(claims(filler="x" * 8000))) == "token_too_large"


def test_the_claimed_subject_is_read_without_belief_and_bounded() -> None:
    assert claimed_subject(token()) == SUB
    assert claimed_subject(f"x.{b64(json.dumps({'sub': 'v' * 500}).encode())}.x") == "v" * 128


@pytest.mark.parametrize(
    "text", ["", "a", "a.b", "..", "a.e30.b", "\ud800.e30.x", "x.eyJzdWIiOjF9.x", "x" * 20_000]
)
def test_a_token_without_a_readable_sub_claims_no_user(text: str) -> None:
    assert claimed_subject(text) is None


def test_errors_never_hold_the_token() -> None:
    with pytest.raises(TokenError) as caught:
        parse_jws(token()[:-1] + "\n")
    assert token()[:40] not in repr(caught.value.__dict__) + str(caught.value)
    assert caught.value.__cause__ is None


def test_an_object_loads_if_it_says_everything_once() -> None:
    assert load_object('{"a": {"b": 1}, "é": "\\ud83d\\ude00"}'.encode()) == {"a": {"b": 1}, "é": "😀"}
