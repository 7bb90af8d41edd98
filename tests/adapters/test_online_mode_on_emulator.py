"""Online mode against a Cognito that somebody else wrote: real sign-ins, really ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from sessionwarden.adapters.lean.cognito import CognitoOnlineCheck
from sessionwarden.authorizer.authorizer import Authorizer
from sessionwarden.authorizer.operator_notes import note
from sessionwarden.authorizer.request import web_request
from sessionwarden.model.deny import Claims, DenyEntry
from sessionwarden.routes.match import Routes
from sessionwarden.routes.policy import RoutePolicy
from tests.support.cognito_pool import EmulatedPool, SignIn

if TYPE_CHECKING:
    from sessionwarden.local.emulator.emulator import Emulator

ROUTES = Routes(
    by_key={
        "GET /always": RoutePolicy(online_seconds=0),
        "GET /seldom": RoutePolicy(online_seconds=30),
    }
)


class SilentDenylist:
    """Nobody told it anything: what is refused here, Cognito refuses."""

    def entries(self, principal: str) -> tuple[DenyEntry, ...]:
        return ()


class CountedCheck:
    """The real check, with the number of questions that it got."""

    def __init__(self, check: CognitoOnlineCheck) -> None:
        self._check = check
        self.questions = 0

    def confirms(self, claims: Claims, token: str, *, max_age_seconds: int) -> bool:
        self.questions += 1
        return self._check.confirms(claims, token, max_age_seconds=max_age_seconds)


class World:
    """A pool of its own, an authorizer that may ask it, and a clock that tests set forward."""

    def __init__(self, emulator: Emulator) -> None:
        self.people = EmulatedPool(emulator)
        self.late_seconds = 0
        self.real_check = CognitoOnlineCheck(
            endpoint_of=lambda region: emulator.endpoint_url,
            clock=self.clock,
            deadline_seconds=30,  # a busy machine is no reason to refuse here
        )
        self.check = CountedCheck(self.real_check)
        self._authorizer = Authorizer(
            verifier=self.people.verifier(self.clock),
            denylist=SilentDenylist(),
            clock=self.clock,
            report=note,
            routes=ROUTES,
            online=self.check,
        )

    def clock(self) -> float:
        return time.time() + self.late_seconds

    def sign_in(self) -> SignIn:
        self.people.add("alice")
        return self.people.sign_in("alice")

    def decide(self, token: str, path: str = "/always") -> tuple[int, str]:
        request = web_request(method="GET", path=path, route=f"GET {path}")
        decision = self._authorizer.decide(f"Bearer {token}", request)
        return decision.status, decision.reason


@pytest.fixture
def world(emulator: Emulator) -> Iterator[World]:
    started = World(emulator)
    yield started
    started.real_check.close()


OK = (200, "ok")
REVOKED = (403, "revoked_online")


def sign_out(world: World) -> None:
    world.people.cognito.admin_user_global_sign_out(UserPoolId=world.people.pool_id, Username="alice")


def disable(world: World) -> None:
    world.people.cognito.admin_disable_user(UserPoolId=world.people.pool_id, Username="alice")


def delete(world: World) -> None:
    world.people.cognito.admin_delete_user(UserPoolId=world.people.pool_id, Username="alice")


@pytest.mark.parametrize("end", [sign_out, disable, delete])
def test_what_cognito_ended_is_refused_where_the_route_asks_it_and_only_there(
    world: World, end: Callable[[World], None]
) -> None:
    token = world.sign_in().access
    assert world.decide(token) == OK
    end(world)
    assert world.decide(token) == REVOKED
    assert world.decide(token, "/elsewhere") == OK


def test_a_revoked_refresh_token_takes_its_own_session_along_and_no_other(world: World) -> None:
    ended = world.sign_in()
    other = world.people.sign_in("alice")
    world.people.cognito.revoke_token(Token=ended.refresh, ClientId=world.people.client_id)
    assert world.decide(ended.access) == REVOKED
    assert world.decide(other.access) == OK


def test_a_token_without_cognitos_own_scope_is_refused_and_costs_no_question(world: World) -> None:
    token = world.people.machine_token()
    assert world.decide(token) == (403, "insufficient_scope")
    assert world.check.questions == 0
    assert world.decide(token, "/elsewhere") == OK


def test_a_yes_serves_for_the_routes_seconds_and_a_no_for_good(world: World) -> None:
    token = world.sign_in().access
    assert world.decide(token, "/seldom") == OK
    sign_out(world)
    world.late_seconds = 25
    assert world.decide(token, "/seldom") == OK
    world.late_seconds = 31
    assert world.decide(token, "/seldom") == REVOKED
    world.late_seconds = 0
    assert world.decide(token, "/seldom") == REVOKED


def test_a_route_that_always_asks_does_not_use_the_yes_of_one_that_seldom_does(world: World) -> None:
    token = world.sign_in().access
    assert world.decide(token, "/seldom") == OK
    sign_out(world)
    assert world.decide(token, "/always") == REVOKED
    assert world.decide(token, "/seldom") == REVOKED
