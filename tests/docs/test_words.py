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
PAST = frozenset({"CHANGELOG.md"})
"""Pages that speak of what was, by the names that it had."""


def given_up_words(page: Path) -> list[str]:
    return GIVEN_UP.findall(re.sub(r"`[^`\n]+`", "", prose(page)))


@pytest.mark.parametrize("page", [page for page in PAGES if name(page) not in PAST], ids=name)
def test_a_page_says_it_in_plain_words(page: Path) -> None:
    assert not given_up_words(page)
