"""`sessionwarden decisions` against a stack in moto: answers, effects and exit statuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from moto import mock_aws
from msgspec.structs import replace

from sessionwarden.adapters.aws.cognito import CognitoUserPool
from sessionwarden.adapters.clock import system_clock
from sessionwarden.adapters.dynamodb.control import DynamoDBControlStore
from sessionwarden.adapters.dynamodb.coverage import DynamoDBCoverageStore
from sessionwarden.adapters.dynamodb.decisions import DynamoDBDecisionStore
from sessionwarden.adapters.dynamodb.denylist import DynamoDBDenylistStore
from sessionwarden.enforcement.acted import Acted
from sessionwarden.enforcement.actions import Actions
from sessionwarden.model.decision import Decision
from sessionwarden.model.deny import CLOCK_SKEW_SECONDS, BroadDeny, DenyEntry
from sessionwarden.model.principal import principal
from sessionwarden.policy.decide import decide
from tests.support.command_line import run
from tests.support.deployed_stack import DeployedStack
from tests.support.enforcement import deployed, finding, response

Sessionwarden = Callable[..., tuple[int, str, str]]


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[DeployedStack]:
    with mock_aws():
        stack = DeployedStack()
        stack.install(monkeypatch)
        yield stack


@pytest.fixture
def sessionwarden(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sessionwarden:
    def command(*arguments: str) -> tuple[int, str, str]:
        status = run(arguments, monkeypatch)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return command


def entries(stack: DeployedStack) -> list[DenyEntry]:
    store = DynamoDBDenylistStore(stack.dynamodb, stack.denylist)
    return list(store.entries(principal(stack.pools[0], stack.sub)))


def enforced(stack: DeployedStack, **changes: Any) -> Decision:
    """A decision of a rule, carried out."""
    store = DynamoDBDecisionStore(stack.dynamodb, stack.decisions)
    fields: dict[str, Any] = {
        "pool": stack.pools[0], "user": stack.sub, "key": {"user": stack.sub}, "time": system_clock(),
    }  # fmt: skip
    answer = response(actions=("disable_user", "alert"), deny_seconds=3600)
    given = finding(answer=answer, **(fields | changes))
    decision = decide(given, deployed(pools=(stack.pools[0],)), now_ms=system_clock())
    Actions(
        decisions=store,
        denylist=DynamoDBDenylistStore(stack.dynamodb, stack.denylist),
        control=DynamoDBControlStore(stack.dynamodb, stack.control),
        acted=Acted(DynamoDBCoverageStore(stack.dynamodb, stack.control)),
        users=CognitoUserPool(stack.cognito),
        clock=system_clock,
    ).carry_out(store.record(decision))
    return decision


def test_an_added_decision_denies_at_once_and_a_delete_undoes_it(
    stack: DeployedStack, sessionwarden: Sessionwarden
) -> None:
    status, out, _ = sessionwarden(
        "decisions", "add", "--user", stack.sub, "--duration", "1h", "--reason", "stolen laptop",
        "--sign-out", "--output", "json",
    )  # fmt: skip
    added = json.loads(out)
    decision = added["decision"]
    assert status == 0
    assert decision["id"].startswith("manual-")
    assert (decision["origin"], decision["reason"]) == ("operator", "stolen laptop")
    assert decision["created_by"].startswith("arn:aws:")
    assert [result["outcome"] for result in added["results"]] == ["done", "done"]
    (entry,) = entries(stack)
    assert entry.deny_until is not None
    assert entry.not_before is not None
    cut_off = entry.not_before - CLOCK_SKEW_SECONDS
    assert entry.deny_until - cut_off == 3600
    assert entry.expires_at - cut_off == 7200, "the stack says how long a session can live"

    status, out, _ = sessionwarden("decisions", "delete", decision["id"])
    assert status == 0
    assert "New sign-ins work at once." in out
    assert "stay dead" in out
    assert entries(stack)[0].lifted_at is not None
    assert not entries(stack)[0].tokens_revived

    status, out, _ = sessionwarden("decisions", "delete", decision["id"], "--revive-tokens")
    assert (status, entries(stack)[0].tokens_revived) == (0, True)
    assert "work again" in out


def test_a_session_can_be_denied_alone(stack: DeployedStack, sessionwarden: Sessionwarden) -> None:
    status, _, _ = sessionwarden(
        "decisions", "add", "--user", stack.sub, "--session", "o-1", "--reason", "shared token"
    )
    (entry,) = entries(stack)
    assert (status, entry.session, entry.not_before, entry.deny_until) == (0, "o-1", None, None)


def broad(stack: DeployedStack) -> list[BroadDeny]:
    return list(DynamoDBDenylistStore(stack.dynamodb, stack.denylist).broad(now=system_clock() // 1000))


def test_a_network_can_be_denied_for_a_while_and_let_in_again(
    stack: DeployedStack, sessionwarden: Sessionwarden
) -> None:
    given, denied = "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"
    status, out, _ = sessionwarden(
        "decisions", "add", "--source-ip", given, "--duration", "30m", "--reason", "scraper"
    )
    (entry,) = broad(stack)
    assert (status, entry.network, entry.client) == (0, denied, None)
    assert 1790 <= entry.deny_until - system_clock() // 1000 <= 1800
    for text in (f"scope            source_ip {denied}", "deny             done", "within 5 seconds"):
        assert text in out
    _, out, _ = sessionwarden("decisions", "list")
    assert denied in out
    status, out, _ = sessionwarden("decisions", "delete", entry.decision_id)
    assert status == 0
    assert out == "Lifted. Authorizers let it in again, with all its tokens, within 5 seconds.\n"
    assert broad(stack)[0].lifted_at is not None
    _, out, _ = sessionwarden("decisions", "show", entry.decision_id)
    assert "state            lifted" in out


def test_a_client_can_be_denied_within_its_pool(stack: DeployedStack, sessionwarden: Sessionwarden) -> None:
    status, out, _ = sessionwarden(
        "decisions", "add", "--client", "app", "--duration", "24h", "--reason", "leaked", "--output", "json"
    )
    (entry,) = broad(stack)
    assert (status, entry.client) == (0, f"{stack.pools[0]}#app")
    decision = json.loads(out)["decision"]
    assert (decision["scope"], decision["value"], decision["pool"]) == ("client", "app", stack.pools[0])


def test_a_stopped_deployment_denies_no_network_either(
    stack: DeployedStack, sessionwarden: Sessionwarden
) -> None:
    DynamoDBControlStore(stack.dynamodb, stack.control).stop(by="x", at_ms=1)
    arguments = ("--source-ip", "203.0.113.7", "--duration", "1h", "--reason", "r")
    status, _, err = sessionwarden("decisions", "add", *arguments)
    assert (status, broad(stack)) == (1, [])
    assert "Enforcement is stopped" in err


def test_no_more_networks_are_denied_by_hand_than_authorizers_can_read(
    stack: DeployedStack, sessionwarden: Sessionwarden, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessionwarden.cli.decisions.command.MAX_LIVE", 1)
    arguments = ("decisions", "add", "--duration", "1h", "--reason", "r", "--source-ip")
    assert sessionwarden(*arguments, "203.0.113.7")[0] == 0
    status, _, err = sessionwarden(*arguments, "203.0.113.8")
    assert (status, len(broad(stack))) == (1, 1)
    assert err == "1 clients and networks are denied already; see: sessionwarden decisions list\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "exactly one of --user, --client and --source-ip is needed"),
        (["--user", "u", "--client", "c"], "exactly one of --user, --client and --source-ip is needed"),
        (["--source-ip", "203.0.113.7"], "needs a --duration of at most 24h"),
        (["--source-ip", "203.0.113.7", "--duration", "25h"], "needs a --duration of at most 24h"),
        (["--client", "c", "--duration", "2d"], "needs a --duration of at most 24h"),
        (["--client", " ", "--duration", "1h"], "' ' is not the id of an app client"),
        (["--client", "my-web-app", "--duration", "1h"], "'my-web-app' is not the id of an app client"),
        (["--client", "1h57kf5cpq17m0eml12EXAMPLE ", "--duration", "1h"], "is not the id of an app client"),
        (["--source-ip", "203.0.112.0/23", "--duration", "1h"], "203.0.112.0/23 is wider than a /24"),
        (["--source-ip", "0.0.0.0/0", "--duration", "1h"], "0.0.0.0/0 is wider than a /24"),
        (["--source-ip", "2001:db8::/32", "--duration", "1h"], "2001:db8::/32 is wider than a /48"),
        (["--source-ip", "10.0.0.1", "--duration", "1h"], "is never denied"),
        (["--source-ip", "203.0.113.7/24", "--duration", "1h"], "without host bits"),
        (["--source-ip", "\x1b[2J", "--duration", "1h"], "'\\x1b[2J' is not an address"),
        (
            ["--source-ip", "203.0.113.7", "--duration", "1h", "--pool", "p"],
            "--pool is for a user or a client",
        ),
        (["--source-ip", "203.0.113.7", "--duration", "1h", "--sign-out"], "are for a user"),
        (["--client", "c", "--duration", "1h", "--session", "s"], "are for a user"),
    ],
)
def test_a_mistaken_deny_of_a_client_or_network_is_refused_with_its_reason(
    sessionwarden: Sessionwarden, arguments: list[str], complaint: str
) -> None:
    # no deployment is there to be asked: that would be status 3
    status, out, err = sessionwarden("decisions", "add", *arguments, "--reason", "r")
    assert (status, out) == (2, "")
    assert complaint in " ".join(err.split())


def test_deleting_a_rules_decision_enables_the_account_again(
    stack: DeployedStack, sessionwarden: Sessionwarden
) -> None:
    enforced(stack)
    assert not stack.enabled()
    status, out, _ = sessionwarden("decisions", "delete", "f-1")
    assert status == 0
    assert "The account is enabled again." in out
    assert stack.enabled()
    _, out, _ = sessionwarden("decisions", "show", "f-1", "--output", "json")
    shown = json.loads(out)
    assert shown["lifted_at"] > 0
    assert shown["lifted_by"].startswith("arn:aws:")


def test_list_and_show_tell_what_was_decided(stack: DeployedStack, sessionwarden: Sessionwarden) -> None:
    status, out, _ = sessionwarden("decisions", "list")
    assert (status, out) == (0, "No decisions.\n")
    decision = enforced(stack)
    status, out, _ = sessionwarden("decisions", "list")
    header, row = out.splitlines()
    assert (status, header.split()[0], row.split()[-1]) == (0, "TIME", "f-1")
    assert "enforced" in row
    status, out, _ = sessionwarden("decisions", "list", "--output", "json")
    assert json.loads(out)["decision"]["not_before"] == decision.not_before
    status, out, _ = sessionwarden("decisions", "show", "f-1")
    assert status == 0
    for text in ("request-rate-per-user", stack.sub, "disable_user     done", "all refused      until 2"):
        assert text in out


def test_a_simulated_decision_says_why_it_was_withheld(
    stack: DeployedStack, sessionwarden: Sessionwarden
) -> None:
    enforced(stack, id="f-2", pool="eu-west-1_Elsewhere")
    _, out, _ = sessionwarden("decisions", "list")
    assert "simulated (unknown_pool)" in out
    status, out, _ = sessionwarden("decisions", "delete", "f-2")
    assert (status, out) == (0, "The decision is marked as lifted; it had denied nothing.\n")


def test_a_reduced_decision_says_so(stack: DeployedStack, sessionwarden: Sessionwarden) -> None:
    decision = enforced(stack)
    store = DynamoDBDecisionStore(stack.dynamodb, stack.decisions)
    store.record(replace(decision, id="f-2", reduced="budget"))
    _, out, _ = sessionwarden("decisions", "show", "f-2")
    assert "reduced          to this session (budget)" in out
    _, out, _ = sessionwarden("decisions", "show", "f-1")
    assert "reduced" not in out


def test_nothing_that_a_user_chose_can_drive_the_terminal(
    stack: DeployedStack, sessionwarden: Sessionwarden
) -> None:
    hostile = "\x1b[2J\x9b31m\u202e\nFORGED\r"
    decision = enforced(stack)
    store = DynamoDBDecisionStore(stack.dynamodb, stack.decisions)
    store.record(replace(decision, id="f-3", username=hostile, title=hostile, value=hostile, reason=hostile))
    for command in (["list"], ["show", "f-3"]):
        for output in ("text", "json"):
            _, out, _ = sessionwarden("decisions", *command, "--output", output)
            assert "FORGED" in out
            assert out.replace("\n", "").isprintable()
            assert not any(line.startswith("FORGED") for line in out.splitlines())


def test_an_unknown_id_is_one_clear_sentence_and_status_1(
    stack: DeployedStack, sessionwarden: Sessionwarden
) -> None:
    for command in ("show", "delete"):
        status, out, err = sessionwarden("decisions", command, "no\x1b[2J")
        assert (status, out) == (1, "")
        assert err == "There is no decision no\\x1b[2J in stack sessionwarden.\n"


def test_a_stopped_deployment_takes_no_new_decision(
    stack: DeployedStack, sessionwarden: Sessionwarden
) -> None:
    DynamoDBControlStore(stack.dynamodb, stack.control).stop(by="x", at_ms=1)
    status, _, err = sessionwarden("decisions", "add", "--user", stack.sub, "--reason", "r")
    assert (status, entries(stack)) == (1, [])
    assert "Enforcement is stopped" in err


def test_a_sign_out_that_failed_for_good_is_reported_and_the_deny_stands(
    stack: DeployedStack, sessionwarden: Sessionwarden
) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    status, out, err = sessionwarden("decisions", "add", "--user", nobody, "--reason", "r", "--sign-out")
    assert status == 1
    assert "failed (UserNotFoundException)" in out
    assert "Not everything was done" in err


def test_wrong_usage_is_status_2_and_changes_nothing(
    stack: DeployedStack, sessionwarden: Sessionwarden
) -> None:
    for arguments in (
        ["add", "--user", "u"],
        ["add", "--reason", "r"],
        ["add", "--user", " ", "--reason", "r"],
        ["add", "--user", "u", "--reason", "r", "--pool", "eu-west-1_Other"],
        ["add", "--user", "u", "--reason", "r", "--session", "s", "--duration", "1h"],
        ["add", "--user", "u", "--reason", "r", "--duration", "soon"],
        ["add", "--client", "c", "--reason", "r", "--duration", "1h", "--pool", "eu-west-1_Other"],
        ["list", "--limit", "0"],
        ["list", "--since", "0d"],
        ["list", "--since", "3651d"],
        ["show"],
    ):
        assert sessionwarden("decisions", *arguments)[0] == 2, arguments
    assert stack.dynamodb.scan(TableName=stack.denylist)["Count"] == 0


def test_of_several_pools_one_must_be_named(
    sessionwarden: Sessionwarden, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mock_aws():
        stack = DeployedStack(pools=2)
        stack.install(monkeypatch)
        arguments = ("decisions", "add", "--user", stack.sub, "--reason", "r")
        status, _, err = sessionwarden(*arguments)
        assert status == 2
        assert "--pool is needed" in err
        assert sessionwarden(*arguments, "--pool", stack.pools[0])[0] == 0


def test_a_stack_that_is_not_there_or_not_ours_is_status_3(
    stack: DeployedStack, sessionwarden: Sessionwarden
) -> None:
    status, _, err = sessionwarden("decisions", "list", "--stack", "other")
    assert status == 3
    assert err == "sessionwarden: stack other: Stack with id other does not exist\n"
    del stack.outputs[0]
    status, _, err = sessionwarden("decisions", "list")
    assert status == 3
    assert err == "sessionwarden: stack sessionwarden has no output DenylistTable: is it Sessionwarden's?\n"
