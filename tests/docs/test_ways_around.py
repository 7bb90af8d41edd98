"""The page of ways around names a test for each, and every one of them exists."""

from __future__ import annotations

import re

import pytest

from tests.support.pages import names_of_tests, rows
from tests.support.paths import PROJECT

PAGE = PROJECT / "docs/explanation/ways-around.md"
HEADER = ("the way around", "it did", "it does", "shown by")
WAYS = list(rows(PAGE, header=HEADER))


def test_the_page_has_ways() -> None:
    assert len(WAYS) >= 15


@pytest.mark.parametrize("row", WAYS, ids=lambda row: row[0])
def test_a_way_says_what_became_of_it_and_names_tests_that_exist(row: list[str]) -> None:
    assert len(row) == len(HEADER)
    assert all(row)
    shown = re.findall(r"`([^`]+)`", row[-1])
    assert shown
    assert set(shown) <= set(names_of_tests())
