"""Whatever a page points to in this repository exists, and whatever page the code points to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from pathlib import Path

import pytest

from tests.support.pages import PAGES, anchors, code, links, name, names_of_tests, text
from tests.support.paths import PROJECT

HISTORY = frozenset({"CHANGELOG.md"})
"""Pages that speak of the past, whose code paths were right when they were written."""

FOLDERS = "benchmarks|docs|functions|fuzz|requirements|rules|samples|src|stacks|tests"
PATH = re.compile(rf"(?:{FOLDERS})/[\w./*-]*")
MODULE = re.compile(r"(?:benchmarks|functions|sessionwarden|stacks|tests)(?:\.[a-z_]\w*)+")
EVENT_SOURCES = frozenset({f"sessionwarden.{one}" for one in ("ingest", "detect", "enforce", "decision")})
"""What the bus and the authorizer's lines call themselves, though no module is called so."""
TEST = re.compile(r"test_\w+")
PAGE = re.compile(r"\bdocs/[\w/-]+\.md(?:#[\w-]+)?")
SOURCES = ("src", "functions", "stacks", "benchmarks", "tests", "fuzz", "rules")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_link_leads_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    for link in links(page):
        target, _, anchor = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), link
        if anchor:
            assert anchor in anchors(file), f"{link}; nearest: {get_close_matches(anchor, anchors(file))}"


@pytest.mark.parametrize("page", [page for page in PAGES if name(page) not in HISTORY], ids=name)
def test_a_file_module_or_test_that_a_page_names_exists(page: Path) -> None:
    for words in code(page):
        for path in PATH.findall(words) if PATH.match(words) else ():
            assert _exists(path), path
        if MODULE.fullmatch(words) and words not in EVENT_SOURCES:
            assert _is_module(words), words
        if TEST.fullmatch(words):
            assert words in names_of_tests() or words in _test_files(), (
                f"{words}; nearest: {get_close_matches(words, names_of_tests())}"
            )


def test_a_page_that_the_code_names_exists() -> None:
    for file, reference in _references():
        page, _, anchor = reference.partition("#")
        assert (PROJECT / page).is_file(), f"{file}: {reference}"
        assert not anchor or anchor in anchors(PROJECT / page), f"{file}: {reference}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_has_one_title_and_says_something_before_its_first_section(page: Path) -> None:
    title, _, rest = text(page).partition("\n")
    assert title.startswith("# ")
    assert not re.search(r"^# ", re.sub(r"(?s)^```.*?^```$", "", rest, flags=re.MULTILINE), re.MULTILINE)
    assert rest.strip()
    assert not rest.strip().startswith("#")


def _exists(path: str) -> bool:
    return any(PROJECT.glob(path.rstrip("/."))) if "*" in path else (PROJECT / path.rstrip(".")).exists()


def _is_module(dotted: str) -> bool:
    """Whether a module, or a name in one, is called so; names are looked up as text, without importing."""
    parent, _, attribute = dotted.rpartition(".")
    if _module_file(dotted):
        return True
    file = _module_file(parent)
    return bool(file and re.search(rf"\b{attribute}\b", file.read_text(encoding="utf-8")))


def _module_file(dotted: str) -> Path | None:
    for root in (PROJECT, PROJECT / "src"):
        path = root.joinpath(*dotted.split("."))
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
    return None


@cache
def _test_files() -> frozenset[str]:
    return frozenset(file.stem for file in (PROJECT / "tests").rglob("test_*.py"))


def _references() -> Iterator[tuple[str, str]]:
    for folder in SOURCES:
        for file in sorted((PROJECT / folder).rglob("*.*")):
            if file.suffix in {".py", ".yml"} and file.parent != Path(__file__).parent:
                for reference in PAGE.findall(file.read_text(encoding="utf-8")):
                    yield file.relative_to(PROJECT).as_posix(), reference


def test_every_page_is_linked_from_the_front_door_or_from_a_page_that_is() -> None:
    seen: set[Path] = set()
    waiting = [PROJECT / "README.md", PROJECT / "docs/README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        targets = ((page.parent / link.partition("#")[0]).resolve() for link in links(page))
        waiting += [target for target in targets if target.suffix == ".md"]
    assert set(PAGES) <= seen
