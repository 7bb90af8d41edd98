"""`sessionwarden enforcement`: the kill switch from a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from moto import mock_aws
from msgspec.structs import replace

from sessionwarden.adapters.clock import system_clock
from sessionwarden.adapters.dynamodb.control import DynamoDBControlStore
from sessionwarden.adapters.dynamodb.decisions import DynamoDBDecisionStore
from sessionwarden.policy.decide import decide
from tests.support.command_line import run
from tests.support.deployed_stack import DeployedStack
from tests.support.enforcement import about, deployed


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[DeployedStack]:
    with mock_aws():
        stack = DeployedStack(name="warden")
        stack.install(monkeypatch)
        yield stack


def test_stop_holds_until_resume_and_status_says_so(
    stack: DeployedStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    control = DynamoDBControlStore(stack.dynamodb, stack.control)

    def command(name: str, *options: str) -> str:
        assert run(["enforcement", name, "--stack", "warden", *options], monkeypatch) == 0
        return capsys.readouterr().out

    assert command("status") == "Enforcement is running.\n"
    assert command("stop").startswith("Enforcement is STOPPED since 2")
    assert control.stopped()
    state = json.loads(command("status", "--output", "json"))
    assert (state["stopped"], state["stopped_by"][:8]) == (True, "arn:aws:")
    assert command("resume") == "Enforcement is running.\n"
    assert json.loads(command("status", "--output", "json")) == {"stopped": False}
    assert not control.stopped()


def test_resume_says_what_was_withheld_meanwhile(
    stack: DeployedStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    decisions = DynamoDBDecisionStore(stack.dynamodb, stack.decisions)
    before = decide(about("before"), deployed(mode="observe"), now_ms=system_clock() - 60_000)
    decisions.record(before)
    DynamoDBControlStore(stack.dynamodb, stack.control).stop(by="on-call", at_ms=system_clock() - 1000)
    for name, withheld in (("kept", "stopped"), ("shown", "observe")):
        decision = decide(about(name), deployed(), now_ms=system_clock())
        decisions.record(replace(decision, simulated=True, withheld=withheld))
    assert run(["enforcement", "resume", "--stack", "warden"], monkeypatch) == 0
    running, withheld, _, row = capsys.readouterr().out.splitlines()
    assert running == "Enforcement is running."
    assert withheld.startswith("Withheld since 2")
    assert row.endswith("kept")
    assert run(["enforcement", "resume", "--stack", "warden", "--output", "json"], monkeypatch) == 0
    assert json.loads(capsys.readouterr().out) == {"stopped": False, "withheld": []}


def test_a_name_in_the_switch_cannot_drive_the_terminal(
    stack: DeployedStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    DynamoDBControlStore(stack.dynamodb, stack.control).stop(by="\x1b[2Jx\n", at_ms=0)
    assert run(["enforcement", "status", "--stack", "warden"], monkeypatch) == 0
    assert capsys.readouterr().out == (
        "Enforcement is STOPPED since 1970-01-01 00:00:00Z, by \\x1b[2Jx\\n.\n"
    )


def test_a_deployment_that_cannot_be_found_is_status_3(
    stack: DeployedStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["enforcement", "stop", "--stack", "elsewhere"], monkeypatch) == 3
    assert "elsewhere" in capsys.readouterr().err
