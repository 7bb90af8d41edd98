"""Attacks on the authorizer by class, each a request that must be refused; run as a program for the table.

`python -m tests.support.attacks.cases` prints the table of docs/explanation/attack-cases.md, which a test
compares.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from functions.authorizer.events import EventOptions, read_event
from sessionwarden.authorizer.authorizer import Authorizer
from sessionwarden.authorizer.decision import Decision
from sessionwarden.errors import DamagedItemError, StoreError
from sessionwarden.model.deny import CLOCK_SKEW_SECONDS, DenyEntry
from sessionwarden.routes.match import NO_ROUTES, Routes, load_routes
from sessionwarden.routes.policy import RoutePolicy, dump_policy
from sessionwarden.tokens.cognito import CognitoVerifier, Pool
from sessionwarden.tokens.verified import VerifiedTokens
from tests.support.attacks.events import ARN, CARRIERS, EVENTS, NO_PREFLIGHTS, PREFLIGHT, options_event
from tests.support.attacks.tokens import (
    GOOD,
    GROUPS,
    HEADERS,
    MISSHAPEN,
    SCOPES,
    SESSION,
    WRONG_VALUES,
    algorithms,
    documents,
    encodings,
    paddings,
    signatures,
)
from tests.support.authorizer_events import (
    appsync_event,
    http_event,
    rest_event,
    token_event,
    websocket_event,
)
from tests.support.fixed_denylist import FixedDenylist
from tests.support.tokens import (
    CLIENT,
    ISSUER,
    KID,
    NOW,
    POOL,
    claims,
    jwk,
    jwks,
    token,
)

FAR = NOW + 86_400
ADMIN = RoutePolicy(any_groups=(frozenset({"admin"}),))
GUARDED = load_routes(
    {
        "format": 1,
        "default": dump_policy(RoutePolicy()),
        "routes": {"ANY /admin": dump_policy(ADMIN)},
        "fields": {},
    }
)
LAX = load_routes(
    {
        "format": 1,
        "default": dump_policy(ADMIN),
        "routes": {"GET /open": dump_policy(RoutePolicy(preflight_open=True))},
        "fields": {},
    }
)
PREFLIGHTS = Routes(default=RoutePolicy(preflight_open=True))
ASKING = Routes(default=RoutePolicy(all_scopes=frozenset({"orders"}), any_groups=(frozenset({"admin"}),)))

# the other pool's key has the name that ours has
OTHER_POOL = "eu-west-1_Zz99Yy88"
OTHER_CLIENT = "9zz9other0000000000000000"
OTHER_KEY = "the other pool's"
OTHER_ISSUER = ISSUER.replace(POOL, OTHER_POOL)
FETCHED = {
    Pool(POOL, None).keys_url: jwks(),
    Pool(OTHER_POOL, None).keys_url: jwks(jwk(OTHER_KEY, kid=KID)),
}


class Attack(NamedTuple):
    """One request. `before`: an earlier request, which fills the cache; `now`: the time of this one."""

    event: object
    entries: tuple[DenyEntry, ...] | Exception = ()
    routes: Routes = NO_ROUTES
    before: object = None
    now: int = NOW
    options: EventOptions = EventOptions()


def decide(attack: Attack) -> Decision:
    """The authorizer's decision on it."""
    clock = [NOW]
    known = attack.entries
    denylist = FixedDenylist(error=known) if isinstance(known, Exception) else FixedDenylist(*known)
    service = Authorizer(
        verifier=CognitoVerifier(
            [Pool(POOL, frozenset({CLIENT})), Pool(OTHER_POOL, frozenset({OTHER_CLIENT}))],
            fetch=FETCHED.__getitem__,
            clock=lambda: clock[0],
            cache=VerifiedTokens(),
        ),
        denylist=denylist,
        clock=lambda: float(clock[0]),
        report=lambda error: None,
        routes=attack.routes,
    )
    if attack.before is not None:
        parsed = read_event(attack.before)
        assert service.decide(parsed.authorization, parsed.request).allowed
    clock[0] = attack.now
    parsed = read_event(attack.event, attack.options)
    if parsed.answer == "unknown":
        return Decision(403, "unsupported_event")
    return service.decide(parsed.authorization, parsed.request)


