"""The list of protected users: what it spares Cognito, and that no protected user is missed for it."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import pytest

from sessionwarden.adapters.memory.enforcement import MemoryUserPool
from sessionwarden.enforcement import protected_users as lists
from sessionwarden.errors import UserPoolError
from sessionwarden.model.policy import Protected
from sessionwarden.ports import PoolUser
from tests.support.enforcement import POOL, World, about, deployed

ADMIN, ROOT = "sub-admin", "sub-root"
PROTECTED = Protected(usernames=("root",), groups=("admins",))
MINUTE = 60_000


class Cognito(MemoryUserPool):
    """Counts what it is asked, and throttles all of it when told."""

    def __init__(self, people: int = 0) -> None:
        users = {(POOL, f"sub-{number}"): PoolUser(f"user-{number}", ()) for number in range(people)}
        admins = {(POOL, ADMIN): PoolUser("admin", ("admins",)), (POOL, ROOT): PoolUser("root", ())}
        super().__init__(users | admins)
        self.asked: Counter[str] = Counter()
        self.throttled = False

    def join(self, user: str, group: str) -> None:
        self._users[POOL, user] = PoolUser(user, (group,))

    def _ask(self, what: str) -> None:
        self.asked[what] += 1
        if self.throttled:
            raise UserPoolError("TooManyRequestsException", retryable=True)

    def describe(self, pool: str, user: str) -> PoolUser | None:
        self._ask("describe")
        return super().describe(pool, user)

    def sub_of(self, pool: str, username: str) -> str | None:
        self._ask("sub_of")
        return super().sub_of(pool, username)

    def members(self, pool: str, group: str, *, limit: int) -> frozenset[str]:
        self._ask("members")
        return super().members(pool, group, limit=limit)

    def sign_out(self, pool: str, user: str) -> None:
        self._ask("sign_out")
        super().sign_out(pool, user)


@pytest.fixture
def cognito() -> Cognito:
    return Cognito(people=1000)


def world_of(cognito: Cognito, protected: Protected = PROTECTED) -> World:
    return World(deployment=deployed(protected=protected, limit=10_000), users=cognito)


def withheld(world: World, name: str) -> str | None:
    known = world.decisions.get(name)
    assert known is not None
    return known.decision.withheld


def test_a_thousand_findings_make_no_look_up_and_a_throttled_cognito_holds_up_no_deny(
    cognito: Cognito,
) -> None:
    world = world_of(cognito)
    enforcer = world.enforcer
    people = [*map(str, range(1000)), "admin", "root"]
    enforcer.enforce(about("first", username=None, groups=None))
    cognito.throttled = True
    for name in people:
        with suppress(UserPoolError):  # of the sign-out, which is for the retry
            enforcer.enforce(about(name, username=None, groups=None))
    assert cognito.asked["describe"] == 0
    assert all(world.denylist.entries(f"{POOL}#sub-{name}") for name in people[:1000])
    assert not world.denylist.entries(f"{POOL}#{ADMIN}")
    assert not world.denylist.entries(f"{POOL}#{ROOT}")
    assert {withheld(world, name) for name in ("admin", "root")} == {"protected"}


def test_a_list_that_is_too_old_and_cannot_be_made_anew_is_not_believed(cognito: Cognito) -> None:
    world = world_of(cognito)
    enforcer = world.enforcer
    enforcer.enforce(about("1", username=None, groups=None))
    cognito.join("sub-2", "admins")
    cognito.throttled = True
    world.now_ms += lists.MAX_AGE_MS + 1
    with pytest.raises(UserPoolError):
        enforcer.enforce(about("2", username=None, groups=None, time=world.now_ms))
    assert world.decisions.get("2") is None
    cognito.throttled = False
    enforcer.enforce(about("2", username=None, groups=None, time=world.now_ms))
    assert withheld(world, "2") == "protected"


def test_a_list_that_could_not_be_made_is_tried_again_after_a_minute(cognito: Cognito) -> None:
    world = world_of(cognito)
    protected_users = world.enforcer.protected_users
    cognito.throttled = True
    assert [protected_users.includes(POOL, ADMIN) for _ in range(9)] == [None] * 9
    assert cognito.asked == {"sub_of": 1}
    report = protected_users.report()
    assert report is not None
    assert (report.age_ms, report.look_ups, report.failure) == (None, 9, "TooManyRequestsException")
    cognito.throttled = False
    world.now_ms += lists.RETRY_AFTER_MS
    assert protected_users.includes(POOL, ADMIN) is True


def test_between_batches_the_list_is_made_anew_before_it_is_too_old(cognito: Cognito) -> None:
    world = world_of(cognito)
    protected_users = world.enforcer.protected_users
    protected_users.refresh()
    assert not cognito.asked, "no finding has needed it"
    assert protected_users.report() is None
    assert protected_users.includes(POOL, "sub-5") is False
    world.now_ms += lists.REFRESH_AFTER_MS
    protected_users.refresh()
    assert cognito.asked["members"] == 1, "it is new enough"
    cognito.join("sub-5", "admins")
    world.now_ms += 1
    protected_users.refresh()
    assert protected_users.includes(POOL, "sub-5") is True
    assert cognito.asked["members"] == 2
    cognito.throttled = True
    world.now_ms += lists.REFRESH_AFTER_MS + 1
    protected_users.refresh()
    assert protected_users.includes(POOL, "sub-6") is False, "it serves until it is too old"
    report = protected_users.report()
    assert report is not None
    assert (report.age_ms, report.complete) == (lists.REFRESH_AFTER_MS + 1, True)


def test_a_group_that_is_too_large_leaves_its_members_to_be_looked_up(
    cognito: Cognito, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MOST_MEMBERS", 1)
    cognito.join("sub-7", "admins")
    world = world_of(cognito)
    enforcer = world.enforcer
    for name in ("7", "8"):
        enforcer.enforce(about(name, username=None, groups=None))
    assert (withheld(world, "7"), withheld(world, "8")) == ("protected", None)
    assert cognito.asked["describe"] >= 1
    report = enforcer.protected_users.report()
    assert report is not None
    assert not report.complete


def test_more_names_than_are_asked_for_leave_users_to_be_looked_up(cognito: Cognito) -> None:
    names = tuple(f"user-{number}" for number in range(lists.MOST_NAMES + 1))
    world = world_of(cognito, Protected(usernames=names))
    enforcer = world.enforcer
    for name in (str(lists.MOST_NAMES), "900"):
        enforcer.enforce(about(name, username=None, groups=None))
    assert withheld(world, str(lists.MOST_NAMES)) == "protected"
    assert withheld(world, "900") is None
    assert cognito.asked["sub_of"] == lists.MOST_NAMES
    assert cognito.asked["describe"] == 2
