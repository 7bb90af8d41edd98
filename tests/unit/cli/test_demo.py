"""`sessionwarden demo`: what it answers for each outcome of the scenario."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from click.testing import Result
from msgspec.structs import replace

from sessionwarden.errors import LocalStackError
from sessionwarden.local.demo.report import Expectation, Report
from tests.support.command_line import invoke
from tests.support.demo_report import HELD, REPORT

FAILED = Expectation(name="the same token after: Cognito GetUser", expected="refused", got="200")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command with a given outcome of the scenario, and without a deployment."""

    def run_demo(outcome: Report | BaseException, *arguments: str) -> Result:
        @contextmanager
        def no_stack(progress: Any) -> Iterator[None]:
            yield None

        def play(stack: Any, progress: Any, *, started: float) -> Report:
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        monkeypatch.setattr("sessionwarden.cli.demo.running_local_stack", no_stack)
        monkeypatch.setattr("sessionwarden.cli.demo.play", play)
        monkeypatch.setattr(signal, "signal", lambda *_: None)
        return invoke("demo", *arguments)

    return run_demo


def test_a_demo_whose_expectations_hold_ends_with_0(run: Callable[..., Result]) -> None:
    result = run(REPORT)
    assert result.exit_code == 0
    assert "1 of 1 expectations held" in result.output


def test_a_failed_expectation_is_named_with_its_result_and_ends_with_1(run: Callable[..., Result]) -> None:
    result = run(replace(REPORT, expectations=(HELD, FAILED)))
    assert result.exit_code == 1
    assert "the same token after: Cognito GetUser: expected refused, got 200" in result.output
    assert "1 of 2 expectations held" in result.output


def test_ctrl_c_is_answered_in_one_line(run: Callable[..., Result]) -> None:
    result = run(KeyboardInterrupt())
    assert result.exit_code == 130
    assert "nothing is left running" in result.output


def test_a_stack_that_does_not_come_up_is_left_to_the_command_line_to_report(
    run: Callable[..., Result],
) -> None:
    assert isinstance(run(LocalStackError("no")).exception, LocalStackError)


def test_the_json_report_is_all_that_reaches_standard_output(run: Callable[..., Result]) -> None:
    document = json.loads(run(replace(REPORT, expectations=(FAILED,)), "--output", "json").stdout)
    assert document["failed"] == [FAILED.name]
    assert document["incidents"][0]["timeline"][1]["after_ms"] == 520
