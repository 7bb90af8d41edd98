from __future__ import annotations

import io

from msgspec.structs import replace
from rich.console import Console

from sessionwarden.local.demo.report import CommandRun, Report
from sessionwarden.local.demo.screen import Screen
from tests.support.demo_report import REPORT


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
