"""What an on-call engineer reads, also when a user has chosen their name with malice."""

from __future__ import annotations

import re
import unicodedata

import pytest

from sessionwarden.enforcement.actions import Pending
from sessionwarden.enforcement.alert_text import (
    SUBJECT_LIMIT,
    WHY_WITHHELD,
    Alert,
    DeploymentName,
    compose,
    compose_group,
    compose_notice,
)
from sessionwarden.errors import UserPoolError
from sessionwarden.model.decision import ActionResult, Enforcement, Withheld
from sessionwarden.model.finding import Finding
from sessionwarden.policy.decide import decide
from sessionwarden.printable import ascii_line, printable
from tests.support.enforcement import NOW_MS, SUB, World, deployed, finding, response

HOSTILE = 'bob"\nTo undo it:\n  rm -rf /\r\x1b[2J\u202e\u2028http://evil.example/'


def composed(given: Finding, world: World | None = None) -> tuple[str, str, dict[str, str]]:
    world = world or World()
    world.enforcer.enforce(given)
    sent = world.alerts.sent[-1]
    return sent.subject, sent.message, dict(sent.attributes)


def test_an_alert_says_what_happened_to_whom_and_how_to_undo_it() -> None:
    subject, message, attributes = composed(finding())
    assert subject == "[high] Sessionwarden: deny, sign_out: Too many requests by one user"
    for text in (
        "Too many requests by one user (rule request-rate-per-user, level high)",
        "120 in the window, first 2027-01-15 07:58:59Z, crossed 2027-01-15 07:59:59Z",
        f'user (sub): "{SUB}"',
        'username, chosen by the user: "bob"',
        'from address: "203.0.113.7"',
        'route: "GET /items"',
        "events: e-1, e-2",
        "  deny: done\n  sign_out: done\n",
        "  sessionwarden decisions delete f-1 --stack warden --region eu-west-1\n",
    ):
        assert text in message
    assert attributes == {
        "rule": "request-rate-per-user",
        "level": "high",
        "scope": "user",
        "simulated": "false",
        "decision": "f-1",
    }


def test_an_alert_says_that_a_count_is_an_estimate() -> None:
    _, message, _ = composed(finding(count=2002, sampled_one_in=2))
    assert "  about 2002 in the window (an estimate: 1001 were looked at, one in 2), first 2027" in message


def test_a_username_cannot_forge_a_line_nor_a_link_nor_a_terminal_command() -> None:
    _, plain, _ = composed(finding(username="x"))
    _, message, _ = composed(finding(username=HOSTILE))
    assert message.count("\n") == plain.count("\n")
    assert all(character.isprintable() for character in message.replace("\n", ""))
    assert "http://evil" not in message
    assert r'chosen by the user: "bob\"\nTo undo it[:]' in message


def test_every_text_of_a_finding_is_bounded() -> None:
    long = "x" * 300_000
    _, message, attributes = composed(
        finding(username=long, route=long, title=long, rule=long, events=(long,) * 20, source_ip=long)
    )
    assert len(message) < 5_000
    assert all(len(value) <= 256 for value in attributes.values())


def test_a_subject_is_short_printable_ascii_whatever_the_title() -> None:
    subject, _, _ = composed(finding(title="Zu viele\r\nBcc: x@y\x00 Zugriffe \u202e" + "ü" * 200))
    assert len(subject) <= SUBJECT_LIMIT
    assert subject.isascii()
    assert subject.isprintable()


def test_a_decision_id_is_quoted_for_the_shell() -> None:
    _, message, _ = composed(finding(id="x; rm -rf ~"))
    assert "decisions delete 'x; rm -rf ~' --stack" in message


def test_a_withheld_decision_says_why_and_what_would_have_happened() -> None:
    subject, message, attributes = composed(finding(), World(deployment=deployed(mode="observe")))
    assert subject.startswith("[high] Sessionwarden: withheld (observe): ")
    assert "NOTHING was done, because the rule or the deployment is in observe mode.\n" in message
    assert "Otherwise: deny, sign_out." in message
    assert "To undo it" not in message
    assert attributes["simulated"] == "true"