def attacks() -> Iterator[tuple[str, list[Attack]]]:
    """Every class of attack with its cases."""
    yield "the algorithm is chosen by the token", [Attack(http_event(text)) for text in algorithms()]
    yield (
        "the header brings its own key or its own rules",
        [
            Attack(http_event(token(header={"alg": "RS256", "kid": KID, name: value})))
            for name, value in HEADERS
        ],
    )
    yield "the signature is another's, or none", [Attack(http_event(text)) for text in signatures()]
    yield (
        "the right key signed a block that is none of RS256's",
        [Attack(http_event(text)) for text in paddings()],
    )
    yield (
        "one token is written in two ways",
        [Attack(http_event(text), before=http_event(GOOD)) for text in encodings()],
    )
    yield "what is signed is not one clear JSON object", [Attack(http_event(text)) for text in documents()]
    yield (
        "a claim has another type or shape",
        [
            Attack(http_event(token(claims(**{name: value}))))
            for name in ("exp", "iat", "auth_time", "sub", "client_id", "username", "origin_jti", "jti")
            for value in WRONG_VALUES
        ]
        + [Attack(http_event(token(claims(**changes)))) for changes in MISSHAPEN],
    )
    yield (
        "a number is not the whole number that it looks like",
        [
            Attack(http_event(token(json.dumps(claims(**{name: "N"})).replace('"N"', number).encode())))
            for name in ("exp", "iat", "auth_time", "nbf")
            for number in (f"{NOW}.0", f"{NOW}e0", "1.79e9", "1e999", "-0", f"-{NOW}", "9" * 40, f'"{NOW}"')
        ],
    )
    yield (
        "a scope or group only looks like the one asked for",
        [
            Attack(http_event(token(claims(**{"scope": scope, "cognito:groups": groups}))), routes=ASKING)
            for scope, groups in (
                *((scope, ["admin"]) for scope in SCOPES),
                *(("orders", groups) for groups in GROUPS),
            )
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
        "the token is for another use, client or pool",
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
                {"client_id": OTHER_CLIENT},
                {"iss": ISSUER.replace(POOL, POOL.lower())},
                {"iss": ISSUER.upper()},
                {"iss": ISSUER.replace(POOL, f"{POOL}/../{OTHER_POOL}")},
                {"iss": ISSUER + "?"},
                {"iss": " " + ISSUER},
            )
        ]
        + [
            Attack(http_event(text))
            for text in (
                # two pools whose keys have one name: each signs for itself only
                token(key=OTHER_KEY, header={"alg": "RS256", "kid": KID}),
                token(claims(iss=OTHER_ISSUER, client_id=OTHER_CLIENT)),
                token(claims(iss=OTHER_ISSUER), key=OTHER_KEY, header={"alg": "RS256", "kid": KID}),
                token(claims(token_use="id", aud=[CLIENT])),
                token(claims(token_use="id", aud=CLIENT, **{"cognito:username": "alice"})),
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
        ]
        + [Attack(event, options=EventOptions(token_parameter="t")) for event in CARRIERS],
    )
    yield (
        "a request claims to be a preflight",
        [
            Attack(event, routes=routes)
            for routes in (PREFLIGHTS, LAX)
            for event in (
                *(options_event(headers, method=method) for headers, method in NO_PREFLIGHTS),
                token_event("", methodArn=f"{ARN.replace('GET', 'OPTIONS')}x"),
                websocket_event("", headers=PREFLIGHT, multiValueHeaders={}),
                appsync_event("", requestHeaders=PREFLIGHT),
                rest_event("", httpMethod="OPTIONS", headers={}, multiValueHeaders={}, methodArn=f"{ARN}*"),
            )
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
                (DenyEntry("d", FAR, not_before=NOW - 600 + CLOCK_SKEW_SECONDS, lifted_at=NOW),),
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
                "/admin/.",
                "/admin.json",
                "/admin.",
                "/admin ",
                "/admin\t",
                "/admin\n/x",
                "/admin#/x",
                "/admin%3fx/y",
                "/admin%23/x",
                "/admin%00/x",
                "/x%252fadmin",
                "/x/y%c0%afadmin",
                "/adm\u0131n",
                "/\uff41dmin",
            )
            for event in (
                http_event(GOOD, routeKey="$default", rawPath=path),
                http_event(GOOD, routeKey="ANY /{proxy+}", rawPath=path),
                token_event(GOOD, methodArn=f"arn:aws:execute-api:r:1:a/prod/GET{path}"),
            )
        ]
        + [
            Attack(token_event(GOOD, methodArn=f"arn:aws:execute-api:r:1:a/prod/GET{path}"), routes=GUARDED)
            for path in ("/v/admin:x/y/POST/z/../admin", "/:/admin", "/a:b/c/GET/admin")
        ],
    )
    yield (
        "a path is spelt so that a laxer route is taken for its own",
        [
            Attack(token_event(GOOD, methodArn=f"arn:aws:execute-api:r:1:a/prod/{asked}"), routes=LAX)
            for asked in (
                "GET/x/open",
                "GET/open.json",
                "GET//open",
                "GET/Open",
                "GET/%6fpen",
                "GET/open;x",
                "GET/open/.",
                "GET/x/../open",
                "GET/x:y/z/GET/open",
                "POST/x:y/z/GET/open",
                "HEAD/open",
                "get/open",
                "GET/op\u0435n",
            )
        ],
    )


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
