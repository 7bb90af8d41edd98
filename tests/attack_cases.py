"""Attacks on the authorizer by class, each a request that must be refused; run as a program for the table.

`python -m tests.attack_cases` prints the table of docs/explanation/attack-cases.md, which a test compares.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from functions.authorizer.events import read_event
from sessionwarden.authorization.authorizer import Authorizer
from sessionwarden.authorization.decision import Decision
from sessionwarden.errors import DamagedItemError, StoreError
from sessionwarden.model.deny import DenyEntry
from sessionwarden.routes.match import NO_ROUTES, Routes, load_routes
from sessionwarden.routes.policy import RoutePolicy, dump_policy
from sessionwarden.tokens.cognito import CognitoVerifier, Pool
from sessionwarden.tokens.verified import VerifiedTokens
from tests.authorizer_events import appsync_event, http_event, rest_event, token_event
from tests.tokens_factory import (
    CLIENT,
    ISSUER,
    KID,
    NOW,
    POOL,
    b64,
    claims,
    jwks,
    private_key,
    sign,
    token,
)

SESSION = "0a0a0a0a-1111-4222-8333-444444444444"
FAR = NOW + 86_400
GOOD = token()
ADMIN = RoutePolicy(any_groups=(frozenset({"admin"}),))
GUARDED = load_routes(
    {
        "format": 1,
        "default": dump_policy(RoutePolicy()),
        "routes": {"ANY /admin": dump_policy(ADMIN)},
        "fields": {},
    }
)


class Attack(NamedTuple):
    """One request. `before`: a request that came earlier, to fill the cache; `now`: when this one comes."""

    event: object
    entries: tuple[DenyEntry, ...] | Exception = ()
    routes: Routes = NO_ROUTES
    before: object = None
    now: int = NOW


class Denylist:
    """One answer, or one failure, for everybody."""

    def __init__(self, known: tuple[DenyEntry, ...] | Exception) -> None:
        self._known = known

    def entries(self, principal: str) -> tuple[DenyEntry, ...]:
        if isinstance(self._known, Exception):
            raise self._known
        return self._known


def decide(attack: Attack) -> Decision:
    """What the authorizer makes of it."""

    clock = [NOW]
    service = Authorizer(
        verifier=CognitoVerifier(
            [Pool(POOL, frozenset({CLIENT}))],
            fetch=lambda url: jwks(),
            clock=lambda: clock[0],
            cache=VerifiedTokens(),
        ),
        denylist=Denylist(attack.entries),
        clock=lambda: float(clock[0]),
        report=lambda error: None,
        routes=attack.routes,
    )
    if attack.before is not None:
        door = read_event(attack.before)
        assert service.decide(door.authorization, door.request).allowed
    clock[0] = attack.now
    door = read_event(attack.event)
    if door.answer == "unknown":
        return Decision(403, "unsupported_event")
    return service.decide(door.authorization, door.request)


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
ARN = "arn:aws:execute-api:r:1:a/prod/GET/"
EVENTS: tuple[object, ...] = (
    None,
    [],
    "x",
    5,
    {},
    {"type": "REQUEST"},
    http_event(GOOD, version="3.0"),
    rest_event(GOOD, type="OTHER"),
    rest_event(GOOD, methodArn=None),
    rest_event(GOOD, methodArn="a" * 3000),
    *(rest_event(GOOD, methodArn=f"{ARN}{path}") for path in ("*", "a?", "${x}")),
    token_event(GOOD, methodArn="arn:aws:execute-api:r:1:a/*/GET/x"),
)


def attacks() -> Iterator[tuple[str, list[Attack]]]:
    """Every class of attack with its cases."""
    yield "the algorithm is chosen by the token", [Attack(http_event(text)) for text in _algorithms()]
    yield (
        "the header brings its own key or its own rules",
        [
            Attack(http_event(token(header={"alg": "RS256", "kid": KID, name: value})))
            for name, value in HEADERS
        ],
    )
    yield "the signature is another's, or none", [Attack(http_event(text)) for text in _signatures()]
    yield (
        "one token is written in two ways",
        [Attack(http_event(text), before=http_event(GOOD)) for text in _encodings()],
    )
    yield "what is signed is not one clear JSON object", [Attack(http_event(text)) for text in _documents()]
    yield (
        "a claim has another type or shape",
        [
            Attack(http_event(token(claims(**{name: value}))))
            for name in ("exp", "iat", "auth_time", "sub", "client_id", "username", "origin_jti", "jti")
            for value in WRONG_VALUES
        ],
    )
    yield (
        "the token is not valid now",
        [
            Attack(http_event(token(claims(**changes))))
            for changes in (
                {"exp": NOW},
                {"exp": NOW - 1},
                {"exp": 1},
                {"exp": FAR},
                {"iat": NOW + 61, "exp": NOW + 120},
                {"nbf": NOW + 61},
                {"auth_time": NOW + 61},
                {"auth_time": NOW - 500},
                {"exp": NOW - 600},
            )
        ],
    )
    yield (
        "the token is for somebody else",
        [
            Attack(http_event(token(claims(**changes))))
            for changes in (
                {"token_use": "id"},
                {"token_use": "refresh"},
                {"token_use": ["access"]},
                {"client_id": "other"},
                {"client_id": CLIENT.upper()},
                {"aud": CLIENT, "client_id": ...},
                {"iss": ISSUER + "/"},
                {"iss": ISSUER.replace("https", "http")},
                {"iss": ISSUER.replace("eu-west-1", "eu-west-2")},
                {"iss": ISSUER + "x"},
                {"iss": "https://evil.example"},
                {"iss": [ISSUER]},
                {"username": ...},
            )
        ],
    )
    yield (
        "the request brings no token, or several",
        [
            Attack(http_event(headers={"authorization": value}))
            for value in (
                "",
                " ",
                "Basic YTpi",
                f"Bearer {GOOD},Bearer {GOOD}",
                f"Bearer {GOOD} x",
                f"Bearer\t{GOOD}",
            )
        ]
        + [
            Attack(http_event(headers={})),
            Attack(http_event(headers={"Authorization": GOOD, "authorization": GOOD})),
            Attack(rest_event(multiValueHeaders={"Authorization": [GOOD, GOOD]})),
            Attack(rest_event(multiValueHeaders={"Authorization": [GOOD, None]})),
            Attack(token_event(authorizationToken=None)),
            Attack(appsync_event("")),
        ],
    )
    yield "the event is not one of ours, or names more than one method", [Attack(event) for event in EVENTS]
    yield (
        "the token was revoked",
        [
            Attack(http_event(GOOD), entries=entries, before=None)
            for entries in (
                (DenyEntry("d", FAR, deny_until=NOW),),
                (DenyEntry("d", FAR, deny_until=FAR),),
                (DenyEntry("d", FAR, not_before=NOW - 600),),
                (DenyEntry("d", FAR, not_before=NOW - 600, lifted_at=NOW),),
                (DenyEntry("d", FAR, session=SESSION),),
                (DenyEntry("a", FAR, deny_until=FAR, lifted_at=NOW), DenyEntry("d", FAR, session=SESSION)),
                (DenyEntry("a", NOW, deny_until=FAR), DenyEntry("d", FAR, deny_until=FAR)),
            )
        ],
    )
    yield (
        "a token that was verified before is used too long",
        [
            Attack(http_event(GOOD), before=http_event(GOOD), now=NOW + 3000),
            Attack(http_event(GOOD), before=http_event(GOOD), now=FAR),
        ],
    )
    yield (
        "the denylist cannot be read",
        [
            Attack(http_event(GOOD), entries=error)
            for error in (
                StoreError("x"),
                DamagedItemError("x"),
                RuntimeError("x"),
                RecursionError(),
                MemoryError(),
            )
        ],
    )
    yield (
        "a path is spelt so that its route is missed",
        [
            Attack(event, routes=GUARDED)
            for path in (
                "/admin",
                "/admin/",
                "//admin",
                "/ADMIN",
                "/%61dmin",
                "/admin%2f",
                "/x/../admin",
                "/./admin",
                "/admin;x=1",
                "/prod/admin",
                "/v1/admin",
                "/x\\..\\admin",
                "/%2e/admin",
            )
            for event in (
                http_event(GOOD, routeKey="$default", rawPath=path),
                http_event(GOOD, routeKey="ANY /{proxy+}", rawPath=path),
                token_event(GOOD, methodArn=f"arn:aws:execute-api:r:1:a/prod/GET{path}"),
            )
        ],
    )


def _algorithms() -> Iterator[str]:
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


def _signatures() -> Iterator[str]:
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


def _encodings() -> Iterator[str]:
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


def _documents() -> Iterator[str]:
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


def rows() -> list[tuple[str, int, int, int, int]]:
    """Class, cases, refused with 401, refused with 403, allowed."""
    found = []
    for name, cases in attacks():
        statuses = [decide(case).status for case in cases]
        counts = (statuses.count(401), statuses.count(403), statuses.count(200))
        found.append((name, len(cases), *counts))
    return found


def table() -> str:
    """The table of the docs."""
    lines = ["| attack | cases | 401 | 403 | allowed |", "| --- | ---: | ---: | ---: | ---: |"]
    total = [0, 0, 0, 0]
    for name, *counts in rows():
        lines.append(f"| {name} | {' | '.join(map(str, counts))} |")
        total = [one + other for one, other in zip(total, counts, strict=True)]
    lines.append(f"| **all** | {' | '.join(f'**{count}**' for count in total)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())  # noqa: T201 - run as a program
