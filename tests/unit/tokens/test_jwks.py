from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from sessionwarden.errors import StoreError, TokenError
from sessionwarden.tokens import jwks as jwks_module
from sessionwarden.tokens.jwks import KeyStore, parse_jwks
from tests.support.tokens import KID, b64, jwk, jwks, token_refusal


class Server:
    """A JWKS endpoint and a clock that tests set."""

    def __init__(self) -> None:
        self.document: bytes | None = jwks()
        self.now = 1_000_000.0
        self.fetches = 0

    def fetch(self) -> bytes:
        self.fetches += 1
        if self.document is None:
            raise StoreError("down")
        return self.document

    def store(self) -> KeyStore:
        return KeyStore(self.fetch, lambda: self.now)


def reason_of(store: KeyStore, kid: str = KID) -> str:
    return token_refusal(store.key, kid)


def test_keys_are_fetched_once_and_kept() -> None:
    server = Server()
    store = server.store()
    for _ in range(100):
        assert store.key(KID).key_size == 2048
        server.now += 5
    assert server.fetches == 1


def test_whatever_tokens_ask_for_one_fetch_in_ten_seconds_is_made() -> None:
    server = Server()
    store = server.store()
    for second in range(100):
        for number in range(20):
            assert reason_of(store, f"unknown-{second}-{number}") == "unknown_key"
        server.now += 1
    assert server.fetches == 10


def test_a_failing_endpoint_is_asked_once_in_ten_seconds_too() -> None:
    server = Server()
    server.document = None
    store = server.store()
    for _ in range(100):
        assert reason_of(store) == "keys_unavailable"
        server.now += 1
    assert server.fetches == 10


def test_a_new_key_is_found_when_a_token_names_it() -> None:
    server = Server()
    store = server.store()
    store.key(KID)
    server.document = jwks(jwk(), jwk("key-2"))
    server.now += 10
    assert store.key("key-2").key_size == 2048


def test_a_withdrawn_key_is_dead_within_fifteen_minutes() -> None:
    server = Server()
    store = server.store()
    store.key(KID)
    server.document = jwks(jwk("key-2"))
    server.now += 15 * 60
    assert reason_of(store) == "unknown_key"


def test_a_withdrawn_key_is_dead_at_once_when_another_token_caused_the_fetch() -> None:
    server = Server()
    store = server.store()
    store.key(KID)
    server.document = jwks(jwk("key-2"))
    server.now += 10
    store.key("key-2")
    assert reason_of(store) == "unknown_key"


UNUSABLE = (
    b'{"keys":[]}',
    jwks(jwk(use="enc")),
    jwks(jwk(kty="EC"), jwk("key-2", alg="ES256")),
    jwks(jwk(), jwk()),
    jwks(jwk(e="Aw")),
    b'{"keys":[1,null,{}]}',
)


@pytest.mark.parametrize("document", UNUSABLE)
def test_a_set_without_one_usable_key_is_a_failed_fetch_and_withdraws_nothing(document: bytes) -> None:
    server = Server()
    told: list[Exception] = []
    store = KeyStore(server.fetch, lambda: server.now, on_failure=told.append)
    store.key(KID)
    server.document = document
    server.now += 15 * 60
    assert store.key(KID).key_size == 2048
    # what cannot be known is no fault of the token
    assert reason_of(store, "new") == "keys_unavailable"
    assert len(told) == 1
    server.now += 86_400
    assert reason_of(store) == "keys_unavailable"


@pytest.mark.parametrize("document", UNUSABLE)
def test_a_set_without_one_usable_key_is_no_document_to_ship(document: bytes) -> None:
    with pytest.raises(ValueError, match="no usable key"):
        parse_jwks(document)


def test_known_keys_serve_a_day_while_fetching_fails_and_no_longer() -> None:
    server = Server()
    store = server.store()
    store.key(KID)
    server.document = None
    server.now += 86_399
    assert store.key(KID).key_size == 2048
    assert reason_of(store, "new") == "keys_unavailable"
    server.now += 1
    assert reason_of(store) == "keys_unavailable"
    server.document = jwks()
    server.now += 10
    assert store.key(KID).key_size == 2048


