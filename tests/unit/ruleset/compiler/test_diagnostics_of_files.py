# ruff: noqa: E501  a message on one line can be searched for
"""Mistakes of whole files: the policy, several rules together, what is no text or no YAML."""

from __future__ import annotations

from pathlib import Path

import pytest

from sessionwarden.errors import InputFileError
from sessionwarden.ruleset.compiler.compile import compile_rules
from tests.support.ruleset import COUNT, ID, OTHER_ID, SINGLE, changed, found


def test_the_rules_that_these_tests_break_are_in_order(tmp_path: Path) -> None:
    (tmp_path / "single.yml").write_text(SINGLE)
    (tmp_path / "count.yml").write_text(COUNT.replace(ID, OTHER_ID))
    assert [rule.title for rule in compile_rules([tmp_path]).rules] == ["Many", "A rule"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("defalts: {}", "1:1: defalts: unknown key (did you mean defaults?)"),
        (
            "defaults: {mode: off}",
            "1:12: defaults.mode: unknown value 'off' (known: enforce, observe)",
        ),
        (
            "defaults: {actions: {users: [alert]}}",
            "1:22: defaults.actions.users: unknown key (did you mean user?)",
        ),
        (
            "defaults: {actions: {identity: [deny]}}",
            "1:33: defaults.actions.identity[0]: deny is not supported for scope identity (another scope, or alert alone)",
        ),
        (
            "defaults: {actions: {source_ip: [sign_out]}}",
            "1:34: defaults.actions.source_ip[0]: sign_out needs scope user, not source_ip",
        ),
        (
            "defaults: {durations: {user: 1h}}",
            "1:24: defaults.durations.user: unknown key (known: client, source_ip)",
        ),
        (
            "defaults: {durations: {source_ip: 2d}}",
            "1:24: defaults.durations.source_ip: a source_ip is denied for 24h at most (a new finding denies it again)",
        ),
        (
            "protected: {source_ips: [203.0.113.7/24]}",
            "1:26: protected.source_ips[0]: '203.0.113.7/24' is not an address or a CIDR block (it has host bits set)",
        ),
        (
            "protected: {source_ips: [office]}",
            "1:26: protected.source_ips[0]: 'office' is not an address or a CIDR block (like 203.0.113.0/24)",
        ),
        (
            "protected: {source_ips: ['::ffff:203.0.113.7']}",
            "1:26: protected.source_ips[0]: '::ffff:203.0.113.7' is an IPv4 address in IPv6 (write it as IPv4)",
        ),
        (
            "limits: {broad_denies_per_hour: 0}",
            "1:10: limits.broad_denies_per_hour: must be at least 1, not 0 (to deny no client and no address, let their rules alert alone)",
        ),
        (
            "limits: {broad_denies_per_hour: 41}",
            "1:10: limits.broad_denies_per_hour: must be at most 40, not 41 (every authorizer reads a day's denies, every few seconds)",
        ),
        ("protected: {user: [a]}", "1:13: protected.user: unknown key (did you mean users?)"),
        ("protected: {users: a}", "1:13: protected.users: must be a list, not text"),
        (
            "protected: {groups: [1]}",
            "1:22: protected.groups[0]: must be text, not a whole number (quote it if it is text)",
        ),
        (
            "limits: {enforcements_per_hour: 0}",
            "1:10: limits.enforcements_per_hour: must be at least 1, not 0 (to act on no principal, deploy in observe)",
        ),
        (
            "limits: {alerts_per_hour: -1}",
            "1:10: limits.alerts_per_hour: must be at least 1, not -1 (to be told nothing, leave alert out of the actions)",
        ),
        (
            "limits: {enforcements_per_hour: 2.5}",
            "1:10: limits.enforcements_per_hour: must be a whole number, not the fraction 2.5",
        ),
        ("[1]", "1:1: must be a map, not a list"),
        ("limits: {}\n---\nlimits: {}", "3:1: a policy is one document"),
    ],
)
def test_mistake_of_the_policy_is_named_at_its_place(tmp_path: Path, text: str, expected: str) -> None:
    assert found(tmp_path, rule=SINGLE, policy=text) == [f"policy.yml:{expected}"]


def test_an_id_or_name_used_twice_is_reported_with_both_places(tmp_path: Path) -> None:
    other = COUNT.replace("title: Base", "title: Base 2").replace(f"id: {ID}", f"id: {ID.upper()}")
    assert found(tmp_path, a=COUNT, b=other) == [
        "b.yml:2:1: name: 'base' is taken by a.yml:2",
        f"b.yml:9:1: id: '{ID.upper()}' is taken by a.yml:9",
    ]


def test_all_mistakes_of_all_files_come_at_once(tmp_path: Path) -> None:
    single = SINGLE.replace("level: high", "level: hihg").replace("status: 401", "statsu: 401")
    assert found(tmp_path, a=single, b=COUNT.replace(ID, OTHER_ID).replace("gte: 5", "gte: 0"), c="a: [") == [
        "a.yml:3:1: level: unknown value 'hihg' (did you mean high?)",
        "a.yml:8:5: detection.sel.statsu: no event has a field 'statsu' (did you mean status?)",
        "b.yml:15:15: correlation.condition.gte: must be from 1 to 625, not 0",
        "c.yml:1:5: not YAML: expected the node content, but found '<stream end>'",
    ]


def test_a_file_that_is_not_yaml_does_not_make_its_rules_unknown(tmp_path: Path) -> None:
    base, count = COUNT.split("---\n")
    assert found(tmp_path, base=base + "x: [", count=count) == [
        "base.yml:7:5: not YAML: expected the node content, but found '<stream end>'"
    ]


def test_an_alias_is_reported_with_the_other_mistakes_and_only_once(tmp_path: Path) -> None:
    text = SINGLE.replace("level: high", "level: &l hihg").replace("scope: source_ip", "scope: *l")
    assert found(tmp_path, rule=text) == [
        "rule.yml:3:1: level: unknown value 'hihg' (did you mean high?)",
        "rule.yml:11:10: alias *l is not allowed (write it out)",
    ]


def test_a_folder_without_rules_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="no rules found"):
        compile_rules([tmp_path])


def test_a_file_that_does_not_exist_or_is_not_text_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "binary.yml").write_bytes(b"title: a\nx: \xff\n")
    with pytest.raises(InputFileError) as caught:
        compile_rules([tmp_path / "absent.yml", tmp_path / "binary.yml"])
    assert [str(diagnostic).replace(f"{tmp_path}/", "") for diagnostic in caught.value.diagnostics] == [
        "absent.yml: cannot be read: No such file or directory",
        "binary.yml:2:4: not UTF-8 text",
    ]


def test_a_mistake_never_shows_more_than_a_line_of_hostile_text(tmp_path: Path) -> None:
    (diagnostic,) = found(tmp_path, rule=changed(SINGLE, "level: high", 'level: "' + "\\e[2J" * 1000 + '"'))
    assert diagnostic.isprintable()
    assert len(diagnostic) < 250


def test_more_regular_expressions_than_a_process_can_hold_are_refused(tmp_path: Path) -> None:
    patterns = "[" + ", ".join(f"a{number}" for number in range(1001)) + "]"
    text = changed(SINGLE, "status: 401", f"path|re: {patterns}")
    (tmp_path / "rule.yml").write_text(text)
    with pytest.raises(InputFileError, match="more than 1,000 regular expressions in one set"):
        compile_rules([tmp_path])
