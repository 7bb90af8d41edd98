"""Whom a rule set would have touched, counted over events of a log."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.model.rules import CompiledRule
from sessionwarden.replay.impact import Impact, ImpactCount
from sessionwarden.replay.replayer import Replayer
from tests.support.detection import ANY_ADDRESS, event, events, response, rule, ruleset, selection


def counting(*rules: CompiledRule) -> ImpactCount:
    return ImpactCount(Replayer(ruleset(*rules), MemoryWindowStore()))


def impact_of(*rules: CompiledRule, users: int = 10, abusers: int = 1) -> Impact:
    """Of users with one event each, and abusers with three."""
    count = counting(*rules)
    count.feed([event(number, user=f"u{number}") for number in range(users)])
    for number in range(abusers):
        count.feed([event(100 + 10 * number + n, at=1000 + n, user=f"u{number}") for n in range(3)])
    return count.impact()


def answering(rule_id: str, **changes: Any) -> CompiledRule:
    return rule(rule_id, response=msgspec.structs.replace(response(), **changes))


def test_a_user_counts_once_however_many_rules_and_findings() -> None:
    impact = impact_of(answering("one"), answering("two"), abusers=2)
    assert (impact.users_seen, impact.users_touched, impact.share) == (10, 2, 0.2)
    assert impact.findings == {"one": 2, "two": 2}
    assert impact.users_by_rule == {"one": 2, "two": 2}


def test_rules_that_observe_or_only_alert_touch_nobody() -> None:
    impact = impact_of(answering("watching", mode="observe"), answering("telling", actions=("alert",)))
    assert (impact.users_touched, impact.users_observed, impact.share) == (0, 1, 0.0)
    assert impact.users_by_rule == {"watching": 1}


def test_who_is_touched_anyway_is_not_counted_as_observed_too() -> None:
    impact = impact_of(answering("acting"), answering("watching", mode="observe"))
    assert (impact.users_touched, impact.users_observed) == (1, 0)


def test_users_of_two_pools_with_one_name_are_two() -> None:
    count = counting(rule())
    count.feed([event(1, pool="one"), event(2, pool="two"), event(3, user=None)])
    assert count.impact().users_seen == 2


@pytest.mark.parametrize(("mode", "share"), [("enforce", 1.0), ("observe", 0.0)])
def test_acting_on_an_address_counts_as_acting_on_everybody_behind_it(mode: str, share: float) -> None:
    answer = msgspec.structs.replace(response(), scope="source_ip", mode=mode)
    by_address = rule(
        group_by=("source_ip",), selections=(selection(ANY_ADDRESS),), response=answer, threshold=3
    )
    count = counting(by_address)
    count.feed(events(3))
    assert (count.impact().share, count.impact().others) == (share, int(share))


def test_a_log_without_users_has_no_share() -> None:
    assert counting(rule()).impact().share == 0.0
