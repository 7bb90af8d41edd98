"""The glossary is one sentence a term, in order, so that a term is found and found once."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.support.pages import rows, text
from tests.support.paths import PROJECT

PAGE = PROJECT / "docs/reference/glossary.md"
TERMS = list(rows(PAGE, header=("term", "means")))


def test_no_term_is_explained_twice() -> None:
    terms = [word.strip("` ").lower() for term, _ in TERMS for word in term.split(", ")]
    assert len(terms) > 80
    assert len(terms) == len(set(terms))


@pytest.mark.parametrize("row", TERMS, ids=lambda row: row[0])
def test_a_term_is_explained_in_one_sentence(row: list[str]) -> None:
    term, meaning = row
    assert meaning.endswith(".")
    assert ". " not in meaning.replace("e.g. ", "")
    assert meaning[0].isupper() or meaning.startswith("`")
    assert term


def test_terms_of_a_section_are_in_order() -> None:
    for section in text(PAGE).split("\n## ")[1:]:
        lines = [line for line in section.splitlines() if line.startswith("| ") and "---" not in line][1:]
        terms = [line.split(" | ")[0].strip("|` ").lower() for line in lines]
        for first, second in pairwise(terms):
            assert first < second, f"{second} stands behind {first}"