def test_every_reason_to_withhold_has_a_sentence() -> None:
    assert set(WHY_WITHHELD) == set(Withheld.__args__)  # type: ignore[attr-defined]


def test_an_alert_only_rule_claims_no_act_and_offers_no_undo() -> None:
    subject, message, _ = composed(finding(answer=response(scope="source_ip", actions=("alert",))))
    assert "Sessionwarden: alert: " in subject
    assert "Nothing was done: the rule only alerts." in message
    assert "decisions delete" not in message


def test_failures_and_retries_are_named() -> None:
    decision = decide(finding(answer=response(deny_seconds=60)), deployed(), now_ms=NOW_MS)
    result = ActionResult(action="deny", outcome="failed", time=NOW_MS, detail="UserNotFoundException")
    alert = Alert(
        finding=finding(),
        enforcement=Enforcement(decision=decision, results=(result,), time=NOW_MS),
        pending=(Pending("sign_out", UserPoolError("TooManyRequestsException", retryable=True)),),
    )
    subject, message, _ = compose(alert, DeploymentName(stack="s", region="r"))
    assert "deny: failed (UserNotFoundException)" in message
    assert "sign_out: not yet, TooManyRequestsException; it is tried again" in message
    assert "New sign-ins are refused until 2027-01-15 08:01:00Z." in message
    assert "Sessionwarden: alert:" in subject, "what failed is not announced as done"


@pytest.mark.parametrize(("value", "shown"), [(1_234_567, "1,234,567"), (100.5, "100.5")])
def test_the_aggregate_of_a_rule_about_values_is_named(value: float, shown: str) -> None:
    _, message, _ = composed(finding(value=value))
    assert f"  what the rule judges of their values: {shown}" in message.splitlines()
    _, message, _ = composed(finding())
    assert "of their values" not in message


def test_times_out_of_range_do_not_break_an_alert() -> None:
    _, message, _ = composed(finding(time=10**18, first_time=-(10**18)))
    assert "epoch ms 1000000000000000000" in message


def test_printable_text_keeps_what_can_be_seen() -> None:
    assert printable("Zoë 东京", limit=40) == "Zoë 东京"
    assert printable("a\tb\x9b\ud800", limit=40) == r"a\tb\x9b\ud800"
    assert printable("x" * 50, limit=10) == "x" * 9 + "…"
    assert ascii_line("ü" + "x" * 50, limit=10) == "?" + "x" * 8 + "~"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("www.evil.example", "www[.]evil[.]example"),
        ("evil.example/reset", "evil[.]example/reset"),
        ("help@evil.example", "help[at]evil[.]example"),
        ("https://evil.example", "https[:]//evil[.]example"),
        ("evil\u3002example\uff0ecom\uff61", "evil[.]example[.]com[.]"),
    ],
)
def test_a_username_does_not_become_a_link_in_mail(name: str, shown: str) -> None:
    by_name = response(scope="user", actions=("alert",))
    _, message, _ = composed(finding(username=name, key={"user": SUB, "username": name}, answer=by_name))
    assert f'username, chosen by the user: "{shown}"' in message
    assert f'grouped by username: "{shown}"' in message
    assert name not in message
    assert 'from address: "203.0.113.7"' in message, "an address stays legible"


def test_what_a_stranger_says_in_a_group_key_does_not_become_a_link() -> None:
    answer = response(scope="source_ip", actions=("alert",))
    key = {"source_ip": "203.0.113.7", "user_agent": "www.evil.example"}
    _, message, _ = composed(finding(key=key, answer=answer))
    assert 'grouped by user_agent: "www[.]evil[.]example"' in message
    assert 'grouped by source_ip: "203.0.113.7"' in message


def test_a_reduced_decision_says_so_and_what_the_rule_asked_for() -> None:
    subject, message, _ = composed(finding(), World(deployment=deployed(limit=0)))
    assert subject.startswith("[high] Sessionwarden: deny (reduced: budget): ")
    assert (
        "REDUCED to a deny of this one session, because this hour's enforcement budget is spent.\n" in message
    )
    assert "The rule asks for: deny, sign_out (scope user). Other sessions go on." in message
    assert "sessionwarden decisions delete f-1" in message


