"""A value that YAML cannot read, at every place of a rule set: mistakes, and never an exception."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sessionwarden.authoring.cases import load_cases
from sessionwarden.errors import InputFileError
from sessionwarden.ruleset.compiler.compile import check_rules

UNREADABLE = {
    "a number of 5,001 digits": "1" + "0" * 5000,
    "a number that begins with 0": "017",
    "a number that is not finite": ".inf",
    "an unknown tag": "!python/name:os.system x",
    "half a character": '"\\ud800"',
}

RULES = """\
title: Base
name: base
id: 00000000-0000-4000-8000-000000000009
status: test
date: 2026-01-01
tags: [attack.t1110]
logsource: {category: api_access}
detection:
  one: {status: 403, path|re: a+, source_ip|cidr: 10.0.0.0/8, user|exists: true, latency_ms|gt: 5}
  two: [word, other]
  condition: one or two
level: low
---
title: Many
id: 00000000-0000-4000-8000-000000000001
level: high
correlation:
  type: value_percentile
  rules: [base]
  group-by: [user, who]
  timespan: 5m
  aliases: {who: {base: client}}
  generate: true
  condition: {field: latency_ms, percentile: 95, gte: 20, lt: 90}
response: {scope: user, mode: enforce, actions: [alert], cooldown: 5m}
---
title: Some
id: 00000000-0000-4000-8000-000000000003
level: high
correlation:
  type: value_count
  rules: [base]
  group-by: [user]
  timespan: 5m
  condition: {field: path, gt: 20}
response: {scope: user, mode: enforce, actions: [deny, alert], duration: 1h, cooldown: 5m}
---
title: Spare
id: 00000000-0000-4000-8000-000000000002
logsource: {category: api_access}
filter:
  rules: [base]
  office: {source_ip: 10.0.0.1}
  condition: not office
"""
CASES = """\
rule: 00000000-0000-4000-8000-000000000001
defaults: {source: api_access, status: 403}
actors: {mallory: {user: mallory}}
cases:
  - name: many
    kind: matching
    deliver: twice
    events: [{as: mallory, repeat: 3, every: 1s, at: 5s, latency_ms: 3}]
    expect: {exactly: [{user: mallory}]}
"""
POLICY = """\
protected: {users: [root], groups: [staff], source_ips: [10.0.0.0/8]}
limits: {enforcements_per_hour: 10, alerts_per_hour: 60}
defaults: {mode: observe, cooldown: 1h, durations: {source_ip: 1h}}
"""
SCALAR = re.compile(r"(?<=[\[ ])[^\s\[\]{},:]+(?=[\],}\n])")


def test_nothing_else_is_wrong_with_these_files(tmp_path: Path) -> None:
    for name, text in {"rule.yml": RULES, "rule.cases.yml": CASES, "policy.yml": POLICY}.items():
        (tmp_path / name).write_text(text)
    assert check_rules([tmp_path]).ruleset.rules
    assert load_cases(tmp_path / "rule.cases.yml").cases


def places(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in SCALAR.finditer(text)]


@pytest.mark.parametrize("unreadable", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_value_is_a_mistake_at_every_place_of_a_rule(tmp_path: Path, unreadable: str) -> None:
    assert len(places(RULES)) > 40
    for start, end in places(RULES):
        (tmp_path / "rule.yml").write_text(RULES[:start] + unreadable + RULES[end:])
        with pytest.raises(InputFileError):
            check_rules([tmp_path])


@pytest.mark.parametrize("unreadable", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_value_is_a_mistake_at_every_place_of_a_policy(tmp_path: Path, unreadable: str) -> None:
    (tmp_path / "rule.yml").write_text(RULES)
    assert len(places(POLICY)) > 6
    for start, end in places(POLICY):
        (tmp_path / "policy.yml").write_text(POLICY[:start] + unreadable + POLICY[end:])
        with pytest.raises(InputFileError):
            check_rules([tmp_path])


@pytest.mark.parametrize("unreadable", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_value_is_a_mistake_at_every_place_of_cases(tmp_path: Path, unreadable: str) -> None:
    file = tmp_path / "rule.cases.yml"
    assert len(places(CASES)) > 12
    for start, end in places(CASES):
        file.write_text(CASES[:start] + unreadable + CASES[end:])
        with pytest.raises(InputFileError):
            load_cases(file)
