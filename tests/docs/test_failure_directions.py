"""The page of failure directions names a test for each boundary, and each of them exists."""

from __future__ import annotations

import re
from difflib import get_close_matches

import pytest

from tests.support.pages import names_of_tests, rows
from tests.support.paths import PROJECT

PAGE = PROJECT / "docs/explanation/failure-directions.md"
HEADER = ("what fails", "direction", "why", "shown by")
BOUNDARIES = list(rows(PAGE, header=HEADER))


def test_every_stage_has_boundaries() -> None:
    assert len(BOUNDARIES) > 40


@pytest.mark.parametrize("row", BOUNDARIES, ids=lambda row: row[0])
def test_a_boundary_says_direction_and_reason_and_names_a_test_that_exists(row: list[str]) -> None:
    assert len(row) == len(HEADER)
    assert all(row)
    shown = re.findall(r"`([^`]+)`", row[-1])
    assert shown
    for one in shown:
        if one.startswith("tests/"):
            assert (PROJECT / one).is_file(), one
        else:
            assert one in names_of_tests(), (
                f"no test is called {one}; nearest: {get_close_matches(one, names_of_tests())}"
            )