def test_a_damaged_document_is_a_failed_fetch() -> None:
    server = Server()
    store = server.store()
    store.key(KID)
    server.document = b'{"keys":{}}'
    server.now += 3600
    assert store.key(KID).key_size == 2048


def test_a_clock_set_back_does_not_keep_a_withdrawn_key() -> None:
    server = Server()
    store = server.store()
    store.key(KID)
    server.document = jwks(jwk("key-2"))
    server.now -= 5000
    assert reason_of(store) == "unknown_key"


class SlowServer(Server):
    """Answers a fetch when the test says so, once `hold` was called."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.release = threading.Event(), threading.Event()
        self.release.set()

    def hold(self) -> None:
        self.release.clear()

    def fetch(self) -> bytes:
        self.entered.set()
        assert self.release.wait(10)
        return super().fetch()


def ask(store: KeyStore, kid: str, found: list[str]) -> None:
    try:
        found.append(str(store.key(kid).key_size))
    except TokenError as error:
        found.append(error.reason)


def started(count: int, store: KeyStore, found: list[str], kid: str = KID) -> list[threading.Thread]:
    threads = [threading.Thread(target=ask, args=(store, kid.format(n), found)) for n in range(count)]
    for thread in threads:
        thread.start()
    return threads


def ended(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize(("document", "outcome"), [(jwks(), "2048"), (None, "keys_unavailable")])
def test_threads_that_have_no_keys_wait_for_one_fetch_and_share_its_outcome(
    document: bytes | None, outcome: str
) -> None:
    server = SlowServer()
    server.document = document
    server.hold()
    store = server.store()
    found: list[str] = []
    threads = started(8, store, found)
    assert server.entered.wait(10)
    assert found == []
    server.release.set()
    ended(threads)
    assert found == [outcome] * 8
    assert server.fetches == 1


def test_invented_key_ids_hold_up_one_thread_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    # longer than the test waits for a thread: one that waits for the fetch at all does not end
    monkeypatch.setattr(jwks_module, "WAIT_SECONDS", 60)
    server = SlowServer()
    store = server.store()
    store.key(KID)
    server.now += 10
    server.hold()
    server.entered.clear()
    first: list[str] = []
    fetching = started(1, store, first, "invented")
    assert server.entered.wait(10)
    others: list[str] = []
    ended(started(50, store, others, "invented-{}"))
    assert others == ["keys_unavailable"] * 50
    ended(started(50, store, others))
    assert others[50:] == ["2048"] * 50
    assert first == []
    server.release.set()
    ended(fetching)
    assert first == ["unknown_key"]
    assert server.fetches == 2


def test_known_keys_that_are_due_for_renewal_serve_other_threads_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jwks_module, "WAIT_SECONDS", 60)
    server = SlowServer()
    store = server.store()
    store.key(KID)
    server.now += 3600
    server.hold()
    server.entered.clear()
    first: list[str] = []
    fetching = started(1, store, first)
    assert server.entered.wait(10)
    others: list[str] = []
    ended(started(20, store, others))
    assert others == ["2048"] * 20
    server.release.set()
    ended(fetching)
    assert (first, server.fetches) == (["2048"], 2)


def test_shipped_keys_serve_every_thread_of_a_cold_start_without_a_fetch() -> None:
    server = Server()
    server.document = None
    found: list[str] = []
    ended(started(20, shipped(server), found))
    assert found == ["2048"] * 20
    assert server.fetches == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"kty": "EC"},
        {"kty": "oct"},
        {"kty": None},
        {"use": "enc"},
        {"use": None},
        {"alg": "RS512"},
        {"alg": "HS256"},
        {"alg": None},
        {"key_ops": ["sign"]},
        {"key_ops": ["verify", "sign"]},
        {"key_ops": ["sign", "verify"]},
        {"key_ops": ["verify", "encrypt"]},
        {"key_ops": ["verify", "verify"]},
        {"key_ops": []},
        {"key_ops": "verify"},
        {"key_ops": {"verify": True}},
        {"d": "AQAB"},
        {"n": None},
        {"n": 5},
        {"n": "AQAB"},
        {"n": "=="},
        {"e": "AA"},
        {"e": "Ag"},
        {"e": "AQ"},
        {"e": "Aw"},  # 3
        {"e": "EQ"},  # 17
        {"e": "__8"},  # 65535
        {"e": "AQAA"},  # 65536
        {"e": "AQAC"},  # 65538, even
        {"e": "AQAB="},
        {"e": b64(((1 << 256) + 1).to_bytes(33, "big"))},
        {"kid": None},
        {"kid": 7},
        {"kid": ""},
        {"bits": 1024},
    ],
)
def test_a_key_that_may_not_check_rs256_signatures_is_left_out(changes: dict[str, Any]) -> None:
    assert set(parse_jwks(jwks(jwk("good"), jwk("bad", **changes)))) == {"good"}


def test_a_modulus_just_under_the_least_size_is_left_out() -> None:
    small = (1 << 2047) - 1
    document = jwks(jwk("good"), jwk("bad", n=b64(small.to_bytes(256, "big"))))
    assert set(parse_jwks(document)) == {"good"}


@pytest.mark.parametrize(
    "changes",
    [{"key_ops": ["verify"]}, {"e": "AQAD"}, {"e": b64(((1 << 256) - 1).to_bytes(32, "big"))}],
)
def test_a_key_that_may_check_rs256_signatures_and_nothing_else_is_used(changes: dict[str, Any]) -> None:
    assert set(parse_jwks(jwks(jwk("good", **changes)))) == {"good"}


def test_two_keys_of_one_name_are_both_left_out() -> None:
    twin = jwk("other", kid="twin")
    assert set(parse_jwks(jwks(jwk("twin"), twin, jwk("third"), twin))) == {"third"}


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":null}',
        b'{"keys":[],"keys":[]}',
        b"\xff",
        json.dumps({"keys": ["x" * 70_000]}).encode(),
    ],
)
def test_a_document_that_is_no_key_set_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any of several parsers may say so
        parse_jwks(document)


def test_entries_that_are_no_objects_are_left_out() -> None:
    assert set(parse_jwks(b'{"keys":[1,null,"x",[],' + json.dumps(jwk()).encode() + b"]}")) == {KID}


def shipped(server: Server) -> KeyStore:
    return KeyStore(server.fetch, lambda: server.now, shipped=parse_jwks(jwks()))


def test_shipped_keys_serve_a_cold_start_without_a_fetch_and_are_renewed_within_a_minute() -> None:
    server = Server()
    store = shipped(server)
    server.now += 30 * 86_400  # a snapshot is restored weeks after it was made
    store.key(KID)
    server.now += 59
    store.key(KID)
    assert server.fetches == 0
    server.document = jwks(jwk("key-2"))
    server.now += 1
    assert reason_of(store) == "unknown_key"
    assert server.fetches == 1


def test_shipped_keys_are_no_reason_to_refuse_a_newer_key() -> None:
    server = Server()
    server.document = jwks(jwk(), jwk("key-2"))
    assert shipped(server).key("key-2").key_size == 2048


def test_shipped_keys_serve_a_day_at_most_while_fetching_fails() -> None:
    server = Server()
    server.document = None
    store = shipped(server)
    store.key(KID)
    server.now += 85_000
    store.key(KID)
    server.now += 1_400
    assert reason_of(store) == "keys_unavailable"


def test_how_long_keys_serve_while_fetching_fails_is_a_setting_and_each_failure_is_reported() -> None:
    server = Server()
    told: list[Exception] = []
    store = KeyStore(server.fetch, lambda: server.now, dead_after_seconds=3600, on_failure=told.append)
    store.key(KID)
    server.document = None
    server.now += 3599
    store.key(KID)
    assert [str(error) for error in told] == ["down"]
    server.now += 1
    assert reason_of(store) == "keys_unavailable"
