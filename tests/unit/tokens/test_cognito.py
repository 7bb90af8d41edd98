from __future__ import annotations

import json
from typing import Any

import pytest

from sessionwarden.errors import TokenError
from sessionwarden.model.deny import Claims
from sessionwarden.tokens.cognito import CognitoVerifier, Pool
from tests.support.tokens import CLIENT, ISSUER, KID, NOW, POOL, SUB, claims, jwk, jwks, token, token_refusal

OTHER_POOL = "us-east-1_Zz99Zz99"
OTHER_ISSUER = f"https://cognito-idp.us-east-1.amazonaws.com/{OTHER_POOL}"


def verifier(clients: frozenset[str] | None = frozenset({CLIENT}), *, now: float = NOW) -> CognitoVerifier:
    documents = {
        f"{ISSUER}/.well-known/jwks.json": jwks(),
        f"{OTHER_ISSUER}/.well-known/jwks.json": jwks(jwk("other-pool-key")),
    }
    pools = (Pool(POOL, clients), Pool(OTHER_POOL, None))
    return CognitoVerifier(pools, fetch=documents.__getitem__, clock=lambda: now)


def reason_of(payload: dict[str, Any], *, now: float = NOW) -> str:
    return token_refusal(verifier(now=now).verify, token(payload))


def test_an_access_token_of_an_allowed_client_gives_its_claims() -> None:
    assert verifier().verify(token()) == Claims(
        pool=POOL,
        token_use="access",
        sub=SUB,
        client=CLIENT,
        user=SUB,
        username="alice",
        session="0a0a0a0a-1111-4222-8333-444444444444",
        token="1c1c1c1c-1111-4222-8333-444444444444",
        auth_time=NOW - 600,
        issued_at=NOW - 600,
        expires_at=NOW + 3000,
        scope=("aws.cognito.signin.user.admin", "openid"),
        groups=("staff",),
    )


def test_a_machine_token_has_a_client_and_no_user() -> None:
    found = verifier().verify(token(claims(sub=CLIENT, username=..., origin_jti=...)))
    assert (found.user, found.username, found.session, found.sub, found.client) == (
        None,
        None,
        None,
        CLIENT,
        CLIENT,
    )


def test_a_token_without_a_username_that_is_not_its_clients_own_is_refused() -> None:
    assert reason_of(claims(username=...)) == "malformed_claims"


def test_null_allows_every_client_of_the_pool() -> None:
    assert verifier(None).verify(token(claims(client_id="anotherclient"))).client == "anotherclient"


def test_another_client_is_refused() -> None:
    assert reason_of(claims(client_id="anotherclient")) == "wrong_client"


@pytest.mark.parametrize("use", ["id", "refresh", "Access", "", None, ..., ["access"], True])
def test_only_access_tokens_pass(use: object) -> None:
    assert reason_of(claims(token_use=use)) == "wrong_token_use"


@pytest.mark.parametrize(
    "issuer",
    [
        "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Other",
        ISSUER + "/",
        ISSUER.upper(),
        ISSUER.replace("https", "http"),
        f"https://cognito-idp.eu-west-1.amazonaws.com.evil.example/{POOL}",
        "",
        None,
        ...,
        [ISSUER],
        {"a": 1},
    ],
)
def test_only_the_configured_issuers_are_known(issuer: object) -> None:
    assert reason_of(claims(iss=issuer)) == "unknown_issuer"


def test_a_key_of_one_pool_does_not_sign_for_another() -> None:
    with pytest.raises(TokenError) as caught:
        verifier().verify(token(claims(iss=OTHER_ISSUER)))
    assert caught.value.reason == "unknown_key"
    assert verifier().verify(token(claims(iss=OTHER_ISSUER), key="other-pool-key")).pool == OTHER_POOL


def test_a_token_expires_at_the_second_it_names() -> None:
    assert verifier(now=NOW + 2999).verify(token()).sub == SUB
    assert reason_of(claims(), now=NOW + 3000) == "expired"


def test_a_token_from_the_future_is_refused_beyond_the_skew_of_clocks() -> None:
    ahead = {"iat": NOW + 10, "auth_time": NOW + 10, "nbf": NOW + 10}
    assert verifier().verify(token(claims(**ahead))).issued_at == NOW + 10
    for name in ahead:
        assert reason_of(claims(**(ahead | {name: NOW + 11}))) == "not_yet_valid"


def test_a_sign_in_after_the_token_was_issued_is_refused() -> None:
    assert reason_of(claims(iat=NOW - 600, auth_time=NOW - 500)) == "malformed_claims"


def test_a_life_longer_than_cognito_gives_is_refused() -> None:
    assert verifier().verify(token(claims(exp=NOW - 600 + 86_400))).sub == SUB
    assert verifier().verify(token(claims(iat=NOW, exp=NOW + 1))).sub == SUB
    assert reason_of(claims(exp=NOW - 600 + 86_401)) == "lifetime"
    assert reason_of(claims(iat=NOW + 5, auth_time=NOW, exp=NOW + 5)) == "lifetime"


