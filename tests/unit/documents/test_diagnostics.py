from __future__ import annotations

from pathlib import Path

from sessionwarden.documents.diagnostics import describe
from sessionwarden.errors import Diagnostic


def test_a_file_cannot_drive_the_terminal_through_its_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "x.yml"
    file.write_text("a: \x1b[2J\n")
    shown = describe([Diagnostic(str(file), 1, 4, "a\x1b[2J", "bad \x1b[31m", "no\x07")])
    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_the_caret_of_a_very_long_line_stands_under_its_place(tmp_path: Path) -> None:
    file = tmp_path / "x.yml"
    file.write_text("x" * 5000 + "HERE" + "y" * 5000 + "\n")
    _, line, caret, _ = describe([Diagnostic(str(file), 1, 5001, "", "bad")]).splitlines()
    assert line[caret.index("^") :].startswith("HERE")
    assert len(line) < 120


def test_a_mistake_of_a_file_that_is_gone_is_still_told(tmp_path: Path) -> None:
    shown = describe([Diagnostic(str(tmp_path / "gone.yml"), 3, 1, "a", "bad")])
    assert shown.splitlines() == [f"{tmp_path / 'gone.yml'}:3:1: a: bad", "1 mistake in 1 file"]
