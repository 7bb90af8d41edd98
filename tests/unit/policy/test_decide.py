"""How a finding becomes a decision: whom, how long, and which brake withholds it."""

from __future__ import annotations

from typing import Any

import pytest

from sessionwarden.model.policy import Protected
from sessionwarden.policy.decide import STALE_MS, decide, needs_user_facts, reduce_for_budget
from tests.support.enforcement import (
    CUT_OFF,
    DAY,
    NOW_MS,
    NOW_S,
    POOL,
    SESSION,
    SUB,
    deployed,
    finding,
    response,
)


def test_a_user_decision_cuts_every_token_up_to_this_second() -> None:
    decision = decide(finding(), deployed(), now_ms=NOW_MS)
    assert (decision.not_before, decision.deny_until, decision.session) == (CUT_OFF, None, None)
    assert decision.expires_at == NOW_S + 30 * DAY
    assert (decision.scope, decision.value, decision.pool, decision.user) == ("user", SUB, POOL, SUB)
    assert not decision.simulated


def test_a_deny_time_refuses_new_sign_ins_until_then() -> None:
    decision = decide(finding(answer=response(deny_seconds=3600)), deployed(), now_ms=NOW_MS)
    assert decision.deny_until == NOW_S + 3600


def test_an_entry_outlives_a_deny_time_longer_than_the_session() -> None:
    decision = decide(finding(answer=response(deny_seconds=3600)), deployed(lifetime=60), now_ms=NOW_MS)
    assert decision.expires_at == NOW_S + 3600


def test_a_session_decision_names_only_that_session() -> None:
    answer = response(scope="session", actions=("deny", "alert"), deny_seconds=3600)
    decision = decide(finding(answer=answer), deployed(), now_ms=NOW_MS)
    assert (decision.session, decision.not_before, decision.deny_until) == (SESSION, None, None)
    assert decision.expires_at == NOW_S + 30 * DAY


def test_disabling_an_account_ends_its_other_sessions_too() -> None:
    answer = response(scope="session", actions=("disable_user",))
    decision = decide(finding(answer=answer), deployed(), now_ms=NOW_MS)
    assert (decision.session, decision.not_before) == (SESSION, CUT_OFF)


@pytest.mark.parametrize("action", ["sign_out", "disable_user"])
def test_what_is_harsher_than_a_deny_implies_it(action: str) -> None:
    decision = decide(finding(answer=response(actions=(action, "alert", action))), deployed(), now_ms=NOW_MS)
    assert decision.actions == ("deny", action, "alert")


@pytest.mark.parametrize("scope", ["user", "session", "source_ip", "client", "identity"])
def test_a_rule_that_only_alerts_withholds_nothing(scope: str) -> None:
    decision = decide(finding(answer=response(scope=scope, actions=("alert",))), deployed(), now_ms=NOW_MS)
    assert decision.actions == ("alert",)
    assert not decision.simulated
    assert decision.not_before is None


def test_an_identity_is_not_denied() -> None:
    answer = response(scope="identity", actions=("deny", "alert"))
    decision = decide(finding(answer=answer), deployed(), now_ms=NOW_MS)
    assert (decision.simulated, decision.withheld) == (True, "no_principal")
    assert decision.expires_at is None


@pytest.mark.parametrize(
    "changes",
    [
        {"user": None, "key": {"source_ip": "203.0.113.7"}},
        {"user": None},
        {"user": ""},
        {"key": {"user": "somebody-else"}},
        {"key": {"user": SUB, "session": "another"}},
    ],
)
def test_a_finding_without_one_clear_user_denies_no_user(changes: dict[str, Any]) -> None:
    decision = decide(finding(**changes), deployed(), now_ms=NOW_MS)
    assert (decision.simulated, decision.withheld) == (True, "no_principal")


def test_a_session_finding_without_a_session_denies_no_user() -> None:
    answer = response(scope="session", actions=("deny",))
    decision = decide(finding(answer=answer, session=None, key={"user": SUB}), deployed(), now_ms=NOW_MS)
    assert decision.withheld == "no_principal"


def test_a_user_of_another_pool_is_not_denied() -> None:
    decision = decide(finding(pool="eu-west-1_Other"), deployed(), now_ms=NOW_MS)
    assert (decision.simulated, decision.withheld) == (True, "unknown_pool")


