# ruff: noqa: E501  a message on one line can be searched for
"""Each class of mistake in a rule file, with the line and column it is reported at."""

from __future__ import annotations

from pathlib import Path

import pytest

from sessionwarden.errors import InputFileError
from sessionwarden.ruleset.compile import compile_rules

ID = "7b0c7a52-31fb-4bd0-9c35-3f7cfb5de111"
OTHER_ID = "11111111-31fb-4bd0-9c35-3f7cfb5de111"

SINGLE = f"""\
title: A rule
id: {ID}
level: high
logsource:
  category: api_access
detection:
  sel:
    status: 401
  condition: sel
response:
  scope: source_ip
"""

COUNT = f"""\
title: Base
name: base
logsource: {{category: api_access}}
detection:
  sel: {{status: 401}}
  condition: sel
---
title: Many
id: {ID}
correlation:
  type: value_count
  rules: [base]
  group-by: [user, source_ip]
  timespan: 5m
  condition: {{gte: 5, field: path}}
response:
  scope: user
"""


def found(folder: Path, **files: str) -> list[str]:
    """The mistakes of some files, without the folder's name."""
    for name, text in files.items():
        (folder / f"{name}.yml").write_text(text)
    with pytest.raises(InputFileError) as caught:
        compile_rules([folder])
    return [str(mistake).replace(f"{folder}/", "") for mistake in caught.value.mistakes]


