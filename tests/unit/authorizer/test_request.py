"""How the texts of a request become those of the decision line."""

from __future__ import annotations

import pytest

from sessionwarden.authorizer.request import printable


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain", "plain"),
        ("a\0b\nc", "a\ufffdb\ufffdc"),
        ("\ud800x", "\ufffdx"),
        ("x" * 10, "x" * 8),
        ("", None),
        ("-", None),
        (5, None),
    ],
)
def test_a_text_of_the_line_keeps_all_that_can_be_printed(text: object, found: str | None) -> None:
    assert printable(text, 8) == found
