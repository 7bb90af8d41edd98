"""Asking Cognito about a token, against servers that answer well, badly or not at all."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from sessionwarden.adapters.lean.cognito import CognitoOnlineCheck, online_check
from sessionwarden.errors import StoreError
from sessionwarden.model.deny import Claims
from tests.support.scripted_server import CLOSE, ScriptedServer, Turn, http, say
from tests.support.tokens import CLIENT, NOW, POOL, SUB

CLAIMS = Claims(POOL, "access", SUB, CLIENT, SUB, "alice", None, None, NOW, NOW, NOW + 60)


def user(attributes: object) -> Turn:
    return say(http(json.dumps({"Username": "alice", "UserAttributes": attributes}).encode()))


def subs(*values: object) -> Turn:
    named = [{"Name": "sub", "Value": value} for value in values]
    return user([{"Name": "email", "Value": SUB}, *named])


YES = subs(SUB)


def no(kind: str, status: str = "400 Bad Request") -> Turn:
    return say(http(json.dumps({"__type": kind, "message": "m"}).encode(), status=status))


class World:
    """One scripted server, one check, and a clock that tests set."""

    # nothing waits for the deadline, except where a test says so
    def __init__(self, *turns: Turn, deadline_seconds: float = 10) -> None:
        self.now = float(NOW)
        self.server = ScriptedServer(*turns)
        self.check = CognitoOnlineCheck(
            endpoint_of=lambda region: self.server.url,
            clock=lambda: self.now,
            deadline_seconds=deadline_seconds,
            capacity=2,
        )

    def confirms(self, token: str = "a.b.c", age: int = 0) -> bool:
        return self.check.confirms(CLAIMS, token, max_age_seconds=age)

    @property
    def asked(self) -> int:
        return len(self.server.requests)


@pytest.fixture
def world() -> Iterator[Callable[..., World]]:
    worlds: list[World] = []

    def start(*turns: Turn, deadline_seconds: float = 10) -> World:
        worlds.append(World(*turns, deadline_seconds=deadline_seconds))
        return worlds[-1]

    yield start
    for started in worlds:
        started.check.close()
        started.server.close()


def test_a_token_that_cognito_takes_is_confirmed_with_its_text_as_the_only_credential(
    world: Callable[..., World],
) -> None:
    here = world(YES)
    assert here.confirms() is True
    head, body = here.server.requests[0]
    assert body == {"AccessToken": "a.b.c"}
    assert "X-Amz-Target: AWSCognitoIdentityProviderService.GetUser" in head
    assert "Authorization" not in head


@pytest.mark.parametrize(
    "kind",
    ["NotAuthorizedException", "com.amazonaws#UserNotFoundException", "PasswordResetRequiredException"],
)
def test_a_revoked_token_is_a_final_no_that_is_asked_for_once(world: Callable[..., World], kind: str) -> None:
    here = world(no(kind), YES)
    assert here.confirms() is False
    here.now += 10_000
    assert here.confirms() is False
    assert here.asked == 1


def test_always_asks_each_time_and_a_yes_serves_no_longer_than_the_route_allows(
    world: Callable[..., World],
) -> None:
    here = world(*[YES] * 9)
    for _ in range(3):
        here.confirms(age=0)
    assert here.asked == 3
    here.now += 29
    assert here.confirms(age=30)
    assert here.asked == 3
    here.now += 1
    assert here.confirms(age=30)
    assert here.asked == 4
    here.now -= 5  # a clock set back makes no answer younger
    assert here.confirms(age=30)
    assert here.asked == 5


def test_answers_of_one_token_are_not_those_of_another_and_the_oldest_makes_room(
    world: Callable[..., World],
) -> None:
    here = world(YES, no("NotAuthorizedException"), YES, YES)
    assert here.confirms("a.a.a", 60) is True
    assert here.confirms("b.b.b", 60) is False
    assert here.confirms("c.c.c", 60) is True
    assert here.asked == 3
    assert here.confirms("a.a.a", 60) is True
    assert here.asked == 4


@pytest.mark.parametrize(
    "turn",
    [
        no("TooManyRequestsException"),
        no("InternalErrorException", "500 Internal ScriptedServer Error"),
        no("NotAuthorizedException", "500 Internal ScriptedServer Error"),
        no("InvalidParameterException"),
        no("x\n" * 100),
        say(http(b"")),
        say(http(b"[]")),
        say(http(b"{}")),
        say(http(b'{"Username":5}')),
        say(http(json.dumps({"UserAttributes": [{"Name": "sub", "Value": SUB}]}).encode())),
        subs(),
        subs("5f0c2a10-aaaa-4bbb-8ccc-0123456789ac"),
        subs(SUB.upper()),
        subs(SUB, SUB),
        subs("another", SUB),
        subs(None),
        subs([SUB]),
        user(None),
        user({"Name": "sub", "Value": SUB}),
        user([SUB, ["sub", SUB], {"name": "sub", "value": SUB}]),
        say(http(b"[" * 50_000)),
        say(b"no HTTP at all\r\n\r\n"),
        CLOSE,
    ],
)
def test_whatever_else_is_answered_is_no_word_of_cognitos(world: Callable[..., World], turn: Turn) -> None:
    here = world(turn, turn, YES)
    with pytest.raises(StoreError) as caught:
        here.confirms()
    assert "a.b.c" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_connection_that_died_is_tried_again_once(world: Callable[..., World]) -> None:
    here = world(YES, CLOSE, YES)
    assert here.confirms()
    assert here.confirms()
    assert here.server.connections == 2


def test_an_endpoint_where_nobody_listens_is_no_word_of_cognitos() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    check = CognitoOnlineCheck(endpoint_of=lambda region: url, clock=lambda: NOW)
    with pytest.raises(StoreError, match="was not asked"):
        check.confirms(CLAIMS, "a.b.c", max_age_seconds=0)


def test_an_answer_that_does_not_come_is_waited_for_no_longer_than_the_deadline(
    world: Callable[..., World],
) -> None:
    def silent(peer: socket.socket) -> bool:
        return here.server.ended.wait(30)

    here = world(silent, silent, deadline_seconds=0.2)
    with pytest.raises(StoreError, match="was not asked"):
        here.confirms()


def test_a_failure_is_not_remembered_as_an_answer(world: Callable[..., World]) -> None:
    here = world(no("TooManyRequestsException"), YES)
    with pytest.raises(StoreError):
        here.confirms(age=30)
    assert here.confirms(age=30) is True
    assert here.asked == 2


def test_a_failure_does_not_let_an_older_yes_serve_longer(world: Callable[..., World]) -> None:
    here = world(YES, no("TooManyRequestsException"))
    assert here.confirms(age=30) is True
    here.now += 30
    with pytest.raises(StoreError):
        here.confirms(age=30)


def test_the_endpoint_is_that_of_the_pools_region_unless_the_environment_names_one() -> None:
    assert online_check({})._connection("eu-west-1").endpoint.host == "cognito-idp.eu-west-1.amazonaws.com"
    named = online_check({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"})
    assert named._connection("eu-west-1").endpoint.port == 4566


def test_threads_share_the_answers_and_a_no_outlasts_a_yes_that_was_under_way() -> None:
    asked, revoked = threading.Event(), threading.Event()

    def yes_after_the_no(peer: socket.socket) -> bool:
        asked.set()
        assert revoked.wait(5)
        return YES(peer)

    server = ScriptedServer(yes_after_the_no)
    other = ScriptedServer(no("NotAuthorizedException"))
    urls = {threading.main_thread(): other.url}
    check = CognitoOnlineCheck(
        endpoint_of=lambda region: urls.get(threading.current_thread(), server.url),
        clock=lambda: float(NOW),
        deadline_seconds=10,
    )
    found: list[bool] = []

    def ask() -> None:
        found.append(check.confirms(CLAIMS, "a.b.c", max_age_seconds=60))
        check.close()

    thread = threading.Thread(target=ask)
    thread.start()
    assert asked.wait(5)
    assert check.confirms(CLAIMS, "a.b.c", max_age_seconds=60) is False
    revoked.set()
    thread.join(5)
    assert found == [False]
    assert check.confirms(CLAIMS, "a.b.c", max_age_seconds=60) is False
    assert (len(server.requests), len(other.requests)) == (1, 1)
    check.close()
    server.close()
    other.close()
