"""Compiled rules that the engine must not run, with a good digest, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sessionwarden.errors import RulesetError
from sessionwarden.model.rules import CompiledRule, Inner
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.compiler.compile import compile_rules, dump_ruleset
from sessionwarden.ruleset.load import digest_of, load_ruleset

RULES = """\
title: One
name: one
logsource: {category: api_access}
detection: {s: {status: 401}, condition: s}
---
title: Two
name: two
logsource: {category: api_access}
detection: {s: {path: /x}, condition: s}
---
title: Count
id: 00000000-0000-4000-8000-000000000001
correlation: {type: event_count, rules: [one], group-by: [user], timespan: 5m, condition: {gte: 3}}
---
title: Sum
id: 00000000-0000-4000-8000-000000000002
correlation:
  {type: value_sum, rules: [one], group-by: [user], timespan: 5m, condition: {gte: 3, field: response_bytes}}
---
title: Order
id: 00000000-0000-4000-8000-000000000003
correlation:
  type: temporal_ordered
  rules: [one, two]
  group-by: [user, place]
  timespan: 5m
  aliases: {place: {one: path, two: referer}}
---
title: Burst
name: burst
correlation: {type: event_count, rules: [two], group-by: [user, source_ip], timespan: 5m, condition: {gte: 3}}
---
title: Chain
id: 00000000-0000-4000-8000-000000000004
correlation:
  {type: value_count, rules: [burst], group-by: [user], timespan: 1h, condition: {gte: 2, field: source_ip}}
