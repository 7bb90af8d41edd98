"""The ladder: the narrowest act first, then wider and longer ones; each event is answered for once."""

from __future__ import annotations

from typing import Any

import pytest

from sessionwarden.model.coverage import NOT_COVERED, Coverage
from sessionwarden.model.decision import Decision
from sessionwarden.model.finding import Finding
from sessionwarden.policy.decide import decide
from sessionwarden.policy.ladder import DAY_MS, climb, is_covered, one_session, repeats
from tests.support.enforcement import (
    CUT_OFF,
    MACHINE,
    NETWORK_DENY,
    NOW_MS,
    NOW_S,
    SESSION,
    SUB,
    deployed,
    finding,
    response,
)

POLICY = deployed().policy
STOLEN: dict[str, Any] = {"sessions": (("stolen", 90), ("own", 10)), "session_events": 100}
SESSION_DENY = response(scope="session", actions=("deny", "alert"))


def climbed(given: Finding, *, times: int = 0) -> Decision:
    return climb(decide(given, deployed(), now_ms=NOW_MS), given, POLICY, repeats=times)


def test_the_session_that_did_it_falls_first_and_alone() -> None:
    decision = climbed(finding(**STOLEN))
    assert (decision.scope, decision.value, decision.session) == ("session", "stolen", "stolen")
    assert (decision.actions, decision.not_before, decision.deny_until) == (("deny", "alert"), None, None)
    assert (decision.narrowed, decision.user) == (True, SUB)


@pytest.mark.parametrize(
    "changes",
    [
        {"sessions": (("a", 79), ("b", 21)), "session_events": 100},
        {"sessions": (("own", 1),), "session_events": 100},
        {"sessions": (), "session_events": 0},
        STOLEN | {"answer": response(deny_seconds=3600)},
        STOLEN | {"answer": response(actions=("deny", "disable_user"))},
    ],
    ids=["several-sessions", "named-by-few", "kind-tells-none-apart", "keeps-out", "disables"],
)
def test_otherwise_what_the_rule_asks_for_is_done(changes: dict[str, Any]) -> None:
    given = finding(**changes)
    asked = decide(given, deployed(), now_ms=NOW_MS)
    assert climbed(given) == asked
    assert asked.scope == "user"


def test_one_session_is_four_fifths_of_what_was_counted() -> None:
    assert one_session(finding(sessions=(("a", 80), ("b", 20)), session_events=100)) == "a"
    assert one_session(finding(sessions=(("a", 79),), session_events=100)) is None


@pytest.mark.parametrize(("times", "seconds"), [(1, 900), (2, 3600), (3, 14_400), (4, 86_400), (9, 86_400)])
@pytest.mark.parametrize("changes", [STOLEN, {"answer": SESSION_DENY}], ids=["user", "session"])
def test_abuse_that_comes_again_keeps_the_user_out_for_longer_each_time(
    changes: dict[str, Any], times: int, seconds: int
) -> None:
    decision = climbed(finding(**changes), times=times)
    assert (decision.scope, decision.value, decision.session) == ("user", SUB, None)
    assert (decision.not_before, decision.deny_until) == (CUT_OFF, NOW_S + seconds)
    assert decision.expires_at is not None
    assert decision.expires_at >= NOW_S + seconds
    assert decision.repeats == times


def test_a_longer_deny_of_the_rule_s_own_stays() -> None:
    given = finding(answer=response(deny_seconds=10**6))
    assert climbed(given, times=1).deny_until == NOW_S + 10**6


@pytest.mark.parametrize(
    ("changes", "base"), [({"answer": NETWORK_DENY}, 900), (MACHINE, 3600)], ids=["network", "client"]
)
def test_denies_of_addresses_and_machines_double_up_to_a_day(changes: dict[str, Any], base: int) -> None:
    lasts = [(climbed(finding(**changes), times=times).deny_until or 0) - NOW_S for times in (0, 1, 2, 40)]
    assert lasts == [base, 2 * base, 4 * base, 86_400]


def test_a_finding_that_needs_events_from_before_an_act_is_covered_by_it() -> None:
    act = Coverage(until=1000, by="act")
    assert is_covered(finding(proved_since=999), act)
    assert not is_covered(finding(proved_since=1000), act), "all of its events are later"
    assert not is_covered(finding(id="act", proved_since=999), act), "its own, delivered again"
    assert not is_covered(finding(first_time=-(10**18)), NOT_COVERED)
    assert is_covered(finding(first_time=1000), act), "an old finding, which does not say since when"


def test_only_a_lockout_covers_a_lockout() -> None:
    out = finding(proved_since=0, answer=response(deny_seconds=60))
    assert not is_covered(out, Coverage(until=1000, by="act"))
    assert is_covered(out, Coverage(until=1000, by="act", lockout=True))


def test_only_acts_of_the_day_before_the_evidence_are_repetitions() -> None:
    since = 10 * DAY_MS
    enforced = {
        "old": since - DAY_MS,
        "counts": since - DAY_MS + 1,
        "too": since,
        "later": since + 1,
        "f-1": since,
    }
    assert repeats(finding(proved_since=since), Coverage(by="too", enforced=enforced)) == 2


def test_a_user_is_named_by_the_value_of_the_decision() -> None:
    assert climbed(finding(answer=SESSION_DENY, session=SESSION)).value == SESSION
