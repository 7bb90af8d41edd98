"""The enforcer over memory stores: order, brakes, redelivery, failures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import msgspec
import pytest

from sessionwarden.adapters.memory_enforcement import (
    MemoryAlertSink,
    MemoryControlStore,
    MemoryPublisher,
    MemoryUserPool,
)
from sessionwarden.denylist.principal import principal
from sessionwarden.errors import DeliveryError, StoreError, UserPoolError
from sessionwarden.model.decision import Enforcement
from sessionwarden.ports import PoolUser
from sessionwarden.ruleset.compiled import Protected
from tests.enforcement_factory import NOW_MS, NOW_S, POOL, SUB, World, finding, judge, response

WHO = principal(POOL, SUB)
HARSH = response(actions=("deny", "sign_out", "disable_user", "alert"))


def outcomes(enforcement: Enforcement) -> list[tuple[str, str, str]]:
    return [(result.action, result.outcome, result.detail) for result in enforcement.results]


class FlakyUserPool(MemoryUserPool):
    """Refuses the first calls with what it is told to."""

    def __init__(self, *errors: UserPoolError) -> None:
        super().__init__({(POOL, SUB): PoolUser("bob", ("staff",))})
        self.errors = list(errors)

    def sign_out(self, pool: str, user: str) -> None:
        if self.errors:
            raise self.errors.pop(0)
        super().sign_out(pool, user)


def test_everything_happens_once_and_in_order() -> None:
    world = World()
    done = world.enforcer.enforce(finding(answer=HARSH))
    assert outcomes(done) == [
        ("deny", "done", ""),
        ("sign_out", "done", ""),
        ("disable_user", "done", ""),
        ("alert", "done", ""),
    ]
    assert [entry.not_before for entry in world.denylist.entries(WHO)] == [NOW_S]
    assert world.users.signed_out == [(POOL, SUB)]
    assert world.users.disabled == {(POOL, SUB)}
    assert len(world.alerts.sent) == 1
    ((detail_type, detail),) = world.bus.published
    assert (detail_type, msgspec.json.decode(detail, type=Enforcement)) == ("Enforcement", done)
    known = world.decisions.get("f-1")
    assert known is not None
    assert known.results == done.results


def test_a_redelivered_finding_acts_once_and_moves_no_cut_off() -> None:
    world = World()
    first = world.enforcer.enforce(finding(answer=HARSH))
    world.now_ms += 3_600_000
    assert world.enforcer.enforce(finding(answer=HARSH)).results == first.results
    assert [entry.not_before for entry in world.denylist.entries(WHO)] == [NOW_S]
    assert len(world.users.signed_out) == 1
    assert len(world.alerts.sent) == 1


def test_an_observed_decision_is_recorded_and_told_but_not_carried_out() -> None:
    world = World(judge=judge(mode="observe"))
    done = world.enforcer.enforce(finding())
    assert (done.decision.withheld, outcomes(done)) == ("observe", [("alert", "done", "")])
    assert not world.denylist.entries(WHO)
    assert not world.users.signed_out
    assert "NOTHING was done" in world.alerts.sent[0].message
    assert world.bus.published


def test_a_rule_without_alert_tells_nobody() -> None:
    world = World()
    world.enforcer.enforce(finding(answer=response(actions=("deny",))))
    assert not world.alerts.sent
    assert world.denylist.entries(WHO)


def test_a_stopped_deployment_denies_nobody_even_after_it_resumes() -> None:
    world = World()
    world.control.stop(by="on-call", at_ms=NOW_MS)
    assert world.enforcer.enforce(finding()).decision.withheld == "stopped"
    world.control.resume()
    assert world.enforcer.enforce(finding()).decision.withheld == "stopped"
    assert not world.denylist.entries(WHO)
    assert world.control.spend(hour=NOW_MS // 3_600_000, decision_id="other", limit=1), "no budget was taken"


def test_the_kill_switch_holds_between_two_acts() -> None:
    world = World()

    class StopsAfterFirstSignOut(MemoryUserPool):
        def sign_out(self, pool: str, user: str) -> None:
            super().sign_out(pool, user)
            world.control.stop(by="on-call", at_ms=world.now_ms)

    world.users = StopsAfterFirstSignOut({(POOL, SUB): PoolUser("bob", ())})
    done = world.enforcer.enforce(finding(answer=HARSH))
    assert outcomes(done)[1:3] == [("sign_out", "done", ""), ("disable_user", "skipped", "stopped")]
    assert not world.users.disabled


def test_nothing_is_enforced_while_the_kill_switch_cannot_be_read() -> None:
    class Unreadable(MemoryControlStore):
        def stopped(self) -> bool:
            raise StoreError("control: timeout")

    world = World(control=Unreadable())
    with pytest.raises(StoreError):
        world.enforcer.enforce(finding())
    assert not world.denylist.entries(WHO)
    assert not world.alerts.sent


def test_over_budget_users_are_spared_while_session_denies_go_on() -> None:
    world = World(judge=judge(limit=1))
    session = response(scope="session", actions=("deny", "alert"))
    assert not world.enforcer.enforce(finding(id="a")).decision.simulated
    assert world.enforcer.enforce(finding(id="b")).decision.withheld == "budget"
    assert not world.enforcer.enforce(finding(id="c", answer=session)).decision.simulated
    assert [entry.decision_id for entry in world.denylist.entries(WHO)] == ["a", "c"]
    assert "budget" in world.alerts.sent[1].message


def test_a_session_rule_that_signs_out_counts_against_the_budget() -> None:
    world = World(judge=judge(limit=0))
    answer = response(scope="session", actions=("deny", "sign_out"))
    assert world.enforcer.enforce(finding(answer=answer)).decision.withheld == "budget"


def test_simulated_decisions_take_nothing_from_the_budget() -> None:
    world = World(judge=judge(limit=1))
    world.enforcer.enforce(finding(id="a", answer=response(mode="observe")))
    assert not world.enforcer.enforce(finding(id="b")).decision.simulated


def test_the_budget_is_renewed_with_the_hour() -> None:
    world = World(judge=judge(limit=1))
    world.enforcer.enforce(finding(id="a"))
    world.now_ms += 3_600_000
    assert not world.enforcer.enforce(finding(id="b")).decision.simulated


@pytest.mark.parametrize("protected", [Protected(usernames=("bob",)), Protected(groups=("staff",))])
def test_protection_holds_for_findings_that_carry_no_name(protected: Protected) -> None:
    world = World(judge=judge(protected=protected))
    done = world.enforcer.enforce(finding(username=None, groups=None))
    assert done.decision.withheld == "protected"
    assert not world.denylist.entries(WHO)


def test_a_user_who_is_not_protected_is_denied_after_the_look_up() -> None:
    world = World(judge=judge(protected=Protected(usernames=("root",), groups=("admins",))))
    done = world.enforcer.enforce(finding(username=None, groups=None))
    assert (done.decision.simulated, done.decision.username) == (False, "bob")


def test_nobody_is_touched_while_it_is_unknown_who_is_protected() -> None:
    class Refusing(MemoryUserPool):
        def describe(self, pool: str, user: str) -> PoolUser | None:
            raise UserPoolError("AccessDeniedException", retryable=False)

    world = World(judge=judge(protected=Protected(groups=("staff",))), users=Refusing({}))
    with pytest.raises(UserPoolError):
        world.enforcer.enforce(finding(groups=None))
    assert world.decisions.get("f-1") is None
    assert not world.denylist.entries(WHO)


def test_a_throttled_sign_out_is_retried_with_the_deny_in_force_and_people_told() -> None:
    world = World(users=FlakyUserPool(UserPoolError("TooManyRequestsException", retryable=True)))
    with pytest.raises(UserPoolError):
        world.enforcer.enforce(finding(answer=HARSH))
    assert world.denylist.entries(WHO)
    assert world.users.disabled, "a later act does not wait for an earlier one"
    assert "sign_out: not yet, TooManyRequestsException" in world.alerts.sent[0].message
    assert not world.bus.published
    done = world.enforcer.enforce(finding(answer=HARSH))
    assert {result.outcome for result in done.results} == {"done"}
    assert len(world.alerts.sent) == 1
    assert len(world.bus.published) == 1


def test_a_user_who_is_gone_is_a_failed_result_and_not_retried() -> None:
    world = World(users=MemoryUserPool({}))
    done = world.enforcer.enforce(finding())
    assert ("sign_out", "failed", "UserNotFoundException") in outcomes(done)
    assert world.denylist.entries(WHO), "the tokens in the abuser's hand outlive the account"
    assert "failed (UserNotFoundException)" in world.alerts.sent[0].message
    world.enforcer.enforce(finding())
    assert len(world.alerts.sent) == 1


def test_an_alert_that_was_not_accepted_is_sent_again_and_the_acts_are_not_repeated() -> None:
    class Flaky(MemoryAlertSink):
        refusals = 1

        def alert(self, *, subject: str, message: str, attributes: Mapping[str, str]) -> None:
            if self.refusals:
                self.refusals -= 1
                raise DeliveryError("alert topic: Throttled")
            super().alert(subject=subject, message=message, attributes=attributes)

    world = World(alerts=Flaky())
    with pytest.raises(DeliveryError):
        world.enforcer.enforce(finding())
    world.enforcer.enforce(finding())
    assert len(world.alerts.sent) == len(world.users.signed_out) == 1


def test_an_event_that_the_bus_refused_is_published_by_the_retry() -> None:
    class Flaky(MemoryPublisher):
        refusals = 1

        def publish(self, detail_type: str, details: Sequence[bytes]) -> None:
            if self.refusals:
                self.refusals -= 1
                raise DeliveryError("bus: refused")
            super().publish(detail_type, details)

    world = World(bus=Flaky())
    with pytest.raises(DeliveryError):
        world.enforcer.enforce(finding())
    world.enforcer.enforce(finding())
    ((_, detail),) = world.bus.published
    assert json.loads(detail)["decision"]["id"] == "f-1"
    assert len(world.alerts.sent) == 1