---
title: Quiet
id: 00000000-0000-4000-8000-000000000005
correlation: {type: event_count, rules: [one], group-by: [user], timespan: 7m, condition: {lt: 3}}
---
title: Each
id: 00000000-0000-4000-8000-000000000006
logsource: {category: api_access}
detection: {s: {status: 500}, condition: s}
"""


DENY = {"response_actions": ("deny", "alert"), "response_deny_seconds": 900}
CLIENT = {"group_by": ("client",), "response_scope": "client"}


@pytest.fixture(scope="module")
def ruleset(tmp_path_factory: pytest.TempPathFactory) -> CompiledRuleset:
    file: Path = tmp_path_factory.mktemp("rules") / "rules.yml"
    file.write_text(RULES)
    return compile_rules([file])


def forged(ruleset: CompiledRuleset, title: str, change: Mapping[str, Any]) -> bytes:
    """The rule set with one rule changed in a way that the compiler never would, and a digest for it."""

    def changed(rule: CompiledRule) -> CompiledRule:
        response = {key[9:]: change[key] for key in change if key.startswith("response_")}
        fields = {key: change[key] for key in change if not key.startswith("response_")}
        fields["response"] = msgspec.structs.replace(rule.response, **response)
        if "fields" in fields:
            members = [
                msgspec.structs.replace(one, fields=fields.pop("fields")) for one in rule.selections[:1]
            ]
            fields["selections"] = (*members, *rule.selections[1:])
        return msgspec.structs.replace(rule, **fields)

    rules = tuple(changed(rule) if rule.title == title else rule for rule in ruleset.rules)
    other = msgspec.structs.replace(ruleset, rules=rules)
    return dump_ruleset(msgspec.structs.replace(other, digest=digest_of(other)))


def test_the_rules_that_these_tests_forge_are_in_order(ruleset: CompiledRuleset) -> None:
    assert load_ruleset(dump_ruleset(ruleset)) == ruleset
    assert load_ruleset(forged(ruleset, "Count", {})) == ruleset


@pytest.mark.parametrize(
    ("title", "change", "complaint"),
    [
        ("Each", DENY | {"response_deny_seconds": None}, "denies a source_ip without an end"),
        ("Each", DENY | {"response_deny_seconds": 86_401}, "denies a source_ip without an end"),
        ("Each", DENY | {"response_actions": ("deny", "sign_out")}, "cannot do deny, sign_out about"),
        ("Each", {"response_actions": ("disable_user",)}, "cannot do disable_user about"),
        ("Count", DENY | CLIENT, "denies a client whose pool it does not know"),
        ("Count", {"group_by": ("claimed_user",)}, "cannot be grouped by claimed_user"),
        ("Count", {"group_by": ("groups", "user")}, "cannot be grouped by groups, user"),
        ("Count", {"group_by": ("user", "user")}, "cannot be grouped by user, user"),
        ("Count", {"group_by": ("user", "a\x1b[31m")}, "cannot be grouped by user"),
        ("Count", {"group_by": ("user", "place")}, "cannot take its key from user, place"),
        ("Count", {"group_by": ()}, "cannot be grouped by nothing"),
        ("Count", {"group_by": ("source_ip",)}, "does not group by its scope, user"),
        ("Count", {"fields": ("username",)}, "calls username user"),
        ("Count", {"fields": ("claimed_user",)}, "cannot take its key from claimed_user"),
        ("Count", {"fields": ("user", "path")}, "cannot take its key from user, path"),
        ("Order", {"fields": ("user", "groups")}, "cannot take its key from user, groups"),
        ("Order", {"fields": ()}, "cannot take its key from user, place"),
        ("Order", {"fields": ("username", "path")}, "calls username user"),
        ("Chain", {"inner": (Inner(rule="burst", fields=("source_ip",)),)}, "calls source_ip user"),
        ("Chain", {"inner": (Inner(rule="burst", fields=("path",)),)}, "cannot take its key from path"),
        ("Chain", {"inner": (Inner(rule="burst", fields=("user", "user")),)}, "cannot take its key from"),
        ("Chain", {"inner": (Inner(rule="gone"),)}, "builds on gone, which is no correlation"),
        (
            "Chain",
            {"inner": (Inner(rule="00000000-0000-4000-8000-000000000006"),)},
            "which is no correlation",
        ),
        ("Chain", {"inner": (Inner(rule="burst"), Inner(rule="burst"))}, "two members of one name"),
        ("Chain", {"inner": ()}, "selects nothing"),
        ("Chain", {"value_field": "path"}, "counts path, which burst does not have"),
        ("Chain", {"kind": "value_sum", "value_field": "latency_ms"}, "counts latency_ms, which burst"),
        ("Chain", {"bounds": (("gte", 626),)}, "no usable threshold"),
        (
            "Chain",
            {"kind": "event_count", "value_field": None, "bounds": (("gte", 626),)},
            "no usable thresh",
        ),
        ("Burst", {"inner": (Inner(rule="00000000-0000-4000-8000-000000000004"),)}, "cannot take its key"),
        (
            "Count",
            {"inner": (Inner(rule="00000000-0000-4000-8000-000000000001"),)},
            "builds on itself, or on more than 4",
        ),
        ("Count", {"selections": ()}, "selects nothing"),
        ("Count", {"bounds": (("gte", 0),)}, "no usable threshold"),
        ("Count", {"bounds": (("gte", 10_001),)}, "no usable threshold"),
        ("Count", {"bounds": ()}, "no usable threshold"),
        ("Count", {"bounds": (("gte", 1), ("gt", 1))}, "no usable threshold"),
        ("Count", {"bounds": (("lt", 9), ("gte", 1))}, "no usable threshold"),
        ("Count", {"bounds": (("gte", 1), ("lt", 9), ("neq", 5))}, "no usable threshold"),
        ("Order", {"bounds": (("gte", 2),)}, "no usable threshold"),
        ("Each", {"bounds": (("gte", 2),)}, "no usable threshold"),
        ("Each", {"timespan_ms": 1000}, "no usable threshold"),
        ("Each", {"emits": False}, "is of single events and builds on others or serves them"),
        ("Each", {"group_by": ("source_ip", "place"), "fields": ("source_ip", "path")}, "cannot be grouped"),
        ("Count", {"timespan_ms": 0}, "no usable threshold"),
        ("Count", {"timespan_ms": -5}, "no usable threshold"),
        ("Count", {"value_field": "path"}, "counts values of path"),
        ("Count", {"kind": "value_count"}, "counts values of None"),
        ("Sum", {"value_field": "path"}, "counts values of path"),
        ("Sum", {"percentile": 50}, "has the percentile 50"),
        ("Sum", {"kind": "value_percentile"}, "has the percentile None"),
        ("Sum", {"kind": "value_percentile", "percentile": 101}, "has the percentile 101"),
        ("Order", {"steps": ("one",)}, "has the steps one"),
        ("Order", {"steps": ("one", "one")}, "has the steps one, one"),
        ("Order", {"steps": ("one", "three")}, "has the steps one, three"),
        ("Order", {"steps": ()}, "has the steps of nothing"),
        ("Count", {"steps": ("one",)}, "has the steps one"),
        ("Quiet", {"response_actions": ("deny", "alert")}, "acts on what a late event can undo"),
        ("Quiet", {"response_deny_seconds": 60}, "acts on what a late event can undo"),
        ("Burst", {"bounds": (("lt", 3),), "response_actions": ("alert",)}, "acts on what a late event can"),
        ("Sum", {"kind": "value_avg"}, "acts on what a late event can undo"),
        ("Count", {"bounds": (("gte", 2), ("lt", 9))}, "acts on what a late event can undo"),
        (
            "Each",
            {"response_actions": ("deny",)},
            "denies a source_ip without an end",
        ),
        ("Count", {"id": "00000000-0000-4000-8000-000000000002"}, "two rules have the same id"),
    ],
)
def test_a_rule_set_that_must_not_run_is_refused_even_with_a_good_digest(
    ruleset: CompiledRuleset, title: str, change: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(RulesetError, match=complaint):
        load_ruleset(forged(ruleset, title, change))


def test_rules_that_count_different_things_cannot_share_a_window(ruleset: CompiledRuleset) -> None:
    windows = {rule.title: rule.window for rule in ruleset.rules}
    with pytest.raises(RulesetError, match="cannot share"):
        load_ruleset(forged(ruleset, "Count", {"window": windows["Quiet"]}))


def test_what_can_be_undone_twice_is_refused(ruleset: CompiledRuleset) -> None:
    quiet = (Inner(rule="00000000-0000-4000-8000-000000000005"),)
    change = {"inner": quiet, "bounds": (("lt", 2),), "response_actions": ("alert",)}
    with pytest.raises(RulesetError, match="can be undone by what can be undone itself"):
        load_ruleset(forged(ruleset, "Count", change))


def test_more_regular_expressions_than_a_process_can_hold_are_refused(ruleset: CompiledRuleset) -> None:
    expression = ["or", *(["re", "path", f"a{number}", ""] for number in range(1001))]
    each = next(rule for rule in ruleset.rules if rule.title == "Each")
    selection = msgspec.structs.replace(each.selections[0], expression=expression)
    with pytest.raises(RulesetError, match="1001 regular expressions"):
        load_ruleset(forged(ruleset, "Each", {"selections": (selection,)}))
