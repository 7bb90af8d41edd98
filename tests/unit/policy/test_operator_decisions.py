"""How an operator's order becomes a decision: the same shape as a rule's, never simulated."""

from __future__ import annotations

import pytest

from sessionwarden.policy.operator_decisions import (
    BroadOrder,
    UserOrder,
    decide_broad_order,
    decide_user_order,
)
from tests.support.enforcement import CUT_OFF, DAY, NOW_MS, NOW_S, POOL, SESSION, SUB


def order(*, sign_out: bool = True, session: str | None = None, deny_seconds: int | None = None) -> UserOrder:
    return UserOrder(
        pool=POOL,
        user=SUB,
        reason="stolen",
        by="ana",
        sign_out=sign_out,
        session=session,
        deny_seconds=deny_seconds,
    )


@pytest.mark.parametrize(("sign_out", "actions"), [(True, ("deny", "sign_out")), (False, ("deny",))])
def test_a_user_is_denied_first_and_signed_out_if_the_order_says_so(
    sign_out: bool, actions: tuple[str, ...]
) -> None:
    found = decide_user_order(
        order(sign_out=sign_out), decision_id="d", now_ms=NOW_MS, session_lifetime_seconds=DAY
    )
    assert found.actions == actions
    assert (found.simulated, found.origin, found.reason, found.created_by) == (
        False,
        "operator",
        "stolen",
        "ana",
    )


def test_a_user_loses_every_token_up_to_the_cut_off_and_new_sign_ins_for_the_time_asked() -> None:
    found = decide_user_order(
        order(deny_seconds=3600), decision_id="d", now_ms=NOW_MS, session_lifetime_seconds=DAY
    )
    assert (found.scope, found.value, found.pool, found.user) == ("user", SUB, POOL, SUB)
    assert (found.not_before, found.deny_until, found.session) == (CUT_OFF, NOW_S + 3600, None)
    assert found.expires_at == NOW_S + DAY


def test_an_entry_outlives_a_deny_that_is_longer_than_a_session() -> None:
    found = decide_user_order(
        order(deny_seconds=3600), decision_id="d", now_ms=NOW_MS, session_lifetime_seconds=60
    )
    assert found.expires_at == NOW_S + 3600


def test_an_order_about_a_session_leaves_the_users_others_alone() -> None:
    found = decide_user_order(
        order(session=SESSION), decision_id="d", now_ms=NOW_MS, session_lifetime_seconds=DAY
    )
    assert (found.scope, found.value, found.session, found.user) == ("session", SESSION, SESSION, SUB)
    assert (found.not_before, found.deny_until) == (None, None)


def test_a_network_is_denied_for_the_time_asked_and_no_action_on_an_account_goes_with_it() -> None:
    asked = BroadOrder(scope="source_ip", value="192.0.2.0/24", deny_seconds=60, reason="flood", by="ana")
    found = decide_broad_order(asked, decision_id="d", now_ms=NOW_MS)
    assert (found.scope, found.value, found.actions) == ("source_ip", "192.0.2.0/24", ("deny",))
    assert (found.deny_until, found.expires_at) == (NOW_S + 60, NOW_S + 60)
    assert (found.simulated, found.user, found.not_before) == (False, None, None)
