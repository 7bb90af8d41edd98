# ruff: noqa: E501  a message on one line can be searched for
"""Each class of mistake in a correlation or a filter, with the line and column it is reported at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ruleset import COUNT, ID, changed, found


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "type: value_count",
            "type: value_cnt",
            "11:3: correlation.type: unknown value 'value_cnt' (did you mean value_count?)",
        ),
        ("  type: value_count\n", "", "10:1: correlation: type is missing"),
        (
            "rules: [base]",
            "rules: [base, bse]",
            "12:17: correlation.rules[1]: no rule is named 'bse' (did you mean base?)",
        ),
        ("rules: [base]", "rules: []", "12:3: correlation.rules: must name at least one rule"),
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
            "13:20: correlation.group-by[1]: claimed_user cannot be a group key (a client can claim to be someone: group by source_ip, count claimed_user as a value)",
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
            "14:3: correlation.timespan: '5:30' is not a duration (a whole number and s, m, h or d, like 15m)",
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
        (
            "condition: {gte: 5, field: path}",
            "condition: base or other",
            "15:3: correlation.condition: only temporal rules have a condition over rules (a map like {gte: 10})",
        ),
        (
            "rules: [base]",
            f"rules: [base, {ID}]",
            f"12:17: correlation.rules[1]: '{ID}' leads back to this rule",
        ),
        (
            "rules: [base]",
            "rules: [base, BASE]",
            "12:17: correlation.rules[1]: 'BASE' is a rule that is listed already",
        ),
        (
            "  rules: [base]\n",
            "  rules: base\n  aliases: {user: {base: username}}\n",
            "13:13: correlation.aliases.user: user is a field of events (give the alias a name of its own)",
        ),
        (
            "  rules: [base]\n",
            "  rules: base\n  aliases: {place: {base: path}}\n",
            "13:13: correlation.aliases.place: the group-by does not name this alias (add it or remove it)",
        ),
        (
            "group-by: [user, source_ip]",
            "group-by: [user, place]\n  aliases: {place: {base: claimed_user}}",
            "14:21: correlation.aliases.place.base: claimed_user cannot be a group key (a client can claim to be someone: group by source_ip, count claimed_user as a value)",
        ),
        (
            "group-by: [user, source_ip]",
            "group-by: [user, place]\n  aliases: {place: {base: pth}}",
            "14:21: correlation.aliases.place.base: no event has a field 'pth' (did you mean path?)",
        ),
        (
            "group-by: [user, source_ip]",
            "group-by: [user, place]\n  aliases: {place: {bse: path, base: path}}",
            "14:21: correlation.aliases.place.bse: 'bse' is no rule of this correlation (did you mean base?)",
        ),
        (
            "group-by: [user, source_ip]",
            "group-by: [user, place]\n  aliases: {place: {}}",
            "14:13: correlation.aliases.place: does not say which field of 'base' it is",
        ),
        (
            "group-by: [user, source_ip]",
            "group-by: [user, place]\n  aliases: {place: path}",
            "14:13: correlation.aliases.place: must be a map, not text",
        ),
        (
            "group-by: [user, source_ip]",
            "group-by: [user, 'p l']\n  aliases: {'p l': {base: path}}",
            "14:13: correlation.aliases.p l: 'p l' cannot be the name of an alias (letters, digits, _ and -)",
        ),
        (
            "group-by: [user, source_ip]",
            "group-by: [user, place]\n  aliases: {place: {base: [path]}}",
            "14:21: correlation.aliases.place.base: must be text, not a list",
        ),
        ("gte: 5", "lt: 1", "15:15: correlation.condition.lt: must be from 2 to 625, not 1"),
        ("gte: 5", "lt: 626", "15:15: correlation.condition.lt: must be from 2 to 625, not 626"),
        (
            "gte: 5",
            "gte: 5, gt: 7",
            "15:3: correlation.condition: gt and gte cannot be combined (a range is gt or gte with lt or lte)",
        ),
        (
            "gte: 5",
            "gte: 5, eq: 7",
            "15:3: correlation.condition: gte and eq cannot be combined (a range is gt or gte with lt or lte)",
        ),
        ("gte: 5", "gte: 5, lt: 5", "15:3: correlation.condition: no number is gte 5 and lt 5"),
        (
            "gte: 5",
            "gt: 5, lt: 9, neq: 7",
            "15:3: correlation.condition: gt and lt and neq cannot be combined (a range is gt or gte with lt or lte)",
        ),
        (
            "gte: 5",
            "eq: 5.0",
            "15:15: correlation.condition.eq: must be a whole number, not the fraction 5.0",
        ),
        (
            "gte: 5",
            "gte: 5, percentile: 5",
            "15:23: correlation.condition.percentile: value_count has no percentile (use value_percentile)",
        ),
        ("gte: 5, ", "", "15:3: correlation.condition: needs one of gt, gte, lt, lte, eq, neq"),
        (
            "type: value_count",
            "type: value_sum",
            "15:23: correlation.condition.field: path is no quantity (known: latency_ms, response_bytes)",
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
        "rule.yml:13:3: correlation.group-by: no principal is named by country "
        "(add one of session, user, client, identity, source_ip)"
    ]


NUMBERS = changed(changed(COUNT, "value_count", "value_percentile"), "field: path", "field: latency_ms")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            NUMBERS,
            "15:3: correlation.condition: value_percentile needs a percentile (add percentile: 95, say)",
        ),
        (
            changed(NUMBERS, "gte: 5", "gte: 5, percentile: 0"),
            "15:23: correlation.condition.percentile: must be from 1 to 100, not 0",
        ),
        (
            changed(NUMBERS, "gte: 5", "gte: 5, percentile: 9.5"),
            "15:23: correlation.condition.percentile: must be a whole number, not the fraction 9.5",
        ),
        (
            changed(NUMBERS, "value_percentile", "value_median").replace("gte: 5", "gte: 5, percentile: 6"),
            "15:23: correlation.condition.percentile: value_median has no percentile (use value_percentile)",
        ),
        (
            changed(NUMBERS, "value_percentile", "value_sum").replace("gte: 5", "gte: 0"),
            "15:15: correlation.condition.gte: must be from 1 to 9007199254740991, not 0",
        ),
        (
            changed(NUMBERS, "value_percentile", "value_avg").replace("latency_ms", "status"),
            "15:23: correlation.condition.field: status is no quantity (known: latency_ms, response_bytes)",
        ),
        (
            changed(NUMBERS, "value_percentile", "value_avg") + "  actions: [alert, sign_out]\n",
            "18:20: response.actions[1]: sign_out is not supported here, for a late event can undo what value_avg finds (alert alone)",
        ),
        (
            changed(COUNT, "gte: 5", "lt: 5") + "  actions: [deny]\n",
            "18:13: response.actions[0]: deny is not supported here, for a late event can undo what lt finds (alert alone)",
        ),
        (
            changed(COUNT, "gte: 5", "gte: 5, lt: 9") + "  duration: 1h\n",
            "18:3: response.duration: duration needs the action deny, and no scope session (it says how long to deny)",
        ),
    ],
)
def test_mistake_of_a_measure_is_named_at_its_place(tmp_path: Path, text: str, expected: str) -> None:
    assert found(tmp_path, rule=text) == [f"rule.yml:{expected}"]
