# ruff: noqa: E501  a message on one line can be searched for
"""Each class of mistake in a rule on single events, with the line and column it is reported at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ruleset import ID, SINGLE, changed, found


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
            "country: true",
            "8:5: detection.sel.country: true and false match nothing (quote it if it is text)",
        ),
        (
            "status: 401",
            "status: 12:30:45",
            "8:5: detection.sel.status: status is a number, never '12:30:45'",
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
            'path: "a\\ud800"',
            "8:11: detection.sel.path: holds half a character (write the character itself)",
        ),
        (
            "status: 401",
            "path|windash: -a",
            "8:5: detection.sel.path|windash: modifier windash is not supported",
        ),
        (
            "status: 401",
            "path|expand: '%a%'",
            "8:5: detection.sel.path|expand: modifier expand is not supported",
        ),
        ("status: 401", "time|hour: 5", "8:5: detection.sel.time|hour: modifier hour is not supported"),
        (
            "status: 401",
            "path|fieldref: qery",
            "8:5: detection.sel.path|fieldref: no event has a field 'qery' (did you mean query?)",
        ),
        (
            "status: 401",
            "path|fieldref: status",
            "8:5: detection.sel.path|fieldref: path and status are never equal: one is a number",
        ),
        (
            "status: 401",
            "groups|fieldref: user",
            "8:5: detection.sel.groups|fieldref: groups is a list, which cannot be compared with a field",
        ),
        (
            "status: 401",
            "path|fieldref|re: query",
            "8:5: detection.sel.path|fieldref|re: modifiers fieldref and re cannot be combined",
        ),
        (
            "status: 401",
            "path|fieldref|cased: query",
            "8:5: detection.sel.path|fieldref|cased: modifiers cased and fieldref cannot be combined",
        ),
        (
            "status: 401",
            "path|fieldref: 5",
            "8:5: detection.sel.path|fieldref: must be the name of a field, not a whole number",
        ),
        ("status: 401", "path|neq|neq: a", "8:5: detection.sel.path|neq|neq: modifier neq is repeated"),
        (
            "status: 401",
            "'|gte': 5",
            "8:5: detection.sel.|gte: a keyword must be text, not a whole number (quote it if it is text)",
        ),
        (
            "status: 401",
            "cs-cookie: a",
            "8:5: detection.sel.cs-cookie: no event has a field 'cs-cookie' (docs/reference/rules.md lists the fields)",
        ),
        (
            "  category: api_access",
            "  category: webserver\n  service: error",
            "6:3: logsource.service: an API has no error log (webserver is about requests)",
        ),
        (
            "  category: api_access",
            "  category: webserver\n  product: 5",
            "6:3: logsource.product: must be text, not a whole number (quote it if it is text)",
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
