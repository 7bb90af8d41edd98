from __future__ import annotations

import io
import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace
from rich.console import Console

from sessionwarden.cli import demo as command
from sessionwarden.errors import LocalStackError
from sessionwarden.local.demo.report import (
    SIMULATED,
    CommandRun,
    EndpointResult,
    Expectation,
    Incident,
    Moment,
    Report,
)
from sessionwarden.local.demo.screen import Screen

HELD = Expectation(name="the first request", expected="200", got="200")
FAILED = Expectation(name="the same token after: Cognito GetUser", expected="refused", got="200")
INCIDENT = Incident(
    username="mallory",
    rule="Request Rate of One User",
    count=300,
    decision_id="d1",
    actions=("deny", "sign_out", "alert"),
    requests=331,
    timeline=(
        Moment(what="the log line is written", at=1000, after_ms=0),
        Moment(what="refused", at=1520, after_ms=520),
    ),
    alert_subject="[high] Sessionwarden: deny",
    alert_message="grouped by user: [bold]not markup[/bold]",
)
REPORT = Report(
    simulated=SIMULATED,
    replayed_lines=0,
    incidents=(INCIDENT,),
    endpoints=(EndpointResult(name="Cognito's own JWT authorizer", before="200", after="200"),),
    honest_users=4,
    honest_requests=113,
    honest_errors=0,
    undo=CommandRun(command="sessionwarden decisions delete d1", exit_status=0, output="Lifted."),
    new_token_after_undo="200",
    old_token_after_undo="403",
    expectations=(HELD,),
    seconds=41.5,
)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command with a given outcome of the scenario, and without a deployment."""

    def invoke(outcome: Report | BaseException, *arguments: str) -> Result:
        @contextmanager
        def no_stack(progress: Any) -> Iterator[None]:
            yield None

        def play(stack: Any, progress: Any, *, started: float) -> Report:
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        monkeypatch.setattr(command, "running_local_stack", no_stack)
        monkeypatch.setattr(command, "play", play)
        monkeypatch.setattr(signal, "signal", lambda *_: None)
        return CliRunner().invoke(command.demo, arguments)

    return invoke


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


def _shown(report: Report) -> str:
    buffer = io.StringIO()
    Screen(Console(file=buffer, width=100)).report(report)
    return buffer.getvalue()


def test_hostile_text_in_an_alert_is_shown_as_text() -> None:
    assert "[bold]not markup[/bold]" in _shown(REPORT)


def test_without_a_terminal_nothing_is_coloured() -> None:
    assert "\x1b" not in _shown(REPORT)


def test_the_screen_says_what_is_simulated_and_how_many_lines_were_replayed() -> None:
    assert "one simulated input" in _shown(REPORT)
    assert "17 lines are real requests written a second time" in " ".join(
        _shown(replace(REPORT, replayed_lines=17)).split()
    )


def test_the_undo_command_is_never_folded() -> None:
    long = CommandRun(command="sessionwarden " + "x" * 200, exit_status=0, output="")
    assert f"$ {long.command}" in _shown(replace(REPORT, undo=long))


def test_the_screen_shows_what_the_api_answered_after_the_undo_and_not_what_was_hoped() -> None:
    assert "with the new token: 500; the old token: 403." in _shown(
        replace(REPORT, new_token_after_undo="500")
    )
