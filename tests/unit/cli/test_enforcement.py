"""`sessionwarden enforcement`: the kill switch from a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from moto import mock_aws

from sessionwarden.adapters.dynamodb.control import DynamoDBControlStore
from tests.support.command_line import run
from tests.support.deployed_stack import DeployedStack


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