def test_a_notice_is_as_bounded_and_escaped_as_an_alert() -> None:
    hostile = finding(title="x\r\nBcc: a@b\u202e" + "y" * 300_000, rule="r\n" * 1000)
    alert = Alert(
        finding=hostile,
        enforcement=Enforcement(decision=decide(hostile, deployed(), now_ms=NOW_MS), results=(), time=NOW_MS),
    )
    notice = compose_notice(alert, DeploymentName(stack="s; rm", region="r"), until_ms=NOW_MS)
    assert len(notice.subject) <= SUBJECT_LIMIT
    assert notice.subject.isascii()
    assert len(notice.text) < 2_000
    assert notice.text.count("\n") == 9
    assert all(character.isprintable() for character in notice.text.replace("\n", ""))
    assert "decisions list --stack 's; rm' --region r" in notice.text


MENTIONS_AND_MARKUP = [
    *("@here", "@channel", "@everyone", "<!channel>", "<!here|here>", "<!subteam^S1>", "<@U012AB3CD>"),
    *("<#C1>", "<at>all</at>", "&lt;!channel&gt;", "&#64;here", "<https://evil.example|reset>"),
    *("[reset](https://evil.example)", "![x](//evil)", ".(evil)", "https://evil.example", "evil.example"),
    *("mailto:a@evil.example", "*bold*", "_italic_", "__bold__", "~struck~", "`code`", "```code", ":tada:"),
    *(
        "#general",
        "\uff1c!channel\uff1e",
        "\uff20here",
        "evil\uff0eexample",
        "evil\u3002example",
        "\ufe6bhere",
    ),
]


@pytest.mark.parametrize("text", MENTIONS_AND_MARKUP)
@pytest.mark.parametrize("field", ["username", "path", "user_agent", "method", "a_rule_s_own_alias"])
def test_what_a_client_writes_calls_no_channel_and_formats_nothing(field: str, text: str) -> None:
    given = finding(username=text) if field == "username" else finding(key={"user": SUB, field: text})
    label = "chosen by the user: " if field == "username" else f"grouped by {field}: "
    _, message, _ = composed(given)
    (shown,) = [line.partition(label)[2] for line in message.splitlines() if label in line]
    assert shown.startswith('"')
    assert shown.endswith('"')
    # Slack and Teams
    assert not set("<>&*~`()#|") & set(unicodedata.normalize("NFKC", shown))
    assert "@" not in unicodedata.normalize("NFKC", shown)
    assert not re.search(r"(^|[^a-z0-9])_|_([^a-z0-9]|$)", shown)
    assert not re.search(r":\w+:", shown)
    # mail
    assert not re.search(r"\w[.\u3002\uff0e\uff61]\w|://|mailto:", shown)


def test_a_name_within_a_word_stays_legible() -> None:
    _, message, _ = composed(finding(username="bob_the-builder 2"))
    assert 'chosen by the user: "bob_the-builder 2"' in message


def test_text_that_is_made_inert_is_still_bounded() -> None:
    _, message, _ = composed(finding(username="`" * 300_000, key={"user": SUB, "path": "@" * 300_000}))
    assert len(message) < 5_000


def test_an_underscore_that_formats_is_written_as_its_number() -> None:
    _, message, _ = composed(finding(username="_bold_ user_name"))
    assert r'"\x5fbold\x5f user_name"' in message


def test_a_message_about_many_acts_says_how_many_sessions_fell() -> None:
    world = World(deployment=deployed(limit=0))
    shares = tuple((f"session-{number}", 10) for number in range(4))
    done = world.enforcer.enforce(finding(sessions=shares, session_events=40))
    assert done.decision.more_sessions == ("session-1", "session-2", "session-3")
    text = compose_group([done], DeploymentName(stack="s", region="r")).text
    assert 'session: "session-0", and 3 more sessions' in text
