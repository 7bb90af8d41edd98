"""Undoing decisions: exact, repeatable, and stronger than any redelivery."""

from __future__ import annotations

import pytest

from sessionwarden.adapters.memory.enforcement import MemoryUserPool
from sessionwarden.denylist.verdict import judge as verdict
from sessionwarden.enforcement.acted import QUIET_AFTER_LIFT_MS
from sessionwarden.enforcement.lift import Lifted
from sessionwarden.model.deny import Claims
from sessionwarden.model.principal import principal
from sessionwarden.policy.decide import decide
from sessionwarden.ports import PoolUser
from tests.support.enforcement import DAY, NOW_S, POOL, SESSION, SUB, World, deployed, finding, response

WHO = principal(POOL, SUB)
DISABLE = response(actions=("deny", "disable_user", "alert"), deny_seconds=3600)


def allowed(world: World, *, auth_time: int, session: str = "new", now: int | None = None) -> bool:
    claims = Claims(
        pool=POOL,
        token_use="access",
        sub=SUB,
        client="app",
        user=SUB,
        username="bob",
        session=session,
        token=None,
        auth_time=auth_time,
        issued_at=auth_time,
        expires_at=auth_time + 3600,
    )
    return verdict(world.denylist.entries(WHO), claims, now=auth_time if now is None else now).allowed


def lift(world: World, decision_id: str = "f-1", *, revive: bool = False) -> Lifted | None:
    return world.lift.lift(decision_id, lifted_at=NOW_S + 60, by="on-call", revive_tokens=revive)


def test_a_lift_lets_new_sign_ins_in_while_old_tokens_stay_dead() -> None:
    world = World()
    world.enforcer.enforce(finding(answer=DISABLE))
    assert not allowed(world, auth_time=NOW_S + 61)
    assert lift(world) is not None
    assert allowed(world, auth_time=NOW_S + 61)
    assert not allowed(world, auth_time=NOW_S - 10, now=NOW_S + 61)
    assert world.users.disabled == set()
    known = world.decisions.get("f-1")
    assert known is not None
    assert (known.lifted_at, known.lifted_by) == (NOW_S + 60, "on-call")


def test_tokens_are_revived_only_when_asked_for() -> None:
    world = World()
    world.enforcer.enforce(finding())
    lift(world)
    lift(world, revive=True)
    assert allowed(world, auth_time=NOW_S - 10, now=NOW_S + 61)


def test_a_lifted_session_stays_dead_until_its_tokens_are_revived_by_name() -> None:
    world = World()
    world.enforcer.enforce(finding(answer=response(scope="session", actions=("deny",))))
    assert not allowed(world, auth_time=NOW_S - 10, session=SESSION, now=NOW_S + 61)
    lift(world)
    assert not allowed(world, auth_time=NOW_S - 10, session=SESSION, now=NOW_S + 61)
    assert allowed(world, auth_time=NOW_S + 60, session="a new sign-in", now=NOW_S + 61)
    lift(world, revive=True)
    assert allowed(world, auth_time=NOW_S - 10, session=SESSION, now=NOW_S + 61)


def test_an_unknown_decision_changes_nothing() -> None:
    world = World()
    assert lift(world, "nobody") is None
    assert not world.denylist.entries(WHO)


def test_lifting_a_simulated_decision_only_marks_it() -> None:
    world = World(deployment=deployed(mode="observe"))
    decision = world.enforcer.enforce(finding(answer=DISABLE)).decision
    world.users.disable(POOL, SUB)
    assert lift(world) == Lifted(decision, denied=False, account="untouched")
    assert world.users.disabled == {(POOL, SUB)}, "somebody else disabled it"


def test_a_lift_before_the_first_act_keeps_the_deny_from_ever_being_written() -> None:
    world = World()
    world.decisions.record(decide(finding(answer=DISABLE), world.deployment, now_ms=world.now_ms))
    lift(world)
    world.enforcer.enforce(finding(answer=DISABLE))
    assert allowed(world, auth_time=NOW_S + 61)
    assert not world.users.disabled


def test_a_lift_while_the_account_is_being_disabled_wins() -> None:
    world = World()

    class LiftedMeanwhile(MemoryUserPool):
        def disable(self, pool: str, user: str) -> None:
            lift(world)
            super().disable(pool, user)

    world.users = LiftedMeanwhile({(POOL, SUB): PoolUser("bob", ())})
    world.enforcer.enforce(finding(answer=DISABLE))
    assert not world.users.disabled
    assert allowed(world, auth_time=NOW_S + 61)


@pytest.mark.parametrize("first", ["f-1", "f-2"])
def test_an_account_stays_disabled_until_the_last_decision_that_disabled_it_is_lifted(first: str) -> None:
    world = World()
    world.enforcer.enforce(finding(answer=DISABLE))
    world.now_ms += 20 * DAY * 1000
    again = {"time": world.now_ms, "first_time": world.now_ms - 60_000}
    world.enforcer.enforce(finding(id="f-2", answer=DISABLE, **again))
    second = "f-2" if first == "f-1" else "f-1"
    lift(world, first)
    assert world.users.disabled == {(POOL, SUB)}
    lift(world, second)
    assert not world.users.disabled


def test_an_account_that_was_disabled_by_a_delivery_that_crashed_is_enabled() -> None:
    world = World()

    class Dies(MemoryUserPool):
        def disable(self, pool: str, user: str) -> None:
            super().disable(pool, user)
            raise KeyboardInterrupt

    world.users = Dies({(POOL, SUB): PoolUser("bob", ())})
    with pytest.raises(KeyboardInterrupt):
        world.enforcer.enforce(finding(answer=DISABLE))
    world.control.stop(by="on-call", at_ms=world.now_ms)
    world.enforcer.enforce(finding(answer=DISABLE))
    lifted = lift(world)
    assert lifted is not None
    assert lifted.account == "enabled"
    assert not world.users.disabled


def test_an_account_that_the_decision_did_not_disable_is_left_alone() -> None:
    world = World()
    world.enforcer.enforce(finding(answer=response(actions=("deny", "sign_out"))))
    world.users.disable(POOL, SUB)
    lift(world)
    assert world.users.disabled == {(POOL, SUB)}


def test_after_a_lift_the_rule_leaves_the_key_alone_and_other_rules_forgive_what_was_before() -> None:
    world = World()
    world.enforcer.enforce(finding(series="rule-and-key"))
    lift(world)
    lifted_ms = (NOW_S + 60) * 1000
    assert world.coverage.read("series#rule-and-key").until == lifted_ms + QUIET_AFTER_LIFT_MS
    assert world.coverage.read(f"user#{WHO}").until == lifted_ms
    assert world.coverage.read(f"user#{WHO}").enforced == {}
