"""Token texts that must be refused, by kind of forgery; `attacks/cases.py` sends them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from hashlib import sha256

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from tests.support.tokens import CLIENT, ISSUER, KID, b64, claims, private_key, sign, token

GOOD = token()
_MESSAGE = GOOD.rpartition(".")[0].encode()
KEY_BYTES = 256
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
"""RFC 8017 section 9.2, note 1: what stands before a SHA-256 digest."""
SESSION = "0a0a0a0a-1111-4222-8333-444444444444"

HEADERS: tuple[tuple[str, object], ...] = (
    ("jku", "https://evil.example/keys"),
    ("x5u", "https://evil.example/cert"),
    ("jwk", {"kty": "RSA"}),
    ("x5c", ["x"]),
    ("x5t", "x"),
    ("x5t#S256", "x"),
    ("crit", ["exp"]),
    ("crit", []),
    ("b64", False),
    ("zip", "DEF"),
    ("cty", "JWT"),
    ("epk", {}),
    ("iss", ISSUER),
    ("", 1),
)
WRONG_VALUES: tuple[object, ...] = (None, True, 1.5, [], {}, "")


def _each(name: str, values: Iterable[object]) -> list[dict[str, object]]:
    return [{name: value} for value in values]


MISSHAPEN: tuple[dict[str, object], ...] = (
    {"sub": f"{SESSION}#d"},
    {"sub": f"{SESSION}\n"},
    {"sub": "a" * 129},
    {"sub": "\u0430"},
    {"client_id": f"{CLIENT} "},
    {"client_id": [CLIENT]},
    {"origin_jti": f"{SESSION} "},
    {"origin_jti": ["x"]},
    {"jti": "x" * 129},
    {"username": "a" * 2049},
    *_each("nbf", WRONG_VALUES),
    *_each("scope", (None, True, 1, ["orders"], {})),
    *_each("cognito:groups", (None, True, "admin", {"admin": 1}, [1], [["admin"]], [""])),
)
SCOPES = (
    *("", "order", "Orders", "orders/read", "x,orders", "orders;", "orders\n", "\torders", "x\u00a0orders"),
    *("x\u2003orders", "x\u200borders", "\u03bfrders", "orders\u0000", "x\x1corders"),
)
GROUPS: tuple[object, ...] = (
    *([], ["Admin"], [" admin"], ["admin "], ["admin\0"], ["\u0430dmin"], ["staff admin"], ["admin,staff"]),
    *("admin", [["admin"]], {"admin": True}),
)


def algorithms() -> Iterator[str]:
    _, body, signature = GOOD.split(".")
    for alg in (
        "none",
        "None",
        "NONE",
        "",
        "HS256",
        "RS384",
        "RS512",
        "PS256",
        "ES256",
        "rs256",
        None,
        ["RS256"],
    ):
        forged = b64(json.dumps({"alg": alg, "kid": KID}).encode())
        yield f"{forged}.{body}.{signature}"
        yield f"{forged}.{body}."
    yield f"{b64(json.dumps({'kid': KID}).encode())}.{body}.{signature}"


def signatures() -> Iterator[str]:
    head, body, signature = GOOD.split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    other = token(claims(jti="other")).split(".")[2]
    signing_input = f"{head}.{body}".encode()
    key = private_key()
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    for forged in (
        b"",
        bytes(256),
        raw[:-1],
        raw + b"\0",
        b"\0" + raw,
        raw[::-1],
        bytes([raw[0] ^ 1]) + raw[1:],
        public,
        key.sign(signing_input, pss, hashes.SHA256()),
        key.sign(signing_input, padding.PKCS1v15(), hashes.SHA384()),
    ):
        yield f"{head}.{body}.{b64(forged)}"
    yield f"{head}.{body}.{other}"
    yield token(key="a key of nobody", header={"alg": "RS256", "kid": KID})
    yield token(key="unlisted")
    yield f"{head}.{b64(json.dumps(claims(sub='victim')).encode())}.{signature}"


def encodings() -> Iterator[str]:
    head, body, signature = GOOD.split(".")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    yield f"{head}.{body}.{signature[:-1]}{letters[letters.index(signature[-1]) ^ 1]}"
    yield from (
        f"{GOOD}=",
        f"{GOOD}==",
        f"{head}=.{body}.{signature}",
        f"{GOOD}.",
        f".{GOOD}",
        f"{GOOD}.{signature}",
    )
    yield from (
        f"{head}.{body}",
        head,
        f"{head}..{signature}",
        f"{head}.{body}.{signature}\n",
        f"{head}\n.{body}.{signature}",
    )
    yield from (
        f"{head}.{body}.{signature}%3D",
        GOOD.replace(".", "%2E"),
        GOOD + "\u200b",
        GOOD.replace("e", "\uff45", 1),
    )
    yield json.dumps({"protected": head, "payload": body, "signature": signature})


def documents() -> Iterator[str]:
    good = json.dumps(claims())
    head = json.dumps({"alg": "RS256", "kid": KID}).encode()
    for payload in (
        good.encode("utf-16"),
        good.encode("utf-16-le"),
        good.encode("utf-32"),
        b"\xef\xbb\xbf" + good.encode(),
        good[:-1].encode() + b',"sub":"victim"}',
        b'{"sub":"victim",' + good[1:].encode(),
        good[:-1].encode() + b',"x":{"a":1,"a":2}}',
        good[:-1].encode() + b',"s\\u0075b":"victim"}',
        good[:-1].encode() + b',"x":[{"a":[{"b":1,"b":1}]}]}',
        good[:-1].encode() + b",}",
        good[:-1].encode() + b',"x":1/**/}',
        good[:-1].encode() + b",'x':1}",
        good[:-1].encode() + b',"x":01}',
        good[:-1].encode() + b',"x":"a\tb"}',
        good[:-1].encode() + b',"x":' + b"9" * 5000 + b"}",
        b"\x0b" + good.encode(),
        good.encode() + b"\x00",
        good[:-1].encode() + b',"x":NaN}',
        good[:-1].encode() + b',"x":Infinity}',
        good[:-1].encode() + b',"x":"\\ud800"}',
        good[:-1].encode() + b',"x":"\xff"}',
        good[:-1].encode(),
        good.encode() + b"{}",
        b"[" + good.encode() + b"]",
        b"",
        b"null",
        b'"x"',
        good[:-1].encode() + b',"x":' + b"[" * 3000 + b"]" * 3000 + b"}",
        good[:-1].encode() + b',"x":"' + b"a" * 10_240 + b'"}',
    ):
        yield sign(head, payload)
    yield sign(b'{"alg":"RS256","alg":"none","kid":"key-1="}', good.encode())
    yield sign(b'{"alg":"none","alg":"RS256","kid":"key-1="}', good.encode())


def signed_block(block: bytes) -> str:
    """The good token with what its key makes of `block`."""
    numbers = private_key().private_numbers()
    forged = pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n)
    return _with_signature(forged)


def right_block() -> bytes:
    """RFC 8017 section 9.2, for the good token."""
    info = DIGEST_INFO + sha256(_MESSAGE).digest()
    return b"\0\1" + b"\xff" * (KEY_BYTES - 3 - len(info)) + b"\0" + info


def paddings() -> Iterator[str]:
    """Signatures made with the right key over blocks that RFC 8017 section 9.2 does not allow."""
    yield from map(signed_block, _wrong_blocks())
    modulus = private_key().public_key().public_numbers().n
    good = int.from_bytes(base64.urlsafe_b64decode(GOOD.split(".")[2] + "=="), "big")
    # numbers that stand for the good one modulo n, and those that are their own powers
    for number in (good + modulus, modulus - good, modulus, modulus - 1, modulus + 1, 1):
        yield _with_signature(number)


def _with_signature(number: int) -> str:
    size = max(KEY_BYTES, (number.bit_length() + 7) // 8)
    return f"{_MESSAGE.decode()}.{b64(number.to_bytes(size, 'big'))}"


def _wrong_blocks() -> Iterator[bytes]:
    digest = sha256(_MESSAGE).digest()
    good = DIGEST_INFO + digest
    fill = KEY_BYTES - 3 - len(good)
    whole = right_block()
    yield b"\0\0" + whole[2:]
    yield b"\0\2" + whole[2:]
    yield whole[:2] + b"\0" * fill + whole[2 + fill :]
    yield whole[:2] + b"\xfe" + whole[3:]
    yield whole[: 2 + fill] + b"\xff" + whole[3 + fill :]
    # Bleichenbacher's forgery of 2006: what a low exponent can fill in must not be skipped
    yield whole[:2] + b"\xff" * 8 + b"\0" + good + bytes(fill - 8)
    yield whole[:2] + b"\xff" * 8 + b"\0" + good + b"\xff" * (fill - 8)
    yield whole[:2] + b"\0" + good + bytes(fill)
    for info in (
        bytes.fromhex("302f300b0609608648016503040201") + b"\4\x20" + digest,  # no NULL
        bytes.fromhex("3032300e06096086480165030402010501000420") + digest,  # a NULL of one byte
        bytes.fromhex("308131300d060960864801650304020105000420") + digest,  # BER: a longer length
        bytes.fromhex("3032300d06096086480165030402010500048120") + digest,
        bytes.fromhex("3080300d060960864801650304020105000420") + digest + b"\0\0",
        bytes.fromhex("3033300d060960864801650304020105000420") + digest + b"\5\0",  # something after it
        bytes.fromhex("3031300d060960864801650304020205000420") + digest,  # SHA-384's name
        bytes.fromhex("302d300906052b0e03021a05000420") + digest,  # SHA-1's name
        bytes.fromhex("3030300d06096086480165030402010500041f") + digest[1:],
        DIGEST_INFO + digest[::-1],
        DIGEST_INFO + sha256(digest).digest(),
        DIGEST_INFO + sha256(_MESSAGE + b".").digest(),
        b"\4\x20" + digest,
        digest,
    ):
        yield b"\0\1" + b"\xff" * (KEY_BYTES - 3 - len(info)) + b"\0" + info