@pytest.mark.parametrize("pools", [(POOL,), (POOL, "eu-west-1_Other"), ()])
@pytest.mark.parametrize("pool", [None, ""])
def test_a_user_without_a_pool_is_no_principal_even_where_there_is_one_pool(
    pools: tuple[str, ...], pool: str | None
) -> None:
    decision = decide(finding(pool=pool), deployed(pools=pools), now_ms=NOW_MS)
    assert (decision.pool, decision.simulated, decision.withheld) == (pool, True, "no_principal")


def test_where_no_pool_is_watched_no_user_is_denied() -> None:
    assert decide(finding(), deployed(pools=()), now_ms=NOW_MS).withheld == "unknown_pool"


@pytest.mark.parametrize("scope", ["user", "session"])
def test_a_finding_that_comes_more_than_six_hours_late_ends_no_session(scope: str) -> None:
    late = finding(answer=response(scope=scope, actions=("deny", "alert")), time=NOW_MS - STALE_MS)
    assert STALE_MS == 6 * 3_600_000
    assert not decide(late, deployed(), now_ms=NOW_MS).simulated
    decision = decide(late, deployed(), now_ms=NOW_MS + 1)
    assert (decision.simulated, decision.withheld) == (True, "stale")


def test_a_late_finding_that_only_alerts_withholds_nothing() -> None:
    late = finding(answer=response(actions=("alert",)), time=0)
    assert not decide(late, deployed(), now_ms=NOW_MS).simulated


def test_over_the_budget_only_the_session_is_denied() -> None:
    answer = response(actions=("deny", "sign_out", "disable_user"), deny_seconds=3600)
    full = decide(finding(answer=answer), deployed(), now_ms=NOW_MS)
    reduced = reduce_for_budget(full, deployed().policy, sessions=(SESSION, "second"))
    assert (reduced.scope, reduced.value, reduced.session) == ("session", SESSION, SESSION)
    assert reduced.more_sessions == ("second",)
    assert reduced.actions == ("deny", "alert")
    assert (reduced.not_before, reduced.deny_until) == (None, None)
    assert (reduced.simulated, reduced.withheld, reduced.reduced) == (False, None, "budget")
    assert reduced.expires_at == NOW_S + 30 * DAY
    assert (reduced.id, reduced.pool, reduced.user) == (full.id, POOL, SUB)


def test_over_the_budget_without_a_session_nothing_is_left() -> None:
    full = decide(finding(), deployed(), now_ms=NOW_MS)
    left = reduce_for_budget(full, deployed().policy, sessions=())
    assert (left.simulated, left.withheld, left.reduced) == (True, "budget", None)


@pytest.mark.parametrize("deployment", ["observe", "enforce"])
@pytest.mark.parametrize("rule", ["observe", "enforce"])
def test_both_rule_and_deployment_must_enforce(deployment: Any, rule: Any) -> None:
    decision = decide(finding(answer=response(mode=rule)), deployed(mode=deployment), now_ms=NOW_MS)
    assert decision.simulated == ("observe" in (deployment, rule))
    assert decision.withheld == ("observe" if decision.simulated else None)
    assert decision.not_before == CUT_OFF, "an observed decision says what would have happened"


@pytest.mark.parametrize(
    "protected",
    [
        Protected(users=(SUB,)),
        Protected(usernames=("bob",)),
        Protected(groups=("x", "admins")),
        Protected(clients=("app",)),
    ],
)
def test_a_protected_principal_is_never_acted_upon(protected: Protected) -> None:
    decision = decide(finding(groups=("admins",)), deployed(protected=protected), now_ms=NOW_MS)
    assert (decision.simulated, decision.withheld) == (True, "protected")


def test_protection_is_by_exact_name_so_that_no_attacker_can_sign_up_for_it() -> None:
    protected = Protected(usernames=("admin",), groups=("admins",))
    decision = decide(
        finding(username="Admin", groups=("Admins",)), deployed(protected=protected), now_ms=NOW_MS
    )
    assert not decision.simulated


@pytest.mark.parametrize(
    ("protected", "changes", "lacking"),
    [
        (Protected(usernames=("a",)), {"username": None}, True),
        (Protected(usernames=("a",)), {"username": "bob"}, False),
        (Protected(groups=("a",)), {"groups": None}, True),
        (Protected(groups=("a",)), {"groups": ()}, False),
        (Protected(users=("a",)), {"username": None, "groups": None}, False),
    ],
)
def test_user_facts_are_needed_only_where_the_list_asks_for_them(
    protected: Protected, changes: dict[str, Any], lacking: bool
) -> None:
    assert needs_user_facts(finding(**changes), deployed(protected=protected)) is lacking
