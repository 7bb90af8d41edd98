from __future__ import annotations

import pytest

from sessionwarden.errors import StoreError, TokenError
from sessionwarden.model.deny import CLOCK_SKEW_SECONDS, Claims
from sessionwarden.tokens import cognito, jws
from sessionwarden.tokens.cognito import CognitoVerifier, Pool
from sessionwarden.tokens.verified import VerifiedTokens
from tests.support.tokens import CLIENT, NOW, POOL, SUB, claims, jwk, jwks, token, token_refusal


class World:
    """A verifier with a cache, a clock and a JWKS document that tests set; counts signature checks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capacity: int = 10) -> None:
        self.now = NOW
        self.document: bytes | None = jwks()
        self.checked = 0
        self.verifier = CognitoVerifier(
            [Pool(POOL, frozenset({CLIENT}))],
            fetch=self.fetch,
            clock=lambda: self.now,
            dead_after_seconds=2000,
            cache=VerifiedTokens(capacity),
        )
        real = jws.verify_signature

        def count(*args: object) -> None:
            self.checked += 1
            real(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(cognito, "verify_signature", count)

    def fetch(self, url: str) -> bytes:
        if self.document is None:
            raise StoreError("down")
        return self.document

    def verify(self, text: str) -> Claims:
        return self.verifier.verify(text)

    def reason_of(self, text: str) -> str:
        return token_refusal(self.verify, text)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_a_token_seen_before_is_not_checked_again(world: World) -> None:
    text = token()
    assert len({world.verify(text) for _ in range(5)}) == 1
    assert world.checked == 1


def test_a_cached_token_expires_at_the_second_it_names(world: World) -> None:
    text = token()
    world.verify(text)
    world.now = NOW + 3000
    assert world.reason_of(text) == "expired"


@pytest.mark.parametrize(
    ("now", "found"),
    [
        (NOW - 61, False),
        (NOW - 1, False),
        (NOW, True),
        (NOW + 59, True),
        (NOW + 60, False),
        (NOW + 61, False),
    ],
)
def test_a_hit_is_used_from_the_second_of_issue_to_the_one_before_expiry(now: int, found: bool) -> None:
    # outside of that, the whole verification decides: it knows what tolerance there is, and for what
    known = Claims(POOL, "access", SUB, CLIENT, SUB, "alice", None, None, NOW - 600, NOW, NOW + 60)
    tokens = VerifiedTokens()
    tokens.put("a.b.c", known, still_signed=lambda: True)
    assert tokens.get("a.b.c", now=now) == (known if found else None)


def test_a_cached_token_is_refused_by_a_clock_from_before_it_was_issued(world: World) -> None:
    text = token(claims(iat=NOW, auth_time=NOW))
    world.verify(text)
    world.now = NOW - CLOCK_SKEW_SECONDS
    world.verify(text)
    world.now = NOW - CLOCK_SKEW_SECONDS - 1
    assert world.reason_of(text) == "not_yet_valid"


def test_a_cached_token_dies_with_its_key(world: World) -> None:
    text = token()
    world.verify(text)
    world.document = jwks(jwk("key-2"))
    world.now += 600
    assert world.reason_of(text) == "unknown_key"


def test_a_key_that_comes_back_with_other_numbers_does_not_revive_a_cached_token(world: World) -> None:
    text = token()
    world.verify(text)
    world.document = jwks(jwk("another") | {"kid": "key-1="})
    world.now += 600
    assert world.reason_of(text) == "bad_signature"


def test_a_cached_token_is_refused_when_keys_are_too_old(world: World) -> None:
    text = token()
    world.verify(text)
    world.document = None
    world.now = NOW + 1999
    world.verify(text)
    world.now = NOW + 2000
    assert world.reason_of(text) == "keys_unavailable"


def test_another_encoding_of_a_cached_token_is_refused_as_ever(world: World) -> None:
    text = token()
    world.verify(text)
    head, body, signature = text.split(".")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # the low bits of the last character decode to nothing: the same bytes, another text
    twin = signature[:-1] + last[last.index(signature[-1]) ^ 1]
    for other in (
        f"{head}.{body}.{twin}",
        f"{text}=",
        f" {text}",
        f"{text}\n",
        f"{head}=.{body}.{signature}",
    ):
        assert world.reason_of(other) == "malformed_token"


def test_what_was_refused_is_never_kept(world: World) -> None:
    for text in ("x", token(key="other"), token(claims(exp=NOW)), "é", "x" * 20_000):
        assert world.reason_of(text) == world.reason_of(text)


def test_an_access_token_in_the_cache_is_no_id_token(world: World) -> None:
    text = token()
    world.verify(text)
    with pytest.raises(TokenError) as caught:
        world.verifier.verify(text, uses=frozenset({"id"}))
    assert caught.value.reason == "wrong_token_use"


def test_the_least_recently_used_token_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, capacity=2)
    first, second, third = (token(claims(jti=f"j{number}")) for number in range(3))
    for text in (first, second, first, third):
        world.verify(text)
    assert world.checked == 3
    world.verify(first)
    assert world.checked == 3
    world.verify(second)
    assert world.checked == 4
