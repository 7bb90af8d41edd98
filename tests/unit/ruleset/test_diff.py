from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sessionwarden.ruleset.diff import FieldChange, differences
from sessionwarden.ruleset.load import load_ruleset
from tests.support.detection import response, rule, ruleset, selection
from tests.support.published_sets import PUBLISHED_IN_FORMAT_1


def test_the_same_rules_in_another_order_do_not_differ() -> None:
    assert differences(ruleset(rule("a"), rule("b")), ruleset(rule("b"), rule("a"))).none


def test_the_same_rules_published_in_format_1_do_not_differ() -> None:
    published = load_ruleset(PUBLISHED_IN_FORMAT_1)
    compiled_anew = msgspec.structs.replace(published, digest="another, for it is another format")
    assert differences(published, compiled_anew).none


def test_rules_that_came_and_went_are_named_by_id() -> None:
    found = differences(ruleset(rule("b"), rule("stays")), ruleset(rule("stays"), rule("c"), rule("a")))
    assert [one.id for one in found.added] == ["a", "c"]
    assert [one.id for one in found.removed] == ["b"]
    assert not found.changed
    assert not found.none


def test_a_changed_rule_says_what_changed_within_its_response() -> None:
    milder = msgspec.structs.replace(response(), mode="observe", deny_seconds=60)
    (change,) = differences(ruleset(rule("a")), ruleset(rule("a", response=milder, level="low"))).changed
    assert change.fields == (
        FieldChange("level", "high", "low"),
        FieldChange("response.deny_seconds", None, 60),
        FieldChange("response.mode", "enforce", "observe"),
    )
    assert not change.counts_anew


def test_a_rule_that_counts_something_else_counts_anew() -> None:
    before = rule("a", window="one")
    after = rule("a", window="two", selections=(selection(["exists", "client"]),))
    (change,) = differences(ruleset(before), ruleset(after)).changed
    assert change.counts_anew
    assert [field.path for field in change.fields] == ["selections"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"response": msgspec.structs.replace(response(), mode="observe")}, "only observes"),
        (
            {"response": msgspec.structs.replace(response(), actions=("deny",))},
            "no longer does sign_out",
        ),
        ({"response": msgspec.structs.replace(response(), scope="session")}, "acts on another scope"),
        (
            {"selections": (selection(["and", ["exists", "user"], ["not", ["exists", "path"]]]),)},
            "counts other events, keys or times",
        ),
        ({"window": "another"}, "counts other events, keys or times"),
        ({"threshold": 3000}, "has another threshold"),
        ({"emits": False}, "is gone"),
    ],
)
def test_a_rule_that_acted_and_may_do_less_is_named_with_the_reason(
    changes: dict[str, Any], reason: str
) -> None:
    acting = msgspec.structs.replace(response(), actions=("deny", "sign_out"))
    before = ruleset(rule("a", response=acting), rule("b"))
    after = ruleset(rule("a", **{"response": acting} | changes), rule("b"))
    (weakened,) = differences(before, after).weakened
    assert weakened.rule.id == "a"
    assert reason in weakened.reasons


def test_an_acting_rule_that_is_gone_is_named_and_an_observing_one_is_not() -> None:
    observing = msgspec.structs.replace(response(), mode="observe")
    before = ruleset(rule("acting"), rule("observing", response=observing), rule("stays"))
    (weakened,) = differences(before, ruleset(rule("stays"))).weakened
    assert (weakened.rule.id, weakened.reasons) == ("acting", ("is gone",))


def test_a_rule_whose_title_changed_is_not_weaker() -> None:
    found = differences(ruleset(rule("a")), ruleset(rule("a", title="Another name")))
    assert found.changed
    assert not found.weakened
