"""The enforcer over memory stores: order, brakes, redelivery, failures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import msgspec
import pytest
from msgspec.structs import replace

from sessionwarden.adapters.memory.enforcement import (
    MemoryAlertSink,
    MemoryControlStore,
    MemoryCoverageStore,
    MemoryGroupedAlerts,
    MemoryPublisher,
    MemoryUserPool,
)
from sessionwarden.errors import DeliveryError, StoreError, UserPoolError
from sessionwarden.model.coverage import NOT_COVERED
from sessionwarden.model.decision import Enforcement
from sessionwarden.model.finding import Response
from sessionwarden.model.policy import Protected
from sessionwarden.model.principal import principal
from sessionwarden.policy.decide import decide
from sessionwarden.ports import Act, PoolUser
from tests.support.enforcement import (
    CUT_OFF,
    NOW_MS,
    POOL,
    SESSION,
    SUB,
    World,
    about,
    deployed,
    finding,
    response,
)

WHO = principal(POOL, SUB)
HARSH = response(actions=("deny", "sign_out", "disable_user", "alert"))
SESSION_DENY = response(scope="session", actions=("deny", "alert"))
STRANGER = response(scope="source_ip", actions=("alert",))


def outcomes(enforcement: Enforcement) -> list[tuple[str, str, str]]:
    return [(result.action, result.outcome, result.detail) for result in enforcement.results]


class FlakyUserPool(MemoryUserPool):
    """Refuses the first calls, as it is set up to."""

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
    assert [entry.not_before for entry in world.denylist.entries(WHO)] == [CUT_OFF]
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
    assert [entry.not_before for entry in world.denylist.entries(WHO)] == [CUT_OFF]
    assert len(world.users.signed_out) == 1
    assert len(world.alerts.sent) == 1


def test_an_observed_decision_is_recorded_and_alerted_but_not_carried_out() -> None:
    world = World(deployment=deployed(mode="observe"))
    done = world.enforcer.enforce(finding())
    assert (done.decision.withheld, outcomes(done)) == ("observe", [("alert", "done", "")])
    assert not world.denylist.entries(WHO)
    assert not world.users.signed_out
    assert "NOTHING was done" in world.alerts.sent[0].message
    assert world.bus.published


def test_a_rule_without_alert_sends_none() -> None:
    world = World()
    world.enforcer.enforce(finding(answer=response(actions=("deny",))))
    assert not world.alerts.sent
    assert world.denylist.entries(WHO)


def test_a_stopped_deployment_denies_no_user_even_after_it_resumes() -> None:
    world = World()
    world.control.stop(by="on-call", at_ms=NOW_MS)
    assert world.enforcer.enforce(finding()).decision.withheld == "stopped"
    world.control.resume()
    assert world.enforcer.enforce(finding()).decision.withheld == "stopped"
    assert not world.denylist.entries(WHO)
    assert world.control.spend(
        budget="enforcements", hour=NOW_MS // 3_600_000, decision_id="other", limit=1
    ), "no budget was taken"


def test_the_kill_switch_holds_between_two_actions() -> None:
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


def test_over_budget_only_the_session_that_was_caught_is_denied() -> None:
    world = World(deployment=deployed(limit=1))
    world.enforcer.enforce(about("sacrificed"))
    done = world.enforcer.enforce(finding(id="caught", answer=HARSH))
    assert outcomes(done) == [("deny", "done", ""), ("alert", "done", "")]
    assert (done.decision.scope, done.decision.value, done.decision.reduced) == ("session", SESSION, "budget")
    (entry,) = (entry for entry in world.denylist.entries(WHO) if entry.decision_id == "caught")
    assert (entry.session, entry.not_before, entry.deny_until) == (SESSION, None, None)
    assert world.users.signed_out == []
    assert not world.users.disabled


def test_a_reduced_decision_stays_reduced_when_it_is_delivered_again() -> None:
    world = World(deployment=deployed(limit=0))
    world.enforcer.enforce(finding())
    world.now_ms += 3_600_000
    world.deployment = deployed(limit=10)
    assert world.enforcer.enforce(finding()).decision.reduced == "budget"
    assert not world.users.signed_out


def test_over_budget_a_user_without_a_session_is_spared() -> None:
    world = World(deployment=deployed(limit=0))
    done = world.enforcer.enforce(finding(session=None))
    assert (done.decision.withheld, done.decision.reduced) == ("budget", None)
    assert not world.denylist.entries(WHO)
    assert "budget is spent, and the finding names no session" in world.alerts.sent[0].message


def test_denies_of_sessions_need_no_budget() -> None:
    world = World(deployment=deployed(limit=0))
    done = world.enforcer.enforce(finding(answer=SESSION_DENY))
    assert (done.decision.simulated, done.decision.reduced) == (False, None)
    assert world.denylist.entries(WHO)


@pytest.mark.parametrize(
    "harsh",
    [
        response(scope="session", actions=("deny", "sign_out")),
        response(scope="session", actions=("deny", "disable_user")),
        response(actions=("deny",)),
        response(actions=("deny",), deny_seconds=3600),
    ],
    ids=["session-sign-out", "session-disable", "user-deny", "user-deny-with-duration"],
)
def test_all_but_the_deny_of_a_session_counts_against_the_budget(harsh: Response) -> None:
    world = World(deployment=deployed(limit=1))
    assert world.enforcer.enforce(about("a", answer=harsh)).decision.reduced is None
    assert world.enforcer.enforce(about("b", answer=harsh)).decision.reduced == "budget"


def test_a_flood_of_findings_ends_in_the_limit_of_alerts_and_one_notice() -> None:
    world = World(deployment=deployed(alerts=3))
    done = [world.enforcer.enforce(finding(id=f"f-{number}", answer=STRANGER)) for number in range(50)]
    assert len(world.alerts.sent) == 4
    assert [outcomes(one) for one in done[:3]] == [[("alert", "done", "")]] * 3
    assert {tuple(outcomes(one)) for one in done[3:]} == {(("alert", "skipped", "budget"),)}
    notice = world.alerts.sent[3]
    assert "alerts held back until 2027-01-15 09:00:00Z" in notice.subject
    assert "sessionwarden decisions list --stack warden --region eu-west-1" in notice.message
    assert notice.attributes["held_back"] == "true"
    assert len(world.bus.published) == 50, "subscribers of the bus receive everything"


def test_each_rule_and_each_hour_has_its_own_alerts() -> None:
    world = World(deployment=deployed(alerts=1))
    for number in range(3):
        world.enforcer.enforce(finding(id=f"a-{number}", answer=STRANGER))
    for number in range(3):
        world.enforcer.enforce(finding(id=f"b-{number}", rule="another", answer=STRANGER))
    sent = [(one.attributes["rule"], "held_back" in one.attributes) for one in world.alerts.sent]
    one_rule = "request-rate-per-user"
    assert sent == [(one_rule, False), (one_rule, True), ("another", False), ("another", True)]
    world.now_ms += 3_600_000
    world.enforcer.enforce(finding(id="c", answer=STRANGER))
    assert "held_back" not in world.alerts.sent[4].attributes
    world.enforcer.enforce(finding(id="d", answer=STRANGER))
    assert world.alerts.sent[5].attributes["held_back"] == "true"


def test_noise_by_strangers_silences_no_enforcement() -> None:
    world = World(deployment=deployed(alerts=1))
    for number in range(5):
        world.enforcer.enforce(finding(id=f"noise-{number}", answer=STRANGER))
    done = world.enforcer.enforce(finding(id="real"))
    assert ("alert", "done", "") in outcomes(done)
    assert world.alerts.sent[-1].attributes["decision"] == "real"


def test_enforcements_that_always_alert_take_no_alert_from_the_rule() -> None:
    world = World(deployment=deployed(alerts=1))
    world.enforcer.enforce(about("a"))
    world.enforcer.enforce(about("b"))
    world.enforcer.enforce(finding(id="c", answer=STRANGER))
    assert [sent.attributes["decision"] for sent in world.alerts.sent] == ["a", "b", "c"]
    assert all("held_back" not in sent.attributes for sent in world.alerts.sent)


def test_what_is_done_to_a_session_is_told_also_beyond_the_limit_of_alerts() -> None:
    world = World(deployment=deployed(alerts=60))
    for number in range(61):
        # the attacker's own, which a victim's follows
        world.enforcer.enforce(about(f"f-{number}", answer=SESSION_DENY))
    done = world.enforcer.enforce(about("victim", answer=SESSION_DENY))
    assert world.denylist.entries(f"{POOL}#sub-victim")
    assert outcomes(done) == [("deny", "done", ""), ("alert", "done", "grouped")]
    assert len(world.alerts.sent) == 60
    assert [act.decision.id for act in world.grouped.enforcements] == ["f-60", "victim"]
    assert outcomes(world.grouped.enforcements[1]) == [("deny", "done", "")], "what was done goes along"


def test_strangers_who_use_up_a_rules_alerts_leave_no_act_untold() -> None:
    world = World(deployment=deployed(alerts=1))
    for number in range(9):
        world.enforcer.enforce(finding(id=f"noise-{number}", answer=STRANGER))
    world.enforcer.enforce(about("victim", answer=SESSION_DENY))
    assert [act.decision.id for act in world.grouped.enforcements] == ["victim"]


def test_denies_of_users_beyond_the_limit_of_enforcements_are_told_together_as_well() -> None:
    world = World(deployment=deployed(limit=1, alerts=1))
    budgets = world.enforcer._budgets
    decision = decide(finding(answer=response(actions=("deny", "alert"))), world.deployment, now_ms=NOW_MS)
    forms = [
        budgets.alert_form(replace(decision, id=f"d-{number}", reduced="budget"), rule="r", hour=1)
        for number in range(3)
    ]
    assert forms == ["alert", "grouped", "grouped"]
    assert budgets.alert_form(decision, rule="r", hour=1) == "alert"


def test_an_act_that_the_group_did_not_take_is_told_by_the_retry() -> None:
    class Flaky(MemoryGroupedAlerts):
        refusals = 1

        def add(self, act: Enforcement) -> None:
            if self.refusals:
                self.refusals -= 1
                raise DeliveryError("grouped alerts: Throttled")
            super().add(act)

    world = World(deployment=deployed(alerts=1), grouped=Flaky())
    world.enforcer.enforce(about("first", answer=SESSION_DENY))
    with pytest.raises(DeliveryError):
        world.enforcer.enforce(about("second", answer=SESSION_DENY))
    for _ in range(2):
        world.enforcer.enforce(about("second", answer=SESSION_DENY))
    assert [act.decision.id for act in world.grouped.enforcements] == ["second"]


def test_withheld_decisions_share_the_limit_of_alerts() -> None:
    world = World(deployment=deployed(alerts=1, mode="observe"))
    for number in range(4):
        world.enforcer.enforce(finding(id=f"f-{number}"))
    assert len(world.alerts.sent) == 2


def test_a_notice_that_was_not_accepted_is_sent_again() -> None:
    class Flaky(MemoryAlertSink):
        refusals = 1

        def alert(self, *, subject: str, message: str, attributes: Mapping[str, str]) -> None:
            if self.refusals and "held_back" in attributes:
                self.refusals -= 1
                raise DeliveryError("alert topic: Throttled")
            super().alert(subject=subject, message=message, attributes=attributes)

    world = World(deployment=deployed(alerts=1), alerts=Flaky())
    world.enforcer.enforce(finding(id="a", answer=STRANGER))
    with pytest.raises(DeliveryError):
        world.enforcer.enforce(finding(id="b", answer=STRANGER))
    world.enforcer.enforce(finding(id="c", answer=STRANGER))
    assert len(world.alerts.sent) == 1
    world.enforcer.enforce(finding(id="b", answer=STRANGER))
    assert world.alerts.sent[1].attributes["held_back"] == "true"


def test_an_alert_that_was_not_accepted_keeps_its_place_in_the_limit() -> None:
    class Flaky(MemoryAlertSink):
        refusals = 1

        def alert(self, *, subject: str, message: str, attributes: Mapping[str, str]) -> None:
            if self.refusals:
                self.refusals -= 1
                raise DeliveryError("alert topic: Throttled")
            super().alert(subject=subject, message=message, attributes=attributes)

    world = World(deployment=deployed(alerts=1), alerts=Flaky())
    with pytest.raises(DeliveryError):
        world.enforcer.enforce(finding(id="a", answer=STRANGER))
    assert outcomes(world.enforcer.enforce(finding(id="a", answer=STRANGER))) == [("alert", "done", "")]


def test_a_finding_redriven_days_later_alerts_and_ends_no_newer_session() -> None:
    world = World()
    world.now_ms += 2 * 86_400_000
    done = world.enforcer.enforce(finding(answer=HARSH))
    assert (done.decision.withheld, outcomes(done)) == ("stale", [("alert", "done", "")])
    assert not world.denylist.entries(WHO)
    assert not world.users.signed_out
    assert "more than 6 hours ago" in world.alerts.sent[0].message


def test_simulated_decisions_take_nothing_from_the_budget() -> None:
    world = World(deployment=deployed(limit=1))
    world.enforcer.enforce(finding(id="a", answer=response(mode="observe")))
    assert not world.enforcer.enforce(finding(id="b")).decision.simulated


def test_the_budget_is_renewed_with_the_hour() -> None:
    world = World(deployment=deployed(limit=1))
    world.enforcer.enforce(about("a"))
    world.now_ms += 3_600_000
    assert world.enforcer.enforce(about("b")).decision.reduced is None


@pytest.mark.parametrize("protected", [Protected(usernames=("bob",)), Protected(groups=("staff",))])
def test_protection_holds_for_findings_that_carry_no_name(protected: Protected) -> None:
    world = World(deployment=deployed(protected=protected))
    done = world.enforcer.enforce(finding(username=None, groups=None))
    assert done.decision.withheld == "protected"
    assert not world.denylist.entries(WHO)


def test_a_user_who_is_not_protected_is_denied() -> None:
    world = World(deployment=deployed(protected=Protected(usernames=("root",), groups=("admins",))))
    done = world.enforcer.enforce(finding(username=None, groups=None))
    assert not done.decision.simulated


def test_no_user_is_touched_while_it_is_unknown_who_is_protected() -> None:
    class Refusing(MemoryUserPool):
        def describe(self, pool: str, user: str) -> PoolUser | None:
            raise UserPoolError("AccessDeniedException", retryable=False)

        def members(self, pool: str, group: str, *, limit: int) -> frozenset[str]:
            raise UserPoolError("AccessDeniedException", retryable=False)

    world = World(deployment=deployed(protected=Protected(groups=("staff",))), users=Refusing({}))
    with pytest.raises(UserPoolError):
        world.enforcer.enforce(finding(groups=None))
    assert world.decisions.get("f-1") is None
    assert not world.denylist.entries(WHO)


def test_a_throttled_sign_out_is_retried_with_the_deny_in_force_and_the_alert_sent() -> None:
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


def test_an_alert_that_was_not_accepted_is_sent_again_and_the_actions_are_not_repeated() -> None:
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


def test_a_series_that_another_act_covers_meanwhile_leaves_no_act_on_the_principal() -> None:
    world = World()
    given = about("late", series="rule-and-key")

    class Overtaken(MemoryCoverageStore):
        def claim(self, name: str, act: Act, *, since: int) -> bool:
            if name.startswith("series#"):
                super().claim(name, act._replace(by="other"), since=since)
            return super().claim(name, act, since=since)

    world.coverage = Overtaken()
    assert world.enforcer.enforce(given).decision.withheld == "covered"
    assert world.coverage.read(f"user#{principal(POOL, 'sub-late')}") == NOT_COVERED


def test_an_act_that_the_kill_switch_overtook_makes_the_next_one_no_repetition() -> None:
    world = World()

    class StopsAfterTheClaim(MemoryCoverageStore):
        def claim(self, name: str, act: Act, *, since: int) -> bool:
            world.control.stop(by="on-call", at_ms=world.now_ms)
            return super().claim(name, act, since=since)

    world.coverage = StopsAfterTheClaim()
    assert ("deny", "skipped", "stopped") in outcomes(world.enforcer.enforce(finding()))
    assert world.coverage.read(f"user#{WHO}").enforced == {}
    assert not world.denylist.entries(WHO)