@pytest.mark.parametrize("name", ["exp", "iat", "auth_time", "nbf"])
@pytest.mark.parametrize(
    "value", [True, False, None, 0, -1, 1.5, float(NOW), "1790000000", [], 1 << 40, 10**30]
)
def test_times_are_whole_positive_seconds_and_no_booleans(name: str, value: object) -> None:
    assert reason_of(claims(**{name: value})) == "malformed_claims"


@pytest.mark.parametrize("name", ["exp", "iat", "auth_time", "sub", "client_id"])
def test_a_token_without_a_required_claim_is_refused(name: str) -> None:
    assert reason_of(claims(**{name: ...})) == "malformed_claims"


@pytest.mark.parametrize("name", ["sub", "client_id", "origin_jti", "jti"])
@pytest.mark.parametrize("value", [None, 1, "", "x" * 129, 'a"b', "a b", "a\n", "a#b", "é", ["a"], {"a": 1}])
def test_identifiers_are_short_plain_text(name: str, value: object) -> None:
    assert reason_of(claims(**{name: value})) == "malformed_claims"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("username", None),
        ("username", ""),
        ("username", 5),
        ("username", "x" * 2049),
        ("scope", ["a"]),
        ("scope", None),
        ("scope", "read\tadmin"),
        ("scope", "read\u00a0admin"),
        ("scope", "read\u2028admin"),
        ("cognito:groups", "staff"),
        ("cognito:groups", [1]),
        ("cognito:groups", [""]),
        ("cognito:groups", None),
    ],
)
def test_names_scopes_and_groups_have_their_types(name: str, value: object) -> None:
    assert reason_of(claims(**{name: value})) == "malformed_claims"


def test_a_username_may_hold_any_text() -> None:
    assert verifier().verify(token(claims(username='"o\'brien" 😀,=#'))).username == '"o\'brien" 😀,=#'


def test_an_unverified_token_is_not_told_apart_by_its_claims() -> None:
    forged = token(claims(exp=1), key="other", header={"kid": KID, "alg": "RS256"})
    with pytest.raises(TokenError) as caught:
        verifier().verify(forged)
    assert caught.value.reason == "bad_signature"


def test_the_keys_url_can_be_overridden_and_the_issuer_cannot() -> None:
    seen: list[str] = []

    def fetch(url: str) -> bytes:
        seen.append(url)
        return jwks()

    pool = Pool(POOL, None, "http://127.0.0.1:4566/x/.well-known/jwks.json")
    found = CognitoVerifier([pool], fetch=fetch, clock=lambda: NOW).verify(token())
    assert found.pool == POOL
    assert seen == ["http://127.0.0.1:4566/x/.well-known/jwks.json"]
    with pytest.raises(TokenError):
        CognitoVerifier([pool], fetch=fetch, clock=lambda: NOW).verify(
            token(claims(iss="http://127.0.0.1:4566/x"))
        )


def test_claims_that_are_not_used_may_be_anything() -> None:
    payload = json.dumps(claims(version=2, device_key={"a": [None]})).encode()
    assert verifier().verify(token(payload)).sub == SUB


ID_USES = frozenset({"id"})
ID_CLAIMS = {
    "token_use": "id",
    "client_id": ...,
    "aud": CLIENT,
    "username": ...,
    "cognito:username": "alice",
    "scope": ...,
    "email": "alice@example.com",
}


def test_an_id_token_passes_only_where_that_use_is_named() -> None:
    id_token = token(claims(**ID_CLAIMS))
    found = verifier().verify(id_token, uses=ID_USES)
    assert (found.token_use, found.client, found.user, found.username, found.scope) == (
        "id",
        CLIENT,
        SUB,
        "alice",
        (),
    )
    for text, uses in ((id_token, frozenset({"access"})), (token(), ID_USES)):
        with pytest.raises(TokenError) as caught:
            verifier().verify(text, uses=uses)
        assert caught.value.reason == "wrong_token_use"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": "anotherclient"}, "wrong_client"),
        ({"aud": [CLIENT]}, "malformed_claims"),
        ({"aud": ..., "client_id": CLIENT}, "malformed_claims"),
        ({"cognito:username": ..., "username": "alice"}, "malformed_claims"),
        ({"cognito:username": ..., "sub": CLIENT}, "malformed_claims"),
        ({"token_use": "refresh"}, "wrong_token_use"),
    ],
)
def test_an_id_token_is_for_one_client_and_one_user(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(TokenError) as caught:
        verifier().verify(token(claims(**(ID_CLAIMS | changes))), uses=ID_USES)
    assert caught.value.reason == reason


def test_shipped_keys_verify_the_first_token_without_a_fetch() -> None:
    def fetch(url: str) -> bytes:
        raise AssertionError(f"{url} was fetched")

    found = CognitoVerifier([Pool(POOL, None)], fetch=fetch, clock=lambda: NOW, shipped={POOL: jwks()})
    assert found.verify(token()).sub == SUB
