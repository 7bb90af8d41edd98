"""However a path is spelt, no reading of it has a stricter policy than the one that was applied.

The oracle is written apart from the code: a router as API Gateway documents it, over readings that are made
by decoding, cutting and normalising in fixed orders. Each route of a table asks for a group of its own, so
that a policy that was skipped is a group that is missing.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from urllib.parse import unquote

from hypothesis import example, given
from hypothesis import strategies as st

from sessionwarden.routes.match import Asked, Routes
from sessionwarden.routes.policy import RoutePolicy

WORDS = ("users", "me", "admin", "secrets", "5", "v1.x")
SLASHES = (
    "/", "/", "/", "%2f", "%2F", "%5c", "\\", "%255C", "%252f", "%25252f", "//", "/./", "/%2e/", "%c0%af",
    "%c1%9c", "%e0%80%af", "%u002f", "%ef%bc%8f", "/../", "%2f..%2f", "/..;/", "/%2e%2e/", "/%c0%ae%c0%ae/",
    "%25%32%66", "/;x/",
)  # fmt: skip
ENDS = (
    "", "", "", "/", "//", "/.", ";x", ";x=/y", "%3bx", "%00", "%00x", "%2500/x", "?x", "%3fx", "%253f/x",
    "%23x/y", "%20", " ", "%09", ".", ".json", "%2ejson", "/..",
)  # fmt: skip
METHODS = ("GET", "ANY", "POST")

segments = st.sampled_from((*WORDS, *WORDS, None))
templates = st.lists(segments, min_size=1, max_size=4).map(tuple)
keys = st.tuples(st.sampled_from(METHODS), templates, st.sampled_from((False, False, True)))
tables = st.lists(keys, min_size=1, max_size=6, unique=True)
Key = tuple[str, tuple[str | None, ...], bool]


@st.composite
def spelt(draw: st.DrawFn, words: tuple[str, ...]) -> str:
    """`words` as a path, with slashes, letters and an end as an attacker may write them."""
    text = ""
    for number, word in enumerate(words):
        text += draw(st.sampled_from(SLASHES)) if number else "/"
        for letter in word:
            form = draw(st.integers(0, 15))
            text += {0: f"%{ord(letter):02x}", 1: f"%25{ord(letter):02X}", 2: letter.upper()}.get(
                form, letter
            )
    return text + draw(st.sampled_from(ENDS))


paths = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(tuple).flatmap(spelt)


def group(key: Key | None) -> frozenset[str]:
    return frozenset({repr(key)})


def policy(key: Key | None) -> RoutePolicy:
    return RoutePolicy(any_groups=(group(key),))


def name(key: Key, *, parameter: str = "{}", rest: str = "{+}") -> str:
    method, parts, greedy = key
    texts = [part or parameter for part in parts]
    return f"{method} /" + "/".join([*texts, rest] if greedy else texts)


def routed(table: list[Key], method: str, parts: list[str], *, fold: bool) -> Key | None:
    """The route to which API Gateway would send a path that is spelt just so; `fold` ignores letter case."""

    def same(literal: str, part: str) -> bool:
        return literal.lower() == part.lower() if fold else literal == part

    def fits(key: Key) -> bool:
        of, texts, greedy = key
        long_enough = len(parts) > len(texts) if greedy else len(parts) == len(texts)
        return (
            of in (method, "ANY")
            and long_enough
            and all(same(text, part) if text else part for text, part in zip(texts, parts, strict=False))
        )

    found = sorted(
        filter(fits, table), key=lambda key: (key[2], [text is None for text in key[1]], key[0] == "ANY")
    )
    return found[0] if found else None


def decoded(path: str) -> Iterator[str]:
    """`path` decoded no times to three times, by a strict decoder and by two lax ones."""
    for times in range(4):
        lax = path
        for _ in range(times):
            lax = re.sub(r"%u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), lax)
            for long, short in (("%c0%af", "/"), ("%c1%9c", "\\"), ("%e0%80%af", "/"), ("%c0%ae", ".")):
                lax = lax.replace(long, short)
            lax = unquote(lax)
        yield lax
        yield lax.replace("\uff0f", "/")
        strict = path
        for _ in range(times):
            strict = unquote(strict)
        yield strict


def read(path: str) -> Iterator[list[str]]:
    """The segments of each reading of `path`."""
    choices = list(itertools.product((False, True), repeat=6))
    for text in set(decoded(path)):
        for backslash, matrix, ends, spaces, merge, inside in choices:
            found = text.replace("\\", "/") if backslash else text
            found = re.sub(r";[^/]*", "", found) if matrix else found
            found = re.split(r"[?#\0]", found)[0] if ends else found
            parts = found.removeprefix("/").split("/")
            # many frameworks divide the path first and decode afterwards
            parts = [unquote(part) for part in parts] if inside else parts
            parts = [part.strip(" \t") for part in parts] if spaces else parts
            if merge:
                parts = normalised(parts)
            elif parts[-1] == "":
                parts.pop()
            yield parts


def normalised(parts: list[str]) -> list[str]:
    kept: list[str] = []
    for part in parts:
        if part == "..":
            del kept[-1:]
        elif part not in ("", "."):
            kept.append(part)
    return kept


def groups_of(found: RoutePolicy) -> frozenset[frozenset[str]]:
    return frozenset(found.any_groups)


def routes(table: list[Key]) -> Routes:
    return Routes(default=policy(None), by_key={name(key): policy(key) for key in table})


def check(
    table: list[Key], path: str, route: str, *, before: int = 0, known: list[Key] | None = None
) -> None:
    """No reading has a stricter policy; `known` are routes of the API, and the file lists `table`."""
    applied = groups_of(routes(table).policy(Asked(route, "GET", path)))
    for parts in read(path):
        for fold in (False, True):
            meant = routed(known or table, "GET", parts[before:], fold=fold)
            assert group(meant if meant in table else None) in applied, (path, parts, meant)


SECRETS: list[Key] = [("GET", ("users", None), False), ("GET", ("users", None, "secrets"), False)]


@given(tables, paths)
@example(SECRETS, "/users/5%2fsecrets")
@example(SECRETS, "/users/5%5csecrets")
@example(SECRETS, "/users/5%252fsecrets")
@example(SECRETS, "/users/5%c0%afsecrets")
@example(SECRETS, "/users/5/;x/secrets")
@example([*SECRETS, ("GET", ("users", None, None), False)], "/users/5/SECRETS;x%00")
def test_under_a_route_that_the_api_names(table: list[Key], path: str) -> None:
    raw = path.removeprefix("/").removesuffix("/").split("/")
    # the API knows routes that the file does not list, so each path has one; what the file says of ANY holds
    # for it too
    anything = (None,) * len(raw)
    known = table if ("ANY", anything, False) in table else [*table, ("GET", anything, False)]
    chosen = routed(known, "GET", raw, fold=False)
    if chosen is not None and not chosen[2]:
        check(table, path, name(chosen, parameter="{id}"), known=known)


@given(tables, paths)
def test_behind_a_stage_or_a_base_path(table: list[Key], path: str) -> None:
    raw = path.removeprefix("/").removesuffix("/").split("/")
    chosen = routed(table, "GET", raw, fold=False)
    if chosen is not None and not chosen[2] and ".." not in path:
        check(table, f"/base/two{path}", name(chosen, parameter="{id}"), before=2)


@given(tables, paths, st.sampled_from(["$default", "GET /{proxy+}", "ANY /{proxy+}", ""]))
@example([("GET", (None, "admin"), False)], "/base/two/acme/admin", "$default")
def test_under_a_catch_all_that_the_file_does_not_list(table: list[Key], path: str, route: str) -> None:
    if ("GET", (), True) not in table and ("ANY", (), True) not in table:
        check(table, path, route)


@given(tables, paths)
def test_under_a_catch_all_that_the_file_lists(table: list[Key], path: str) -> None:
    raw = path.removeprefix("/").removesuffix("/").split("/")
    greedy = [key for key in table if key[2]]
    chosen = routed(greedy, "GET", raw, fold=False)
    if chosen is not None:
        check(table, path, name(chosen, parameter="{id}", rest="{proxy+}"))


@given(tables, st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), st.integers(0, 3))
def test_any_number_of_segments_before_the_path_hides_no_route(
    table: list[Key], words: list[str], before: int
) -> None:
    applied = groups_of(
        routes(table).policy(Asked("$default", "GET", "/" + "/".join(["base"] * before + words)))
    )
    assert group(routed(table, "GET", words, fold=True)) in applied | {group(None)}


@given(tables, st.lists(st.sampled_from(WORDS), min_size=1, max_size=4))
def test_a_path_that_is_spelt_as_its_route_asks_what_the_route_asks(
    table: list[Key], words: list[str]
) -> None:
    chosen = routed(table, "GET", words, fold=False)
    if chosen is not None and not chosen[2]:
        applied = groups_of(routes(table).policy(Asked(name(chosen), "GET", "/" + "/".join(words))))
        assert group(chosen) in applied
        assert group(None) not in applied
