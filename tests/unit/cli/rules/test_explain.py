"""`sessionwarden rules explain`: why a rule fires on an event, counts it, or leaves it alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.support.command_line import invoke
from tests.support.paths import PROJECT

SHIPPED = PROJECT / "rules"
FILES = (
    "abuse/request-rate-per-user.yml",
    "credentials/unauthorized-per-address.yml",
    "reconnaissance/probing-paths.yml",
    "sessions/refused-token-keeps-coming.yml",
    "sessions/session-from-many-addresses.yml",
)
RATE = "Request Rate of One User"
TIME = 1_750_000_000_000

HEAD = {
    "v": "1",
    "id": "r1",
    "time": str(TIME),
    "source_ip": "203.0.113.9",
    "api_id": "shop",
    "stage": "$default",
    "route": "GET /orders",
    "method": "GET",
    "status": "200",
    "response_bytes": "10",
    "latency_ms": "5",
    "user": "mallory",
    "session": "s1",
    "token": "t1",
    "client": "web",
    "pool": "pool-1",
    "decision": "allow",
    "reason": "ok",
}


def log_line(**changes: str) -> str:
    return json.dumps(HEAD | changes) + '\t"/orders"\t"curl"'


def run(event: str, *arguments: object, given: str = "") -> Result:
    words = ["explain", event, *map(str, arguments)]
    if "--rules" not in words:
        words += [word for file in FILES for word in ("--rules", str(SHIPPED / file))]
    return invoke("rules", *words, given=given)


def told(event: str, *arguments: object) -> dict[str, Any]:
    result = run(event, *arguments, "--output", "json", "--rule", RATE)
    assert result.exit_code == 0, result.output
    (rule,) = json.loads(result.output)["rules"]
    found: dict[str, Any] = rule
    return found


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """299 requests, one every 100 ms; the 300th would be too many."""
    file = tmp_path / "access.log"
    lines = [log_line(id=f"r{n}", time=str(TIME + n * 100)) for n in range(299)]
    file.write_text("\n".join(lines) + "\nnot a line\n")
    return file


def test_a_log_line_is_told_what_matched_what_it_counts_for_and_what_would_be_done() -> None:
    result = run(log_line(), "--rule", RATE)
    assert result.exit_code == 0, result.output
    lines = [line.lstrip("│├└─ ").rstrip() for line in result.output.splitlines()]
    assert lines == [
        "api_access  2025-06-15 15:06:40Z  GET  /orders  200  203.0.113.9  mallory",
        f"{RATE}  counts",
        "yes request_of_a_signed_in_user",
        "yes signed_in: user is present   it is 'mallory'",
        "counts for user=mallory",
        "window of 1m: 1 of 300 events",
        "policy, if it fired: deny, sign_out, alert of user mallory",
    ]


def test_what_failed_is_told_with_what_was_wanted_and_what_is_there() -> None:
    result = run(log_line(status="200"), "--rule", "one address probes many paths")
    assert "no  missing: status is 403 or 404   it is 200" in result.output
    assert "does not count" in result.output


def test_the_log_before_the_event_fills_the_window_and_the_engine_says_whether_it_fires(log: Path) -> None:
    rule = told(log_line(id="last", time=str(TIME + 30_000)), "--log", log)
    (key,) = rule["keys"]
    assert (key["key"], key["window"]["figure"], key["fires"]) == ({"user": "mallory"}, 300, True)
    assert key["decision"]["actions"] == ["deny", "sign_out", "alert"]
    assert not key["decision"]["simulated"]


def test_what_came_after_the_event_and_the_event_itself_do_not_fill_its_window(log: Path) -> None:
    (key,) = told(log_line(id="r9", time=str(TIME + 900)), "--log", log)["keys"]
    assert (key["window"]["figure"], key["fires"]) == (10, False)


def test_a_second_crossing_in_one_cooldown_is_told_as_such(log: Path) -> None:
    log.write_text(log.read_text() + log_line(id="crossing", time=str(TIME + 30_000)) + "\n")
    event = log_line(id="last", time=str(TIME + 30_100))
    (key,) = told(event, "--log", log)["keys"]
    assert (key["window"]["figure"], key["fires"], key["matched_before"]) == (301, False, True)
    assert "no finding again: this key had one in the same cooldown" in run(event, "--log", log).output


def test_an_object_without_a_time_happened_at_the_end_of_the_log(log: Path) -> None:
    event = json.dumps({"source": "api_access", "user": "mallory", "pool": "pool-1"})
    (key,) = told(event, "--log", log)["keys"]
    assert (key["window"]["time"], key["window"]["figure"]) == (TIME + 29_800, 300)


def test_without_a_verified_user_in_a_pool_nothing_can_be_denied() -> None:
    event = json.dumps({"source": "api_access", "user": "mallory"})
    assert "the event names no verified user in a pool" in run(event, "--rule", RATE).output


def test_the_policy_has_its_say(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yml"
    policy.write_text("protected: {users: [mallory]}\n")
    result = run(log_line(), "--rule", RATE, "--policy", policy)
    assert "policy, if it fired: nothing: user mallory is protected by the policy" in result.output
    policy.write_text("protected: {groups: [admins]}\n")
    result = run(log_line(), "--rule", RATE, "--policy", policy)
    assert "unless the user pool says that it is protected" in result.output


def test_our_own_refusal_is_told_never_to_count() -> None:
    result = run(log_line(decision="deny", reason="signed_out", status="403"), "--rule", RATE)
    assert "our own refusals never count" in result.output
    assert "does not count" in result.output


def test_a_rule_whose_key_is_missing_says_which_field(tmp_path: Path) -> None:
    event = json.dumps({"source": "api_access", "status": 401})
    result = run(event, "--rule", "8d0c2f5b-6a47-4f1e-b6a5-0e4c7a4d2b93")
    assert "source_ip is missing, and the rule counts by it" in result.output


def test_what_a_condition_excludes_is_told_as_unwanted(tmp_path: Path) -> None:
    (tmp_path / "rule.yml").write_text("""\
