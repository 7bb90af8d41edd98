"""Pages use the plain words of the glossary; words that were given up do not come back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.pages import PAGES, name, prose

GIVEN_UP = re.compile(
    r"\b(?:shel(?:f|ves)|burnt?|burning|gauges?|culprits?|deeds?|doors?|firings?|quant(?:um|a)|surveys?|"
    r"soundness|polled den(?:y|ies)|story|suspects?|of which|told of|whoever)\b",
    re.IGNORECASE,
)
STILL_SAY_THEM = frozenset(
    {
        "docs/reference/detection.md",
    }
)
"""Pages that have yet to be brought to the words of the glossary."""
PAST = frozenset({"CHANGELOG.md"})
"""Pages that speak of what was, by the names that it had."""


def given_up_words(page: Path) -> list[str]:
    return GIVEN_UP.findall(re.sub(r"`[^`\n]+`", "", prose(page)))


@pytest.mark.parametrize(
    "page", [page for page in PAGES if name(page) not in PAST | STILL_SAY_THEM], ids=name
)
def test_a_page_says_it_in_plain_words(page: Path) -> None:
    assert not given_up_words(page)


@pytest.mark.parametrize("page", [page for page in PAGES if name(page) in STILL_SAY_THEM], ids=name)
def test_a_page_that_has_been_brought_to_plain_words_leaves_the_list(page: Path) -> None:
    assert given_up_words(page)
