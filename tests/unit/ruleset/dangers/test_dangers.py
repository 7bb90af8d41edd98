# ruff: noqa: E501  a rule on one line can be compared with the next
"""An enforcing rule that would act upon everybody, or for good, compiles only if it says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from sessionwarden.authoring.catalog import read_catalog
from sessionwarden.authoring.shipped import shipped_rules
from sessionwarden.errors import InputFileError
from sessionwarden.ruleset.compiler.compile import CheckedRules, check_rules
from tests.support.ruleset import ID, OTHER_ID

NARROW = "s: {path: /.env}"
RESPONSE = "mode: enforce, scope: source_ip, actions: [deny, alert]"
ALL_BLOCKS = ["0.0.0.0/0", "::/0"]


def single(
    detection: str, *, response: str = RESPONSE, category: str = "api_access", condition: str = "s"
) -> str:
    return (
        f"title: A rule\nid: {ID}\nlogsource: {{category: {category}}}\n"
        f"detection:\n  {detection}\n  condition: {condition}\nresponse: {{{response}}}\n"
    )


def correlated(
    section: str, *, detection: str = "s: {path: '*'}", scope: str = "user", more: str = ""
) -> str:
    base = f"title: Base\nname: base\nlogsource: {{category: api_access}}\ndetection:\n  {detection}\n  condition: s\n---\n"
    return (
        f"{base}title: Many\nid: {OTHER_ID}\ncorrelation:\n  timespan: 5m\n  group-by: [{scope}]\n{section}"
        f"response: {{mode: enforce, scope: {scope}, actions: [deny, alert]{more}}}\n"
    )


def checked(folder: Path, text: str, *, policy: str | None = None) -> CheckedRules:
    (folder / "rule.yml").write_text(text)
    if policy is not None:
        (folder / "policy.yml").write_text(policy)
    return check_rules([folder])


def needed(folder: Path, text: str, *, policy: str | None = None) -> set[str]:
    """The words that the rule must acknowledge."""
    try:
        checked(folder, text, policy=policy)
    except InputFileError as error:
        hints = [diagnostic.hint for diagnostic in error.diagnostics]
        if any("acknowledge: [" not in hint for hint in hints):
            raise
        return {hint.partition("acknowledge: [")[2].partition("]")[0] for hint in hints}
    return set()


@pytest.mark.parametrize(
    "detection",
    [
        "s: {path: '*'}",
        "s: {path: '/*'}",
        "s: {path|startswith: /}",
        "s: {path|contains: /}",
        "s: {path|exists: true}",
        "s: {path|re: '.*'}",
        "s: {path|re: ''}",
        "s: {path|re: '^/'}",
        "s: {path|re: '(x?)*'}",
        "s: {status|gte: 0}",
        "s: {status|gt: -1}",
        "s: {status|lt: 600}",
        "s: {status|neq: 999}",
        "s: {status: [200, 201, 204, 304]}",
        "s: {status: 200}",
        "s: {status: '*'}",
        "s: {status|startswith: '2'}",
        "s: {method|re: .*}",
        "s: {method: '???'}",
        "s: {method: [GET, POST]}",
        "s: {response_bytes|gte: 1, latency_ms|gte: 1}",
        "s: {user_agent|contains: /}",
        "s: {user_agent|re: '[0-9]'}",
        "s: {source_ip: '*'}",
        "s: {source_ip|re: '[.:]'}",
        "s: {referer: null}",
        "s: {query|exists: false}",
        "s: {country|exists: true}",
        "s: {user|exists: false}",
        "s: {user|re: '^[0-9a-f-]+$'}",
        "s: {decision: allow}",
        "s: ['/']",
        "s: [{path: '*'}, {path: /.env}]",
        "s: {path|neq: /.env}",
        "s: {path|fieldref: path}",
        "s: {method|neq|fieldref: path}",
    ],
)
def test_a_rule_that_every_request_matches_must_say_so(tmp_path: Path, detection: str) -> None:
    assert "matches_everybody" in needed(tmp_path, single(detection))
    assert needed(tmp_path, single(detection, response=RESPONSE.replace("enforce", "observe"))) == set()
    assert needed(tmp_path, single(detection, response=RESPONSE.replace("deny, ", ""))) == set()


@pytest.mark.parametrize(
    ("detection", "condition"),
    [
        (NARROW, "not s"),
        ("s: {path: /x, method: GET}", "not s"),
        ("s: {status: 200}\n  t: {status|neq: 200}", "s or t"),
        ("s: {status|lt: 300}\n  t: {status|gte: 300}", "1 of them"),
        ("s: {status: 999}\n  t: {path: /none}", "not (s and t)"),
        ("s: {path: '*'}\n  t: {path: /health}", "s and not t"),
    ],
)
def test_not_of_what_never_happens_and_parts_that_make_a_whole_are_everybody_too(
    tmp_path: Path, detection: str, condition: str
) -> None:
    assert needed(tmp_path, single(detection, condition=condition)) == {"matches_everybody"}


@pytest.mark.parametrize("category", ["api_access", "api_authorizer", "identity", "application", "webserver"])
def test_everybody_is_everybody_of_the_log_source(tmp_path: Path, category: str) -> None:
    assert needed(tmp_path, single("s: {source_ip: '*'}", category=category)) == {"matches_everybody"}


@pytest.mark.parametrize(
    "blocks",
    [
        "0.0.0.0/0",
        "'::/0'",
        "[0.0.0.0/1, 128.0.0.0/1]",
        "['::/1', '8000::/1']",
        "[0.0.0.0/2, 64.0.0.0/2, 128.0.0.0/2, 192.0.0.0/2]",
        "0.0.0.0/1",
        "'2000::/3'",
        "[" + ", ".join(f"{first}.0.0.0/8" for first in range(256)) + "]",
        "['2000::/5', '2800::/5', '3000::/5', '3800::/5']",
    ],
)
@pytest.mark.parametrize("path", ["", "path: /.env, "])
def test_blocks_that_hold_most_addresses_must_be_acknowledged(tmp_path: Path, blocks: str, path: str) -> None:
    assert "most_addresses" in needed(tmp_path, single(f"s: {{{path}source_ip|cidr: {blocks}}}"))


def test_blocks_are_taken_together_over_detections_and_over_rules(tmp_path: Path) -> None:
    halves = "a: {path: /.env, source_ip|cidr: 0.0.0.0/1}\n  b: {path: /.env, source_ip|cidr: 128.0.0.0/1}"
    assert needed(tmp_path, single(halves, condition="a or b")) == {"most_addresses"}
    assert needed(
        tmp_path, single(f"{NARROW}\n  t: {{source_ip|cidr: [0.0.0.0/0]}}", condition="s and not t")
    ) == {"most_addresses"}
    section = "  type: event_count\n  rules: [base]\n  condition: {gte: 9}\n"
    assert needed(tmp_path, correlated(section, detection="s: {path: /.env, source_ip|cidr: '::/0'}")) == {
        "most_addresses"
    }


@pytest.mark.parametrize(
    "detection",
    [
        NARROW,
        "s: {path|contains: [/.git, ../]}",
        "s: {status: [401, 403]}",
        "s: {status|gte: 400}",
        "s: {method: [TRACE, DEBUG]}",
        "s: {user_agent|contains: sqlmap}",
        "s: {decision: deny}",
        "s: {source_ip|cidr: [10.0.0.0/8, 192.0.2.0/24, '2001:db8::/32']}",
        "s: {country: KP}",
        "s: {path: /orders, status: 200}",
        "s: {host: other.example.org}",
    ],
)
def test_a_rule_about_abuse_needs_to_say_nothing(tmp_path: Path, detection: str) -> None:
    assert needed(tmp_path, single(detection)) == set()


@pytest.mark.parametrize(
    "section",
    [
        "  type: event_count\n  rules: [base]\n  condition: {gte: 1}\n",
        "  type: event_count\n  rules: [base]\n  condition: {gt: 0}\n",
        "  type: value_count\n  rules: [base]\n  condition: {gte: 1, field: path}\n",
        "  type: value_sum\n  rules: [base]\n  condition: {gte: 1, field: response_bytes}\n",
    ],
)
def test_a_correlation_that_one_ordinary_request_meets_must_say_so(tmp_path: Path, section: str) -> None:
    assert needed(tmp_path, correlated(section)) == {"matches_everybody"}
    assert needed(tmp_path, correlated(section, detection=NARROW)) == set()
    higher = (
        section.replace("gte: 1", "gte: 50000")
        .replace("gt: 0", "gt: 50000")
        .replace("50000, field: path", "600, field: path")
    )
    assert needed(tmp_path, correlated(higher)) == set()


def test_steps_that_every_person_takes_and_chains_of_such_must_say_so(tmp_path: Path) -> None:
    other = "title: Get\nname: get\nlogsource: {category: api_access}\ndetection: {s: {method: GET}, condition: s}\n---\n"
    for kind in ("temporal", "temporal_ordered"):
        section = f"  type: {kind}\n  rules: [base, get]\n"
        assert needed(tmp_path, other + correlated(section)) == {"matches_everybody"}
        assert needed(tmp_path, other + correlated(section, detection=NARROW)) == set()
    inner = (
        "title: Inner\nname: inner\ncorrelation: {type: event_count, rules: [base], group-by: [user],"
        " timespan: 1m, condition: {gte: 1}}\n---\n"
    )
    chain = "  type: event_count\n  rules: [inner]\n  condition: {gte: 1}\n"
    assert needed(tmp_path, inner + correlated(chain)) == {"matches_everybody"}
    assert needed(tmp_path, inner.replace("gte: 1", "gte: 9") + correlated(chain)) == set()
    assert needed(tmp_path, inner + correlated(chain.replace("gte: 1", "gte: 9"))) == set()


def test_aliases_do_not_hide_who_is_meant(tmp_path: Path) -> None:
    section = (
        "  type: event_count\n  rules: [base]\n  condition: {gte: 1}\n  aliases: {place: {base: path}}\n"
    )
    text = correlated(section).replace("group-by: [user]", "group-by: [user, place]")
    assert needed(tmp_path, text) == {"matches_everybody"}


def test_a_rule_that_disables_accounts_must_say_so(tmp_path: Path) -> None:
    disabling = single(NARROW, response="mode: enforce, scope: user, actions: [disable_user]")
    assert needed(tmp_path, disabling) == {"disables_users"}
    assert needed(tmp_path, disabling.replace("enforce", "observe")) == set()
    assert (
        needed(tmp_path, disabling.replace("[disable_user]", "[disable_user], acknowledge: [disables_users]"))
        == set()
    )


def test_what_the_policy_adds_must_be_acknowledged_by_the_rule_too(tmp_path: Path) -> None:
    plain = single("s: {path: '*'}", response="scope: user")
    assert needed(tmp_path, plain, policy="defaults: {mode: observe}") == set()
    assert needed(tmp_path, plain, policy="defaults: {mode: enforce, actions: {user: [disable_user]}}") == {
        "matches_everybody",
        "disables_users",
    }


def test_a_rule_says_in_one_list_all_that_it_does(tmp_path: Path) -> None:
    response = "mode: enforce, scope: user, actions: [disable_user]"
    text = single("s: {source_ip|cidr: [0.0.0.0/0, '::/0']}", response=response)
    words = {"matches_everybody", "most_addresses", "disables_users"}
    assert needed(tmp_path, text) == words
    for word in words:
        acknowledged = text.replace("[disable_user]", f"[disable_user], acknowledge: [{word}]")
        assert needed(tmp_path, acknowledged) == words - {word}
    every = f"[disable_user], acknowledge: [{', '.join(sorted(words))}]"
    found = checked(tmp_path, text.replace("[disable_user]", every))
    assert [note.path for note in found.notes] == [f"response.acknowledge[{number}]" for number in range(3)]
    assert all(note.message.startswith("acknowledged: ") for note in found.notes)


def test_the_mistake_says_what_the_rule_would_do_and_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(InputFileError) as caught:
        checked(tmp_path, single("s: {path: '*'}"))
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.line, diagnostic.path) == (7, "response.mode")
    assert "deny: one ordinary request of signed-in people" in diagnostic.message
    assert "acknowledge: [matches_everybody]" in diagnostic.hint


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("[]", "response.acknowledge: must not be empty"),
        ("matches_everybody", "response.acknowledge: must be a list, not text"),
        ("[matches_everbody]", "unknown value 'matches_everbody' (did you mean matches_everybody?)"),
        ("[most_addresses, most_addresses]", "is listed twice"),
        ("[true]", "must be text, not true or false"),
    ],
)
def test_the_words_are_checked_strictly(tmp_path: Path, value: str, expected: str) -> None:
    with pytest.raises(InputFileError) as caught:
        checked(tmp_path, single(NARROW, response=f"{RESPONSE}, acknowledge: {value}"))
    assert expected in str(caught.value)


def test_a_needless_acknowledgement_is_noted_since_it_would_hide_a_later_mistake(tmp_path: Path) -> None:
    found = checked(tmp_path, single(NARROW, response=f"{RESPONSE}, acknowledge: [matches_everybody]"))
    (note,) = found.notes
    assert note.path == "response.acknowledge[0]"
    assert "nothing needs to be acknowledged" in note.message


def test_what_is_acknowledged_changes_no_compiled_rule(tmp_path: Path) -> None:
    narrow = checked(tmp_path, single(NARROW)).ruleset
    assert (
        checked(tmp_path, single(NARROW, response=f"{RESPONSE}, acknowledge: [disables_users]")).ruleset
        == narrow
    )


def test_no_shipped_rule_would_act_upon_everybody_even_if_all_enforced(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yml"
    policy.write_text(
        "defaults: {mode: enforce, actions: {session: [deny], user: [deny], source_ip: [deny], client: [deny]}}\n"
    )
    assert read_catalog([shipped_rules()], policy).ruleset.rules