title: Deleted
id: 0b9f7c1e-6f0d-4f3f-9a53-3a3f5d7c2e10
logsource: {category: api_access}
detection:
  deleted: {method: DELETE}
  batch_job: {client: batch}
  condition: deleted and not batch_job
""")
    event = {"source": "api_access", "method": "DELETE", "client": "batch", "source_ip": "192.0.2.1"}
    result = run(json.dumps(event), "--rules", tmp_path)
    assert "no  unwanted: batch_job: client is 'batch'   it is 'batch'" in result.output
    result = run(json.dumps(event | {"client": "web"}), "--rules", tmp_path)
    assert "yes not there: batch_job: client is 'batch'   it is 'web'" in result.output
    assert "Deleted  FIRES" in result.output


def test_rules_for_other_sources_take_one_line() -> None:
    result = run(log_line())
    assert "for events of other sources than api_access: Denied Token Keeps Coming" in result.output


def test_standard_input_holds_the_event() -> None:
    assert run("-", given=log_line() + "\n").output == run(log_line()).output


def test_an_event_cannot_drive_the_terminal() -> None:
    event = {"source": "api_access", "status": 404, "path": "/\x1b[2J\u202e", "source_ip": "192.0.2.1"}
    output = run(json.dumps(event)).output
    assert "\x1b" not in output
    assert "\u202e" not in output
    assert "\x1b" not in run(json.dumps(event), "--output", "json").output


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ("hello", "nor JSON"),
        ("[1]", "not a line of an access log"),
        ('{"source": "api_access", "usr": 1}', "no event has a field 'usr' (did you mean user?)"),
        ('{"source": "nowhere"}', "not an event"),
        ('{"status": 401}', "not an event"),
        ('{"a": ', "not JSON"),
        (f"{log_line()}\n{log_line()}", "one event at a time"),
    ],
)
def test_what_is_no_event_is_wrong_usage(event: str, message: str) -> None:
    result = run(event)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_a_misspelt_rule_is_answered_with_the_nearest() -> None:
    result = run(log_line(), "--rule", "request rate of one usr")
    assert result.exit_code == 2
    assert "did you mean request rate of one user?" in " ".join(result.output.split())


def test_a_rule_that_only_serves_others_cannot_be_explained_alone() -> None:
    result = run(log_line(), "--rule", "request_within_a_session")
    assert result.exit_code == 2
    assert "only serves correlations" in result.output
