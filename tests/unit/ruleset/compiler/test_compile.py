# ruff: noqa: E501  a table of rules reads better in rows
"""What rules mean once compiled, and that the compiled form is stable and guarded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sessionwarden.errors import InputFileError, RulesetError
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Response
from sessionwarden.model.rules import CompiledRule
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.compiler.compile import (
    CheckedRules,
    check_rules,
    compile_policy,
    compile_rules,
    dump_ruleset,
)
from sessionwarden.ruleset.load import load_ruleset
from sessionwarden.ruleset.matching.predicates import compile_expression

BASE = """\
title: Base
name: base
logsource: {category: api_access}
detection:
  sel: {status: 401}
  condition: sel
---
"""


def rule_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def single(detection: str, *, response: str = "", category: str = "api_access", number: int = 1) -> str:
    indented = "\n".join("  " + line for line in detection.strip().splitlines())
    return (
        f"title: Rule {number}\nid: {rule_id(number)}\nlogsource: {{category: {category}}}\n"
        f"detection:\n{indented}\n{response}\n"
    )


def count(group_by: str, *, response: str = "", more: str = "", timespan: str = "5m", number: int = 2) -> str:
    return (
        f"title: Count {number}\nid: {rule_id(number)}\ncorrelation:\n  type: event_count\n  rules: [base]\n"
        f"  group-by: {group_by}\n  timespan: {timespan}\n  condition: {{gte: 3}}\n{more}\n{response}\n"
    )


@pytest.fixture
def checked(tmp_path: Path) -> Callable[..., CheckedRules]:
    def check_texts(*texts: str, policy: str | None = None) -> CheckedRules:
        for number, text in enumerate(texts):
            (tmp_path / f"{number}.yml").write_text(text)
        if policy is not None:
            (tmp_path / "policy.yml").write_text(policy)
        return check_rules([tmp_path])

    return check_texts


@pytest.fixture
def compiled(checked: Callable[..., CheckedRules]) -> Callable[..., CompiledRuleset]:
    return lambda *texts, policy=None: checked(*texts, policy=policy).ruleset


Check = Callable[..., CheckedRules]
Compile = Callable[..., CompiledRuleset]


def only(ruleset: CompiledRuleset) -> CompiledRule:
    (rule,) = ruleset.rules
    return rule


def event(**fields: Any) -> Event:
    return msgspec.convert({"id": "e", "time": 1_000, "source": "api_access", **fields}, Event)


def matches(compiled: Compile, detection: str, **fields: Any) -> bool:
    (selection,) = only(compiled(single(detection))).selections
    return compile_expression(selection.expression)(event(**fields))


@pytest.mark.parametrize(
    ("detection", "fields", "expected"),
    [
        ("s: {path: /Admin}\ncondition: s", {"path": "/aDMIN"}, True),
        ("s: {path|cased: /Admin}\ncondition: s", {"path": "/admin"}, False),
        ("s: {path: [/a, /b]}\ncondition: s", {"path": "/b"}, True),
        ("s: {path: /a*c}\ncondition: s", {"path": "/abbbc"}, True),
        ('s: {path: "/a?c"}\ncondition: s', {"path": "/abbc"}, False),
        (r"s: {path: '/a\*c'}" + "\ncondition: s", {"path": "/abc"}, False),
        (r"s: {path: '/a\*c'}" + "\ncondition: s", {"path": "/a*c"}, True),
        (r"s: {path: 'a\\*'}" + "\ncondition: s", {"path": "a\\bc"}, True),
        (r"s: {path: 'C:\x'}" + "\ncondition: s", {"path": "c:\\x"}, True),
        ("s: {path|contains: [a, b]}\ncondition: s", {"path": "xbx"}, True),
        ("s: {path|contains|all: [a, b]}\ncondition: s", {"path": "xbx"}, False),
        ("s: {path|contains|all: [a, b]}\ncondition: s", {"path": "ba"}, True),
        ("s: {path|contains: a*c}\ncondition: s", {"path": "xabcx"}, True),
        ("s: {path|startswith: /API}\ncondition: s", {"path": "/api/x"}, True),
        ("s: {path|endswith|cased: .BAK}\ncondition: s", {"path": "x.bak"}, False),
        ("s: {path|re: 'a.c'}\ncondition: s", {"path": "xaBcx"}, True),
        ("s: {path|re: 'A.C'}\ncondition: s", {"path": "abc"}, False),
        ("s: {path|re|i: 'A.C'}\ncondition: s", {"path": "abc"}, True),
        ("s: {source_ip|cidr: [10.0.0.0/8, '2001:db8::/32']}\ncondition: s", {"source_ip": "2001:db8::7"}, True),
        ("s: {user|exists: true}\ncondition: s", {"user": "u"}, True),
        ("s: {user|exists: false}\ncondition: s", {"user": "u"}, False),
        ("s: {user: null}\ncondition: s", {}, True),
        ("s: {user: ''}\ncondition: s", {}, True),
        ("s: {cs-referer: '-'}\ncondition: s", {"referer": "x"}, False),
        ("s: {user: '*'}\ncondition: s", {}, False),
        ("s: {user: ['alice', null]}\ncondition: s", {}, True),
        ("s: {user: alice}\ncondition: not s", {}, True),
        ("s: {status: '404'}\ncondition: s", {"status": 404}, True),
        ("s: {status: 4*}\ncondition: s", {"status": 404}, True),
        ("s: {status|gte: 400, status|lt: 500}\ncondition: s", {"status": 500}, False),
        ("s: {status|gte: 400, status|lt: 500}\ncondition: s", {"status": 499}, True),
        ("s: {groups: admins}\ncondition: s", {"groups": ["users", "Admins"]}, True),
        ("s: {groups|contains|all: [adm, use]}\ncondition: s", {"groups": ["users", "Admins"]}, True),
        ("s: [{status: 401}, {path: /a}]\ncondition: s", {"path": "/a"}, True),
        ("s: ['${jndi:', x]\ncondition: s", {"user_agent": "${JNDI:ldap"}, True),
        ("s: ['${jndi:']\ncondition: s", {"user": "${jndi:"}, False),
        ("s: {'|all': [union, select]}\ncondition: s", {"query": "union", "referer": "select"}, True),
        ("s: {'|all': [union, select]}\ncondition: s", {"query": "union"}, False),
        ("s: word\ncondition: s", {"path": "/password"}, True),
        ("s: {c-ip: 10.0.0.1, cs-method: get}\ncondition: s", {"source_ip": "10.0.0.1", "method": "GET"}, True),
        ("s: {cs-uri: '/a?b=c'}\ncondition: s", {"path": "/a", "query": "b=c"}, True),
        ("s: {cs-uri|endswith: /a}\ncondition: s", {"path": "/a"}, True),
        ("s: {cs-username: Bob, sc-status: 200}\ncondition: s", {"username": "bob", "status": 200}, True),
        ("a1: {status: 1}\na2: {path: x}\ncondition: 1 of a*", {"path": "x"}, True),
        ("a1: {status: 1}\na2: {path: x}\ncondition: all of them", {"path": "x"}, False),
        ("a: {status: 1}\nb: {path: x}\nc: {query: y}\ncondition: a or b and not c", {"path": "x"}, True),
        ("a: {status: 1}\nb: {path: x}\nc: {query: y}\ncondition: (a or b) and not c", {"status": 1, "query": "y"}, False),
        ("a: {status: 1}\nb: {path: x}\ncondition: [a, b]", {"path": "x"}, True),
        ("s: {path|neq: /a}\ncondition: s", {"path": "/b"}, True),
        ("s: {path|neq: /a}\ncondition: s", {"path": "/A"}, False),
        ("s: {path|neq: /a}\ncondition: s", {}, True),
        ("s: {path|contains|neq: [a, b]}\ncondition: s", {"path": "xb"}, False),
        ("s: {path|contains|all|neq: [a, b]}\ncondition: s", {"path": "xb"}, True),
        ("s: {path|fieldref: referer}\ncondition: s", {"path": "/A", "referer": "/a"}, True),
        ("s: {path|fieldref: referer}\ncondition: s", {"path": "/a"}, False),
        ("s: {path|fieldref: referer}\ncondition: s", {}, False),
        ("s: {referer|fieldref|endswith: path}\ncondition: s", {"path": "/a", "referer": "https://x/A"}, True),
        ("s: {referer|fieldref|startswith: path}\ncondition: s", {"path": "/a", "referer": "https://x/A"}, False),
        ("s: {referer|fieldref|contains: host}\ncondition: s", {"host": "x.y", "referer": "https://x.y/"}, True),
        ("s: {latency_ms|fieldref: response_bytes}\ncondition: s", {"latency_ms": 7, "response_bytes": 7}, True),
        ("s: [GET /a]\ncondition: s", {"method": "GET", "path": "/a", "query": "b"}, True),
        ("s: ['/a?b']\ncondition: s", {"path": "/a", "query": "b"}, True),
        ("s: {'|all': [get, 404, curl]}\ncondition: s", {"method": "GET", "status": 404, "user_agent": "curl"}, True),
        ("s: {'|all': [get, 404, curl]}\ncondition: s", {"method": "GET", "status": 403, "user_agent": "curl"}, False),
        ("s: [union*select]\ncondition: s", {"query": "UNION ALL SELECT"}, True),
        ("s: {'|re': 'un.on$'}\ncondition: s", {"error": "union"}, True),
        ("s: {'|cased': A}\ncondition: s", {"path": "a"}, False),
        ("s: word\ncondition: s", {"user": "word", "session": "word"}, False),
        ("s: word\ncondition: s", {}, False),
        ("s: {cs-uri-query: a}\ncondition: s", {"path": "a"}, False),
        ("s: {sc-bytes|gt: 10}\ncondition: s", {"response_bytes": 11}, True),
        ("s: {claimed_user|startswith: adm}\ncondition: s", {"claimed_user": "Admin"}, True),
        ("s: {path: /a}\ncondition: s", {"path": "/a", "raw_path": "/%61"}, True),
        ("s: {path|contains: '%61'}\ncondition: s", {"path": "/a", "raw_path": "/%61"}, False),
        ("s: {raw_path: /a}\ncondition: s", {"path": "/a"}, True),
        ("s: {raw_path|exists: true}\ncondition: s", {"path": "/a"}, True),
        ("s: {raw_path|contains: '%61'}\ncondition: s", {"path": "/a", "raw_path": "/%61"}, True),
        ("s: {cs-uri-stem: /a}\ncondition: s", {"path": "/a", "raw_path": "/%61"}, True),
        ("s: {cs-uri-stem|contains: '%61'}\ncondition: s", {"path": "/a", "raw_path": "/%61"}, True),
        ("s: {cs-uri-stem|contains: '%61'}\ncondition: not s", {"path": "/a", "raw_path": "/%61"}, False),
        ("s: {cs-uri: '/a?b'}\ncondition: s", {"path": "/a", "raw_path": "/%61", "query": "b"}, True),
        ("s: {cs-uri: '/%61?b'}\ncondition: s", {"path": "/a", "raw_path": "/%61", "query": "b"}, True),
        ("s: ['/%61?b']\ncondition: s", {"path": "/a", "raw_path": "/%61", "query": "b"}, True),
        ("s: [forgot-password]\ncondition: s", {"path": "/forgot-password", "raw_path": "/forgot%2Dpassword"}, True),
    ],
)  # fmt: skip
def test_a_detection_means_what_sigma_says(
    compiled: Compile, detection: str, fields: dict[str, Any], expected: bool
) -> None:
    assert matches(compiled, detection, **fields) is expected


def test_webserver_rules_read_access_logs(compiled: Compile) -> None:
    rule = only(compiled(single("s: {sc-status: 200}\ncondition: s", category="webserver")))
    assert rule.selections[0].category == "api_access"


def test_alternatives_on_one_field_become_one_test(compiled: Compile) -> None:
    rule = only(compiled(single("s: {path|contains: [a, b, A]}\ncondition: s")))
    assert rule.selections[0].expression == ["contains", "path", ["a", "b"]]


def test_a_single_event_rule_groups_by_its_scope_and_alerts_on_the_address(compiled: Compile) -> None:
    rule = only(compiled(single("s: {status: 1}\ncondition: s")))
    assert (rule.kind, rule.group_by, rule.threshold, rule.timespan_ms) == ("event", ("source_ip",), 1, 0)
    assert rule.response == Response(
        scope="source_ip", mode="observe", actions=("alert",), deny_seconds=None, cooldown_ms=900_000
    )
    assert rule.level == "medium"


def test_a_single_event_rule_groups_by_the_scope_it_asks_for(compiled: Compile) -> None:
    rule = only(
        compiled(single("s: {status: 1}\ncondition: s", response="response: {scope: user, duration: 2h}"))
    )
    assert rule.group_by == ("user",)
    assert rule.response.actions == ("deny", "sign_out", "alert")
    assert rule.response.deny_seconds == 7200


def test_a_deny_of_a_client_or_an_address_has_the_policy_s_duration_unless_asked_for(
    compiled: Compile,
) -> None:
    deny = "response: {actions: [deny]}"
    texts = (
        BASE,
        count("[source_ip]", response=deny, number=2),
        "---\n" + count("[client, pool]", response=deny, number=3),
        "---\n" + count("[source_ip]", response="response: {actions: [deny], duration: 24h}", number=4),
        "---\n" + count("[source_ip]", number=5),
    )
    built_in = compiled("".join(texts)).rules
    assert [rule.response.deny_seconds for rule in built_in] == [900, 3600, 86_400, None]
    assert [rule.response.scope for rule in built_in] == ["source_ip", "client", "source_ip", "source_ip"]
    policy = "defaults: {durations: {client: 5m, source_ip: 90s}}"
    chosen = compiled("".join(texts), policy=policy).rules
    assert [rule.response.deny_seconds for rule in chosen] == [90, 300, 86_400, None]


def test_protected_networks_are_kept_in_one_form(checked: Check) -> None:
    policy = "protected: {source_ips: [2001:DB8:0::/48, 203.0.113.7, 198.51.100.0/24]}"
    found = checked(single("s: {status: 1}\ncondition: s"), policy=policy).policy
    assert found.protected.source_ips == ("198.51.100.0/24", "2001:db8::/48", "203.0.113.7/32")


@pytest.mark.parametrize(
    ("group_by", "scope"),
    [
        ("[source_ip, user, session, client]", "session"),
        ("[source_ip, user, client]", "user"),
        ("[identity, source_ip, client]", "client"),
        ("[source_ip, identity]", "identity"),
        ("[source_network, source_ip]", "source_ip"),
        ("[source_network]", "source_network"),
        ("[country, c-ip]", "source_ip"),
        ("source_ip", "source_ip"),
    ],
)
def test_the_scope_is_the_narrowest_principal_of_the_group_by(
    compiled: Compile, group_by: str, scope: str
) -> None:
    assert only(compiled(BASE + count(group_by))).response.scope == scope


def test_cooldown_is_never_shorter_than_two_timespans_unless_asked_for(compiled: Compile) -> None:
    short, long, asked = compiled(
        BASE
        + count("[user]", timespan="5m", number=2)
        + "---\n"
        + count("[user]", timespan="2h", number=3)
        + "---\n"
        + count("[user]", response="response: {cooldown: 1m}", number=4)
    ).rules
    cooldowns = [rule.response.cooldown_ms for rule in (short, long, asked)]
    assert cooldowns == [900_000, 14_400_000, 60_000]


def test_gt_means_one_more_than_gte(compiled: Compile) -> None:
    text = BASE + count("[user]").replace("gte: 3", "gt: 3")
    assert only(compiled(text)).threshold == 4


def test_a_rule_that_a_correlation_refers_to_emits_nothing_unless_generate(compiled: Compile) -> None:
    base = single("s: {status: 401}\ncondition: s").replace("title: Rule 1", "title: Rule 1\nname: base")
    silent = compiled(base + "---\n" + count("[user]"))
    assert [rule.title for rule in silent.rules] == ["Count 2"]
    loud = compiled(
        base + "---\n" + count("[user]").replace("  rules: [base]", "  rules: [base]\n  generate: true")
    )
    assert [rule.title for rule in loud.rules] == ["Rule 1", "Count 2"]


def test_a_correlation_refers_to_rules_by_id_and_across_files(compiled: Compile) -> None:
    text = count("[user]").replace("[base]", f"[{rule_id(1)}, {rule_id(3)}]")
    one, two = single("s: {status: 1}\ncondition: s"), single("s: {path: x}\ncondition: s", number=3)
    assert [selection.rule for selection in only(compiled(text, two, one)).selections] == [
        rule_id(1),
        rule_id(3),
    ]


def test_a_policy_file_sets_defaults_of_rules_protection_and_limits(checked: Check) -> None:
    found = checked(
        BASE + count("[user]"),
        policy=(
            "defaults: {mode: enforce, cooldown: 1h, actions: {user: [alert, deny]}}\n"
            "protected: {users: [b, a], groups: [admins]}\nlimits: {enforcements_per_hour: 7, alerts_per_hour: 5}\n"
        ),
    )
    response = only(found.ruleset).response
    assert (response.mode, response.cooldown_ms, response.actions) == (
        "enforce",
        3_600_000,
        ("deny", "alert"),
    )
    assert (found.policy.protected.users, found.policy.protected.groups) == (("a", "b"), ("admins",))
    assert (found.policy.enforcements_per_hour, found.policy.alerts_per_hour) == (7, 5)


def test_rules_observe_and_limits_hold_without_a_policy(checked: Check) -> None:
    found = checked(BASE + count("[user]"))
    assert only(found.ruleset).response.mode == "observe"
    assert (found.policy.enforcements_per_hour, found.policy.alerts_per_hour) == (20, 60)
    assert found.policy.broad_denies_per_hour == 20


def test_protection_and_limits_are_no_part_of_a_rule_set(compiled: Compile) -> None:
    rule = BASE + count("[user]")
    limited = compiled(rule, policy="protected: {users: [root]}\nlimits: {enforcements_per_hour: 1}")
    assert dump_ruleset(limited) == dump_ruleset(compiled(rule, policy="{}"))
    assert b"root" not in dump_ruleset(limited)


def test_a_policy_compiles_by_itself_to_what_it_is_beside_rules(checked: Check, tmp_path: Path) -> None:
    found = checked(BASE + count("[user]"), policy="limits: {alerts_per_hour: 5}")
    assert compile_policy(tmp_path / "policy.yml") == found.policy


def test_a_policy_by_itself_is_checked_as_beside_rules(tmp_path: Path) -> None:
    (tmp_path / "policy.yml").write_text("protectd: {users: [root]}")
    with pytest.raises(InputFileError, match="protectd"):
        compile_policy(tmp_path / "policy.yml")
    with pytest.raises(InputFileError, match="cannot be read"):
        compile_policy(tmp_path / "absent.yml")


def test_cases_policy_and_hidden_folders_are_no_rules(compiled: Compile, tmp_path: Path) -> None:
    (tmp_path / "x.cases.yml").write_text("rule: x\n")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "y.yml").write_text("not: a rule\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "z.yaml").write_text(BASE + count("[user]"))
    assert [rule.title for rule in compile_rules([tmp_path]).rules] == ["Count 2"]


def test_the_same_rules_give_the_same_bytes_whatever_their_files_are_called(tmp_path: Path) -> None:
    texts = [single(f"s: {{status: {number}}}\ncondition: s", number=number) for number in range(1, 6)]
    results = set()
    for name, order in (("one", texts), ("two", texts[::-1])):
        folder = tmp_path / name
        folder.mkdir()
        for number, text in enumerate(order):
            (folder / f"{name}{number}.yml").write_text(text)
        results.add(dump_ruleset(compile_rules([folder])))
    (tmp_path / "all.yml").write_text("---\n".join(texts))
    results.add(dump_ruleset(compile_rules([tmp_path / "all.yml"])))
    assert len(results) == 1


def test_a_window_is_shared_by_rules_that_differ_only_in_threshold_or_response(compiled: Compile) -> None:
    first = count("[user]", number=2)
    second = count("[user]", number=3, response="response: {actions: [alert]}").replace("gte: 3", "gte: 9")
    third = count("[user]", number=4, timespan="6m")
    windows = [rule.window for rule in compiled("---\n".join([BASE[:-4], first, second, third])).rules]
    assert windows[0] == windows[1] != windows[2]
    assert all(len(window) == 16 for window in windows)


def test_what_is_dumped_is_what_is_loaded(compiled: Compile) -> None:
    ruleset = compiled(BASE + count("[user]"), single("s: {path|re|i: a}\ncondition: s"))
    data = dump_ruleset(ruleset)
    assert load_ruleset(data) == ruleset
    assert dump_ruleset(load_ruleset(data)) == data


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"\xff", b"null", b'{"format":3,"digest":"","rules":[]}', b"[" * 100_000],
)
def test_bytes_that_are_no_rule_set_are_refused(data: bytes) -> None:
    with pytest.raises(RulesetError):
        load_ruleset(data)


def test_a_damaged_rule_set_is_refused(compiled: Compile) -> None:
    data = dump_ruleset(compiled(BASE + count("[user]")))
    with pytest.raises(RulesetError, match="digest"):
        load_ruleset(data.replace(b'["gte",3]', b'["gte",1]'))