def changed(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


def test_the_rules_that_these_tests_break_are_in_order(tmp_path: Path) -> None:
    (tmp_path / "single.yml").write_text(SINGLE)
    (tmp_path / "count.yml").write_text(COUNT.replace(ID, OTHER_ID))
    assert [rule.title for rule in compile_rules([tmp_path]).rules] == ["Many", "A rule"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("level: high", "levle: high", "3:1: levle: unknown key (did you mean level?)"),
        ("level: high", "level: hihg", "3:1: level: unknown value 'hihg' (did you mean high?)"),
        ("level: high", "level: 3", "3:1: level: must be text, not a whole number (quote it if it is text)"),
        (
            "level: high",
            "status: perhaps",
            "3:1: status: unknown value 'perhaps' (known: deprecated, experimental, stable, test, unsupported)",
        ),
        ("level: high", "date: soon", "3:1: date: Rule date 'soon' is invalid, use yyyy-mm-dd"),
        ("level: high", "tags: attack.t1110", "3:1: tags: must be a list, not text"),
        (
            "level: high",
            "tags: [a.b, 5]",
            "3:13: tags[1]: must be text, not a whole number (quote it if it is text)",
        ),
        ("level: high", "action: global", "3:1: action: action is not supported"),
        ("level: high", "id: x", "3:1: id: duplicate key, first on line 2"),
        ("title: A rule\n", "", "1:1: title is missing"),
        ("title: A rule", "title: ''", "1:1: title: title is missing"),
        ("title: A rule", 'title: "A\\e[31m"', "1:1: title: must be one line without control characters"),
        (f"id: {ID}\n", "", "1:1: id is missing (a UUID, which findings and decisions will name)"),
        (f"id: {ID}", "id: rule-1", "2:1: id: 'rule-1' is not a UUID"),
        (
            "  category: api_access",
            "  category: api_acess",
            "5:3: logsource.category: unknown value 'api_acess' (did you mean api_access?)",
        ),
        (
            "  category: api_access",
            "  product: aws\n  category: api_access",
            "5:3: logsource.product: product is not supported",
        ),
        (
            "  category: api_access",
            "  categry: api_access\n  category: api_access",
            "5:3: logsource.categry: unknown key (did you mean category?)",
        ),
        ("logsource:\n  category: api_access\n", "", "1:1: logsource is missing"),
        (
            "logsource:\n  category: api_access",
            "logsource: api_access",
            "4:1: logsource: must be a map, not text",
        ),
        (
            "status: 401",
            "statsu: 401",
            "8:5: detection.sel.statsu: no event has a field 'statsu' (did you mean status?)",
        ),
        (
            "status: 401",
            "cs-statu: 401",
            "8:5: detection.sel.cs-statu: no event has a field 'cs-statu' (did you mean sc-status?)",
        ),
        ("status: 401", "status: many", "8:5: detection.sel.status: status is a number, never 'many'"),
        (
            "status: 401",
            "path: 401",
            "8:5: detection.sel.path: path is text, and no text equals a number (quote it if it is text)",
        ),
        (
            "status: 401",
            "country: NO",
            "8:5: detection.sel.country: true and false match nothing (quote it if it is text)",
        ),
        (
            "status: 401",
            "path: 2024-01-01",
            "8:5: detection.sel.path: must be text or a number, not a date (quote it if it is text)",
        ),
        ("status: 401", "status: []", "8:5: detection.sel.status: an empty list matches nothing"),
        (
            "status: 401",
            "status: [[401]]",
            "8:14: detection.sel.status[0]: must be text or a number, not a list",
        ),
        (
            "status: 401",
            "path|contans: a",
            "8:5: detection.sel.path|contans: unknown modifier 'contans' (did you mean contains?)",
        ),
        ("status: 401", "path|base64: a", "8:5: detection.sel.path|base64: modifier base64 is not supported"),
        (
            "status: 401",
            "path|fieldref: query",
            "8:5: detection.sel.path|fieldref: modifier fieldref is not supported",
        ),
        (
            "status: 401",
            "path|contains|endswith: a",
            "8:5: detection.sel.path|contains|endswith: modifiers contains and endswith cannot be combined",
        ),
        ("status: 401", "path|all|all: a", "8:5: detection.sel.path|all|all: modifier all is repeated"),
        (
            "status: 401",
            "path|i: a",
            "8:5: detection.sel.path|i: the modifiers i, m and s need re before them",
        ),
        (
            "status: 401",
            "path|re|cased: a",
            "8:5: detection.sel.path|re|cased: modifiers cased and re cannot be combined",
        ),
        (
            "status: 401",
            "path|contains: ''",
            "8:5: detection.sel.path|contains: an empty text is in every value",
        ),
        (
            "status: 401",
            "path|re: 'ab(?=c)'",
            "8:5: detection.sel.path|re: RE2 cannot run this regular expression: invalid perl operator at position 3: '(?='",
        ),
        (
            "status: 401",
            r"path|re: ['a', '(x)\1']",
            r"8:20: detection.sel.path|re[1]: RE2 cannot run this regular expression: invalid escape sequence at position 4: '\1'",
        ),
        (
            "status: 401",
            "path|re: 'a{2000}'",
            "8:5: detection.sel.path|re: RE2 cannot run this regular expression: invalid repetition size at position 2: '{2000}'",
        ),
        (
            "status: 401",
            "path|re: '((((a{100}){100}){100}){100})'",
            "8:5: detection.sel.path|re: RE2 cannot run this regular expression: invalid repetition size at position 6: '{100}'",
        ),
        (
            "status: 401",
            "path|re: 5",
            "8:5: detection.sel.path|re: a regular expression must be text, not a whole number",
        ),
        (
            "status: 401",
            "source_ip|cidr: 10.0.0.1/8",
            "8:5: detection.sel.source_ip|cidr: Invalid CIDR expression: 10.0.0.1/8 has host bits set",
        ),
        (
            "status: 401",
            "path|cidr: 10.0.0.0/8",
            "8:5: detection.sel.path|cidr: cidr needs an address, and path is none (use it on source_ip)",
        ),
        (
            "status: 401",
            "path|gte: 5",
            "8:5: detection.sel.path|gte: path is text, and no text equals a number (quote it if it is text)",
        ),
        ("  sel:\n    status: 401", "  sel: {}", "7:3: detection.sel: an empty detection matches nothing"),
        ("  sel:\n    status: 401", "  sel: ['']", "7:9: detection.sel[0]: this keyword is in every event"),
        (
            "  sel:\n    status: 401",
            "  sel: [{status: 1}, word]",
            "7:22: detection.sel[1]: must be a map like its neighbours, not text",
        ),
        (
            "  sel:",
            "  other: {status: 1}\n  sel:",
            "7:3: detection.other: the condition never uses this detection (use it or remove it)",
        ),
        (
            "  sel:",
            "  timeframe: 5m\n  sel:",
            "7:3: detection.timeframe: timeframe is not supported (use a correlation with a timespan)",
        ),
        (
            "condition: sel",
            "condition: sel and",
            "9:3: detection.condition: cannot be understood at character 8 (and, or, not, (…), 1 of name*, all of them)",
        ),
        (
            "condition: sel",
            "condition: sel and sle",
            "9:3: detection.condition: no detection is named 'sle' (did you mean sel?)",
        ),
        (
            "condition: sel",
            "condition: sel or 1 of filter*",
            "9:3: detection.condition: 'filter*' selects no detection",
        ),
        (
            "condition: sel",
            "condition: 2 of sel*",
            "9:3: detection.condition: '2 of' is not supported (1 of, any of or all of)",
        ),
        (
            "condition: sel",
            "condition: sel | count() > 5",
            "9:3: detection.condition: aggregation after | is not supported (use a correlation)",
        ),
        (
            "condition: sel",
            "condition: " + "(" * 21 + "sel" + ")" * 21,
            "9:3: detection.condition: too long (2000 characters and 20 nested parentheses are the limit)",
        ),
        (
            "  condition: sel",
            "  condition: notsel\n  notsel: {status: 1}\n",
            "9:3: detection.condition: Sigma reads a name in it as an operator (rename the detection)",
        ),
        (
            "condition: sel",
            "condition: 5",
            "9:3: detection.condition: must be text, not a whole number (quote it if it is text)",
        ),
        ("  condition: sel\n", "", "6:1: detection: has no condition"),
        ("scope: source_ip", "scop: source_ip", "11:3: response.scop: unknown key (did you mean scope?)"),
        (
            "scope: source_ip",
            "scope: sourceip",
            "11:3: response.scope: unknown value 'sourceip' (did you mean source_ip?)",
        ),
        (
            "scope: source_ip",
            "mode: enforced",
            "11:3: response.mode: unknown value 'enforced' (did you mean enforce?)",
        ),
        (
            "scope: source_ip",
            "actions: []",
            "11:3: response.actions: must not be empty (alert alone is the least)",
        ),
        (
            "scope: source_ip",
            "actions: [alert, alert]",
            "11:20: response.actions[1]: 'alert' is listed twice",
        ),
        (
            "scope: source_ip",
            "actions: [ban]",
            "11:13: response.actions[0]: unknown value 'ban' (known: alert, deny, disable_user, sign_out)",
        ),
        (
            "scope: source_ip",
            "{scope: source_ip, actions: [deny], duration: 25h}",
            "11:39: response.duration: a source_ip is denied for 24h at most (a new finding denies it again)",
        ),
        (
            "scope: source_ip",
            "{scope: source_ip, actions: [deny, disable_user], duration: 1h}",
            "11:38: response.actions[1]: disable_user needs scope user, not source_ip",
        ),
        (
            "scope: source_ip",
            "{scope: identity, actions: [deny]}",
            "11:31: response.actions[0]: deny is not supported for scope identity (another scope, or alert alone)",
        ),
        (
            "scope: source_ip",
            "{scope: client, actions: [deny], duration: 1h}",
            "10:1: response: a deny of a client needs its pool (count by client and pool)",
        ),
        (
            "scope: source_ip",
            "actions: [sign_out]",
            "11:13: response.actions[0]: sign_out needs scope user, not source_ip",
        ),
        (
            "scope: source_ip",
            "{scope: session, actions: [disable_user]}",
            "11:30: response.actions[0]: disable_user needs scope user, not session",
        ),
        (
            "scope: source_ip",
            "cooldown: 0s",
            "11:3: response.cooldown: '0s' must be longer than 0 and at most 30d",
        ),
        (
            "scope: source_ip",
            "cooldown: -5m",
            "11:3: response.cooldown: '-5m' is not a duration (a whole number and s, m, h or d, like 15m)",
        ),
        (
            "scope: source_ip",
            "cooldown: 15",
            "11:3: response.cooldown: must be text, not a whole number (quote it if it is text)",
        ),
        (
            "scope: source_ip",
            "duration: 1h",
            "11:3: response.duration: duration needs the action deny, and no scope session (it says how long to deny)",
        ),
        (
            "scope: source_ip",
            "{scope: session, duration: 1h}",
            "11:20: response.duration: duration needs the action deny, and no scope session (a session's deny lasts as long as the session)",
        ),
    ],
)
def test_mistake_of_a_rule_is_named_at_its_place(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert found(tmp_path, rule=changed(SINGLE, old, new)) == [f"rule.yml:{expected}"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "type: value_count",
            "type: value_cnt",
            "11:3: correlation.type: unknown value 'value_cnt' (did you mean value_count?)",
        ),
        (
            "type: value_count",
            "type: temporal",
            "11:3: correlation.type: correlation type temporal is not supported (event_count or value_count)",
        ),
        ("  type: value_count\n", "", "10:1: correlation: type is missing"),
        (
            "rules: [base]",
            "rules: [base, bse]",
            "12:17: correlation.rules[1]: no rule is named 'bse' (did you mean base?)",
        ),
        (
            "rules: [base]",
            f"rules: [base, {ID}]",
            "12:17: correlation.rules[1]: a correlation of correlations is not supported",
        ),
        ("rules: [base]", "rules: []", "12:3: correlation.rules: must name at least one rule"),
        (
            "  rules: [base]\n",
            "  rules: base\n  aliases: {}\n",
            "13:3: correlation.aliases: aliases is not supported",
        ),
        (
            "rules: [base]",
            "rules: [base]\n  generat: true",
            "13:3: correlation.generat: unknown key (did you mean generate?)",
        ),
        (
            "rules: [base]",
            "rules: [base]\n  generate: 1",
            "13:3: correlation.generate: must be true or false, not a whole number",
        ),
        (
            "group-by: [user, source_ip]",
            "group-by: []",
            "13:3: correlation.group-by: must not be empty (name what the count is kept for, like user or source_ip)",
        ),
        (
            "group-by: [user, source_ip]",
            "group-by: [user, usr]",
            "13:20: correlation.group-by[1]: no event has a field 'usr' (did you mean user?)",
        ),
        (
            "group-by: [user, source_ip]",
            "group-by: [user, claimed_user]",
            "13:20: correlation.group-by[1]: claimed_user cannot be a group key (anyone can claim to be someone: group by source_ip, count claimed_user as a value)",
        ),
        (
            "group-by: [user, source_ip]",
            "group-by: [user, groups]",
            "13:20: correlation.group-by[1]: groups cannot be a group key (it is a list)",
        ),
        (
            "group-by: [user, source_ip]",
            "group-by: [user, id]",
            "13:20: correlation.group-by[1]: id cannot be a group key (it differs in every event)",
        ),
        (
            "group-by: [user, source_ip]",
            "group-by: [user, cs-uri]",
            "13:20: correlation.group-by[1]: cs-uri cannot be a group key (group by path)",
        ),
        (
            "group-by: [user, source_ip]",
            "group-by: [user, source_ip, c-ip]",
            "13:31: correlation.group-by[2]: 'c-ip' means source_ip, which is listed already",
        ),
        (
            "timespan: 5m",
            "timespan: 0m",
            "14:3: correlation.timespan: '0m' must be longer than 0 and at most 30d",
        ),
        (
            "timespan: 5m",
            "timespan: 1w",
            "14:3: correlation.timespan: '1w' is not a duration (a whole number and s, m, h or d, like 15m)",
        ),
        (
            "timespan: 5m",
            "timespan: -5m",
            "14:3: correlation.timespan: '-5m' is not a duration (a whole number and s, m, h or d, like 15m)",
        ),
        (
            "timespan: 5m",
            "timespan: 5:30",
            "14:3: correlation.timespan: must be text, not a whole number (quote it if it is text)",
        ),
        (
            "gte: 5",
            "gte: 5.5",
            "15:15: correlation.condition.gte: must be a whole number, not the fraction 5.5",
        ),
        ("gte: 5", "gte: '5'", "15:15: correlation.condition.gte: must be a whole number, not text"),
        (
            "gte: 5",
            "gte: true",
            "15:15: correlation.condition.gte: must be a whole number, not true or false",
        ),
        ("gte: 5", "gte: 0", "15:15: correlation.condition.gte: must be from 1 to 625, not 0"),
        ("gte: 5", "gte: -3", "15:15: correlation.condition.gte: must be from 1 to 625, not -3"),
        ("gte: 5", "gt: -1", "15:15: correlation.condition.gt: must be from 0 to 624, not -1"),
        ("gte: 5", "lt: 5", "15:15: correlation.condition.lt: lt is not supported"),
        ("gte: 5, ", "", "15:3: correlation.condition: needs gte or gt"),
        (
            "gte: 5",
            "gte: 5, gt: 7",
            "15:3: correlation.condition: a range is not supported (use gte or gt alone)",
        ),
        (
            "condition: {gte: 5, field: path}",
            "condition: base",
            "15:3: correlation.condition: a condition over rules is not supported (a map like {gte: 10})",
        ),
        (
            ", field: path",
            "",
            "15:3: correlation.condition: value_count needs the field whose values are counted (add field: source_ip, say)",
        ),
        (
            "gte: 5, field: path",
            "gte: 626, field: path",
            "15:15: correlation.condition.gte: must be from 1 to 625, not 626",
        ),
        (
            "field: path",
            "field: pth",
            "15:23: correlation.condition.field: no event has a field 'pth' (did you mean path?)",
        ),
        (
            "field: path",
            "field: groups",
            "15:23: correlation.condition.field: the values of groups cannot be counted",
        ),
        (
            "type: value_count",
            "type: event_count",
            "15:23: correlation.condition.field: event_count counts events, not the values of a field (use value_count)",
        ),
        (
            "scope: user",
            "scope: session",
            "17:3: response.scope: scope session is not in the group-by (user, source_ip) (add session to the group-by)",
        ),
        (
            "group-by: [user, source_ip]",
            "group-by: [source_ip]",
            "17:3: response.scope: scope user is not in the group-by (source_ip) (add user to the group-by)",
        ),
        (
            "group-by: [user, source_ip]\n  timespan: 5m\n  condition: {gte: 5, field: path}\nresponse:\n  scope: user",
            "group-by: [client]\n  timespan: 5m\n  condition: {gte: 5, field: path}\nresponse:\n  actions: [deny]",
            "13:3: correlation.group-by: a deny of a client needs its pool (count by client and pool)",
        ),
    ],
)
def test_mistake_of_a_correlation_is_named_at_its_place(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    assert found(tmp_path, rule=changed(COUNT, old, new)) == [f"rule.yml:{expected}"]


def test_group_by_that_names_nobody_is_refused_with_the_scopes_there_are(tmp_path: Path) -> None:
    text = changed(COUNT, "[user, source_ip]", "[country]").replace("response:\n  scope: user\n", "")
    assert found(tmp_path, rule=text) == [
        "rule.yml:13:3: correlation.group-by: nobody is named by country "
        "(add one of session, user, client, identity, source_ip)"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("defalts: {}", "1:1: defalts: unknown key (did you mean defaults?)"),
        (
            "defaults: {mode: off}",
            "1:12: defaults.mode: must be text, not true or false (quote it if it is text)",
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
            "limits: {polled_denies_per_hour: 0}",
            "1:10: limits.polled_denies_per_hour: must be at least 1, not 0 (to deny no client and no address, let their rules alert alone)",
        ),
        (
            "limits: {polled_denies_per_hour: 41}",
            "1:10: limits.polled_denies_per_hour: must be at most 40, not 41 (every authorizer reads a day's denies, every few seconds)",
        ),
        ("protected: {user: [a]}", "1:13: protected.user: unknown key (did you mean users?)"),
        ("protected: {users: a}", "1:13: protected.users: must be a list, not text"),
        (
            "protected: {groups: [1]}",
            "1:22: protected.groups[0]: must be text, not a whole number (quote it if it is text)",
        ),
        (
            "limits: {enforcements_per_hour: 0}",
            "1:10: limits.enforcements_per_hour: must be at least 1, not 0 (to act on nobody, deploy in observe)",
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
    assert [str(mistake).replace(f"{tmp_path}/", "") for mistake in caught.value.mistakes] == [
        "absent.yml: cannot be read: No such file or directory",
        "binary.yml:2:4: not UTF-8 text",
    ]


def test_a_mistake_never_shows_more_than_a_line_of_hostile_text(tmp_path: Path) -> None:
    (mistake,) = found(tmp_path, rule=changed(SINGLE, "level: high", 'level: "' + "\\e[2J" * 1000 + '"'))
    assert mistake.isprintable()
    assert len(mistake) < 250
