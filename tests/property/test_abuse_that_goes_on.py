"""Who goes on is stopped again, and who only comes after an abuser is not: plays against the oracle."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from sessionwarden.model.deny import CLOCK_SKEW_SECONDS
from sessionwarden.model.finding import Response
from sessionwarden.model.rules import CompiledRule
from tests.support.abuse.actors import Actor, play
from tests.support.abuse.guarded_api import GuardedApi
from tests.support.abuse.oracle import check
from tests.support.detection import MINUTE, rule, ruleset
from tests.support.enforcement import deployed

START = 1_800_000_000_000
PLAYS = 100
HOUR_S = 3600

ANSWERS: dict[str, dict[str, Any]] = {
    "user": {"actions": ("deny", "sign_out", "alert"), "deny_seconds": None},
    "session": {"actions": ("deny", "alert"), "deny_seconds": None},
    "source_ip": {"actions": ("deny", "alert"), "deny_seconds": 120},
}


def rate_rule(scope: str, *, threshold: int, timespan_ms: int = MINUTE, **changes: Any) -> CompiledRule:
    answer: dict[str, Any] = {"scope": scope, "mode": "enforce", "cooldown_ms": 15 * MINUTE} | ANSWERS[scope]
    return rule(
        "rate",
        threshold=threshold,
        timespan_ms=timespan_ms,
        group_by=(scope,),
        response=Response(**(answer | changes)),
    )


def an_api(*rules: CompiledRule, **changes: Any) -> GuardedApi:
    return GuardedApi(ruleset(*rules), deployed(**changes), START)


@pytest.mark.parametrize("seed", range(PLAYS))
def test_abuse_that_goes_on_is_stopped_and_what_followed_the_last_act_justifies_the_next(seed: int) -> None:
    random = Random(seed)
    scope = random.choice([*ANSWERS])
    timespan_s = random.choice((20, 60, 120))
    threshold = random.randint(4, 3 * timespan_s)
    one_rule = rate_rule(scope, threshold=threshold, timespan_ms=timespan_s * 1000)
    limit = random.choice((1, 3, 20))
    api = GuardedApi(
        ruleset(one_rule),
        deployed(limit=limit),
        START,
        random=random,
        processes=random.choice((1, 3)),
    )
    # over the limit, nothing is left to do about a denied session where no authorizer of ours asks
    guarded = limit < 20 or random.random() < 0.8
    rate = threshold / timespan_s
    actors = [random_actor(random, rate, guarded=guarded) for _ in range(random.randint(1, 3))]
    seconds = 7 * timespan_s
    stop_s = random.randrange(seconds) if random.random() < 0.3 else seconds
    play(api, actors, seconds=stop_s, random=random)
    stopped = []
    if stop_s < seconds:
        begin = api.now_ms
        api.world.control.stop(by="on-call", at_ms=begin)
        play(api, actors, seconds=timespan_s, random=random)
        api.world.control.resume()
        stopped = [(begin, api.now_ms)]
        play(api, actors, seconds=seconds - stop_s, random=random)
    check(api, one_rule, stopped=stopped)


def random_actor(random: Random, limit: float, *, guarded: bool) -> Actor:
    return Actor(
        random.choice(("victim", "victim", "other")),
        rate=limit * random.choice((0.3, 0.8, 1.5, 4)),
        devices=random.choice((1, 1, 2, 4)),
        start_s=random.randrange(30),
        pause_s=random.choice((0, 0, 5, 60)),
        gives_up=random.random() < 0.2,
        source_ip=random.choice(("192.0.2.1", "192.0.2.1", "198.51.100.7")),
        guarded=guarded,
    )


def test_an_abuser_who_signs_in_again_and_goes_on_is_stopped_again_within_two_timespans() -> None:
    api = an_api(rate_rule("user", threshold=300))
    abuser = Actor("victim", rate=100)
    play(api, [abuser], seconds=HOUR_S, random=Random(0))
    first, second, *_ = api.acts
    assert second.decision.created_at - first.done_ms <= 2 * MINUTE
    assert (first.decision.scope, first.decision.narrowed) == ("session", True)
    assert (second.decision.scope, second.decision.repeats) == ("user", 1)
    locked = [(act.decision.deny_until or 0) - act.decision.created_at // 1000 for act in api.acts[1:]]
    assert locked == [15 * 60, HOUR_S], "each deny is longer than the one before"
    assert abuser.served < 3_000, "of 360,000 that were tried"


def test_the_owner_who_signs_in_after_the_thief_was_cut_is_not_taken_for_the_thief() -> None:
    slow = rate_rule("user", threshold=900, timespan_ms=10 * MINUTE)
    fast = rate_rule("user", threshold=300)
    both = [slow, rule("fast", response=fast.response, threshold=300)]
    api = GuardedApi(ruleset(*both), deployed(), START)
    thief = Actor("victim", rate=30, gives_up=True, source_ip="198.51.100.7")
    owner = Actor("victim", rate=0.8, start_s=30)
    play(api, [thief, owner], seconds=1200, random=Random(0))
    assert [act.decision.value for act in api.acts] == [thief.sessions[0] or "victim-0"]
    assert owner.refused == 0


def test_what_an_act_left_undone_is_not_silent_until_the_period_ends() -> None:
    api = an_api(rate_rule("user", threshold=300), limit=1)
    sacrificed, main = Actor("other", rate=20, devices=2), Actor("victim", rate=50, devices=10, start_s=120)
    play(api, [sacrificed, main], seconds=HOUR_S, random=Random(0))
    assert main.served < 10_000, "of 174,000"
    over = [act for act in api.acts if act.decision.reduced == "budget" and act.decision.user == "victim"]
    first, *later = over
    assert (first.decision.scope, len(first.decision.more_sessions)) == ("session", 9), "all that took part"
    assert {(act.decision.scope, act.decision.not_before) for act in later} == {("user", None)}
    assert all(act.decision.actions == ("deny", "alert") for act in over), "short, and can be taken back"


def test_after_the_kill_switch_abuse_that_goes_on_meets_an_act() -> None:
    api = an_api(rate_rule("user", threshold=300))
    api.world.control.stop(by="on-call", at_ms=START)
    abuser = Actor("victim", rate=10)
    play(api, [abuser], seconds=300, random=Random(0))
    assert api.acts == []
    assert len(api.world.decisions.list(since_ms=0, limit=99)) == 1, "reminders are not recorded"
    resumed = api.now_ms
    api.world.control.resume()
    play(api, [abuser], seconds=60, random=Random(0))
    assert api.acts[0].decision.created_at - resumed <= MINUTE


def test_two_rules_that_find_the_same_abuse_act_once() -> None:
    rules = [
        rate_rule("user", threshold=300),
        rule("other", response=rate_rule("user", threshold=1).response),
    ]
    api = an_api(*rules)
    play(api, [Actor("victim", rate=20, gives_up=True)], seconds=120, random=Random(0))
    assert len(api.acts) == 1


def test_an_operator_who_lifts_a_decision_is_not_contradicted_at_once() -> None:
    api = an_api(rate_rule("user", threshold=300))
    person = Actor("victim", rate=10)
    play(api, [person], seconds=60, random=Random(0))
    (act,) = api.acts
    api.world.lift.lift(act.decision.id, lifted_at=api.now_ms // 1000, by="on-call", revive_tokens=False)
    play(api, [person], seconds=10 * 60, random=Random(0))
    assert len(api.acts) == 1
    play(api, [person], seconds=10 * 60, random=Random(0))
    assert len(api.acts) > 1, "the rule holds again a quarter of an hour later"


def test_a_cut_off_reaches_as_far_as_clocks_may_differ() -> None:
    api = an_api(rate_rule("user", threshold=20))
    first, second = api.sign_in("victim"), api.sign_in("victim")
    assert first is not None
    assert second is not None
    for number in range(20):
        api.request((first, second)[number % 2], at_ms=START + number)
    for _ in range(10):
        api.step()
    (act,) = api.acts
    acted_s = act.decision.created_at // 1000
    # signed in just before, by a pool whose clock is as fast as the authorizer tolerates
    fast = replace(first, name="fast", auth_time=acted_s + CLOCK_SKEW_SECONDS)
    assert not api.request(fast, at_ms=(acted_s + CLOCK_SKEW_SECONDS) * 1000)
    while api.now_ms // 1000 <= acted_s + CLOCK_SKEW_SECONDS:
        assert api.sign_in("victim") is None, (
            "told to try again, instead of given tokens that will never work"
        )
        api.step()
    again = api.sign_in("victim")
    assert again is not None
    assert api.request(again)


def test_after_a_lift_a_new_sign_in_waits_for_no_clock() -> None:
    api = an_api(rate_rule("user", threshold=20))
    sessions = [api.sign_in("victim"), api.sign_in("victim")]
    for number in range(20):
        session = sessions[number % 2]
        assert session is not None
        api.request(session, at_ms=START + number)
    while not api.acts:
        api.step()
    (act,) = api.acts
    api.step()
    api.world.lift.lift(act.decision.id, lifted_at=api.now_ms // 1000, by="on-call", revive_tokens=False)
    again = api.sign_in("victim")
    assert again is not None
    assert api.request(again)
