from __future__ import annotations

from docs.drawings import windows


def test_the_drawing_of_windows_is_what_its_script_writes() -> None:
    written = windows.PICTURE.read_text(encoding="utf-8")
    assert written == windows.draw(), "run: python docs/drawings/windows.py"
