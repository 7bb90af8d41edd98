"""Credentials from a container's endpoint, which may be late, gone, wrong or hostile."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sessionwarden.adapters.lean.container_credentials import ContainerCredentials
from sessionwarden.adapters.lean.denylist import lean_denylist
from sessionwarden.adapters.lean.sigv4 import Credentials
from sessionwarden.errors import StoreError
from tests.support.scripted_server import CLOSE, ScriptedServer, Turn, http, say, say_and_close

NOW = 1_795_348_800.0  # 2026-11-22T12:00:00Z
Serve = Callable[..., ScriptedServer]


def answer(key: str = "A1", *, expires: str = "2026-11-22T13:00:00Z", **changes: Any) -> Turn:
    body = {"AccessKeyId": key, "SecretAccessKey": "S", "Token": "T", "Expiration": expires} | changes
    return say_and_close(http(json.dumps(body).encode()))


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[ScriptedServer] = []

    def start(*turns: Turn) -> ScriptedServer:
        servers.append(ScriptedServer(*turns))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def environ(server: ScriptedServer, **more: str) -> dict[str, str]:
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/2021-04-23/credentials", **more}


def test_one_fetch_serves_until_five_minutes_before_expiry(serve: Serve, clock: Clock) -> None:
    server = serve(answer("A1"), answer("A2", expires="2026-11-22T14:00:00Z"))
    source = ContainerCredentials(environ(server, AWS_CONTAINER_AUTHORIZATION_TOKEN="t-1"), clock=clock)
    assert [source().access_key for _ in range(3)] == ["A1"] * 3
    clock.now = NOW + 3_299
    assert source().access_key == "A1"
    clock.now = NOW + 3_300
    assert source().access_key == "A2"
    assert len(server.requests) == 2
    head = server.requests[0][0]
    assert head.startswith("GET /2021-04-23/credentials HTTP/1.1\r\n")
    assert "\r\nAuthorization: t-1\r\n" in head


def test_the_token_in_a_file_is_read_for_each_fetch(serve: Serve, clock: Clock, tmp_path: Path) -> None:
    server = serve(answer(), answer())
    file = tmp_path / "token"
    file.write_text("t-1", encoding="ascii")
    source = ContainerCredentials(
        environ(server, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(file)), clock=clock
    )
    source()
    file.write_text("t-2", encoding="ascii")
    clock.now = NOW + 3_400
    source()
    assert ["Authorization: t-1" in server.requests[0][0], "Authorization: t-2" in server.requests[1][0]] == [
        True,
        True,
    ]


def test_known_credentials_serve_while_renewal_fails_but_never_past_their_expiry(
    serve: Serve, clock: Clock
) -> None:
    server = serve(answer(), CLOSE, CLOSE, CLOSE)
    source = ContainerCredentials(environ(server), clock=clock)
    source()
    clock.now = NOW + 3_400
    assert [source().access_key for _ in range(5)] == ["A1"] * 5
    # a failing endpoint is asked once in ten seconds, not by every request
    assert len(server.requests) == 2
    clock.now = NOW + 3_410
    assert source().access_key == "A1"
    assert len(server.requests) == 3
    clock.now = NOW + 3_600
    with pytest.raises(StoreError):
        source()


def test_after_a_failure_with_nothing_known_the_next_request_asks_again(serve: Serve, clock: Clock) -> None:
    source = ContainerCredentials(environ(serve(CLOSE, answer("A2"))), clock=clock)
    with pytest.raises(StoreError):
        source()
    assert source().access_key == "A2"


def test_credentials_of_a_clock_that_was_set_back_are_fetched_again(serve: Serve, clock: Clock) -> None:
    source = ContainerCredentials(environ(serve(answer("A1"), answer("A2"))), clock=clock)
    source()
    clock.now = NOW - 60
    assert source().access_key == "A2"


@pytest.mark.parametrize(
    "turn",
    [
        CLOSE,
        say_and_close(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"),
        say(http(b"", status="302 Found", headers="Location: http://192.0.2.1/\r\n")),
        say(http(b"no", status="403 Forbidden")),
        say(http(b"<html>")),
        say(http(b"{" + b" " * 70_000 + b"}")),
        answer(Token="a\r\nX-Evil: 1"),
        answer(AccessKeyId=None),
        answer(expires="2026-11-22T12:00:00Z"),
        answer(expires="1970-01-01T00:00:00Z"),
    ],
)
def test_an_endpoint_that_misbehaves_gives_no_credentials(serve: Serve, clock: Clock, turn: Turn) -> None:
    server = serve(turn)
    with pytest.raises(StoreError, match="no AWS credentials"):
        ContainerCredentials(environ(server), clock=clock)()
    assert len(server.requests) == 1


def test_an_endpoint_that_says_nothing_is_given_up_on(
    serve: Serve, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessionwarden.adapters.lean.container_credentials.DEADLINE_SECONDS", 0.1)
    server: ScriptedServer

    def silent(peer: Any) -> bool:
        server.ended.wait(5)
        return False

    server = serve(silent)
    with pytest.raises(StoreError):
        ContainerCredentials(environ(server), clock=clock)()


def test_the_denylist_is_read_with_them_and_not_without(serve: Serve) -> None:
    table = serve(say(http(b'{"Items":[]}')))
    endpoint = serve(CLOSE, answer("A2", expires="2126-11-22T13:00:00Z"))
    given = environ(endpoint) | {"AWS_ENDPOINT_URL": table.url}
    denylist = lean_denylist(given, table="t", region="eu-west-1")
    with pytest.raises(StoreError, match="no AWS credentials"):
        denylist.entries("p#u")
    assert table.requests == []
    assert denylist.entries("p#u") == ()
    denylist.close()
    head = table.requests[0][0]
    assert "Credential=A2/" in head
    assert "\r\nX-Amz-Security-Token: T\r\n" in head


def test_threads_share_one_fetch(serve: Serve, clock: Clock) -> None:
    entered, release = threading.Event(), threading.Event()
    turn = answer("A1")

    def when_released(peer: socket.socket) -> bool:
        entered.set()
        assert release.wait(5)
        return turn(peer)

    server = serve(when_released)
    credentials = ContainerCredentials(environ(server), clock=clock)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(credentials().access_key)) for _ in range(20)]
    for thread in threads:
        thread.start()
    assert entered.wait(5)
    release.set()
    for thread in threads:
        thread.join(10)
    assert found == ["A1"] * 20
    assert len(server.requests) == 1


def test_while_one_thread_renews_the_known_credentials_serve_the_others(serve: Serve, clock: Clock) -> None:
    entered, release = threading.Event(), threading.Event()
    turn = answer("A2", expires="2026-11-22T14:00:00Z")

    def when_released(peer: socket.socket) -> bool:
        entered.set()
        assert release.wait(5)
        return turn(peer)

    server = serve(answer("A1"), when_released)
    credentials = ContainerCredentials(environ(server), clock=clock)
    credentials()
    clock.now += 3_400
    renewing = threading.Thread(target=credentials)
    renewing.start()
    assert entered.wait(5)
    assert credentials().access_key == "A1"
    release.set()
    renewing.join(10)
    assert credentials().access_key == "A2"
    assert len(server.requests) == 2


def test_a_thread_that_comes_just_after_a_fetch_makes_no_other(
    serve: Serve, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answer("A1"), answer("A2"))
    credentials = ContainerCredentials(environ(server), clock=clock)
    shared = credentials._shared

    def after_another(call: Callable[[], Credentials]) -> Credentials:
        monkeypatch.setattr(credentials, "_shared", shared)
        credentials()
        return shared(call)

    monkeypatch.setattr(credentials, "_shared", after_another)
    assert credentials().access_key == "A1"
    assert len(server.requests) == 1
