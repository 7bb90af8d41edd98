"""The project's pages, for tests that hold what they say to the repository."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from tests.support.paths import PROJECT

PAGES = sorted(
    [*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md"), PROJECT / "benchmarks" / "RESULTS.md"]
)

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_TEST = re.compile(r"^ *def (test_\w+)", re.MULTILINE)


def name(page: Path) -> str:
    """A page's path within the project, which names it in a test's id and message."""
    return page.relative_to(PROJECT).as_posix()


@cache
def text(page: Path) -> str:
    """A page as it is written."""
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return _FENCE.sub("", text(page))


def links(page: Path) -> Iterator[str]:
    """The targets of a page's links that lead to other files or headings of the project."""
    yield from (target for target in _LINK.findall(prose(page)) if "://" not in target)


def code(page: Path) -> Iterator[str]:
    """What a page sets as code within its sentences."""
    yield from _CODE.findall(prose(page))


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors that GitHub makes of a page's headings."""
    return frozenset(map(anchor, _HEADING.findall(prose(page))))


def anchor(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")


def rows(page: Path, *, header: Sequence[str]) -> Iterator[list[str]]:
    """The rows of all tables of a page that have this header."""
    inside = False
    for line in text(page).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("|"):
            inside = False
        elif cells == list(header):
            inside = True
        elif inside and not line.startswith("| ---"):
            yield cells


@cache
def names_of_tests() -> frozenset[str]:
    """The name of every test function of the project."""
    files = (PROJECT / "tests").rglob("test_*.py")
    return frozenset(found for file in files for found in _TEST.findall(file.read_text(encoding="utf-8")))
