"""Spellings of a path, and the one that rules know."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionwarden.model.event import Event
from sessionwarden.sources.access_log.line import format_access_line, parse_access_line
from sessionwarden.sources.authorizer_log import MARK, parse_decision_line
from sessionwarden.sources.request_path import all_plain, is_plain, one_spelling, path_and_raw

NOW = 1_760_000_000_000

written = st.text("/.;%aA25eE cCfF0\\?#\n\u00a0é-", min_size=1, max_size=30) | st.text(min_size=1)


@pytest.mark.parametrize(
    ("spelling", "path"),
    [
        ("/forgot-password", "/forgot-password"),
        ("/forgot-password/", "/forgot-password"),
        ("/forgot%2Dpassword", "/forgot-password"),
        ("/forgot%2dpassword", "/forgot-password"),
        ("/forgot-password;a=b;c/", "/forgot-password"),
        ("/forgot-password%20%c2%a0", "/forgot-password"),
        ("/forgot-password. .", "/forgot-password"),
        ("/forgot-password/./x/..", "/forgot-password"),
        ("//forgot-password", "/forgot-password"),
        ("/x/..;y/forgot-password", "/forgot-password"),
        ("/x%2F..%5Cforgot-password", "/forgot-password"),
        ("/forgot-password%00.png", "/forgot-password"),
        ("/forgot%0d-password", "/forgot-password"),
        ("/forgot-password?a=b/c", "/forgot-password"),
        ("/forgot%252Dpassword", "/forgot%2Dpassword"),  # decoded once
        ("/Forgot-Password", "/Forgot-Password"),  # rules say whether case matters
        ("/a+b", "/a+b"),
        ("/100%", "/100%"),
        ("/%zz", "/%zz"),
        ("/caf%C3%A9", "/café"),
        ("/%ff", "/\ufffd"),
        ("/.well-known/jwks.json", "/.well-known/jwks.json"),
        ("/", "/"),
        ("//", "/"),
        ("/../..", "/"),
        ("%00", "/"),
        ("items/1/", "items/1"),
        ("./items", "/items"),
    ],
)
def test_every_spelling_of_a_path_is_one(spelling: str, path: str) -> None:
    assert one_spelling(spelling) == path


@given(written)
def test_the_one_spelling_is_never_longer_nor_empty_nor_holds_what_a_field_may_not(path: str) -> None:
    found = one_spelling(path)
    assert 0 < len(found) <= len(path)
    assert not any(ord(character) < 0x20 or ord(character) == 0x7F for character in found)


@given(written)
def test_a_plain_path_is_its_own_one_spelling(path: str) -> None:
    if is_plain(path):
        # a query behind it takes the slow way
        assert one_spelling(path + "?") == path


@given(
    st.lists(st.sampled_from(["/a", "/", "a.", "/a/", "/a//b", "/&", ".", "&/x", "/a.b", "/%41"]), max_size=4)
)
def test_many_paths_are_plain_only_if_each_is(paths: list[str]) -> None:
    if all_plain(paths):
        assert [path_and_raw(path) for path in paths] == [(path, None) for path in paths]


def test_many_plain_paths_are_recognised_together() -> None:
    assert all_plain(["/a", "/a/b.c", "/orders/1"])
    assert all_plain([])


@pytest.mark.parametrize("part", ["%2e%2e/", "a/", "../", ";", "%20", "%ff", "%", ".", "\\", "%2", "x;/"])
def test_a_long_path_is_spelt_in_one_walk(part: str) -> None:
    path = "/" + part * (1_000_000 // len(part))
    assert len(one_spelling(path)) <= len(path)


def test_every_source_has_the_path_in_one_spelling_and_as_it_was_written() -> None:
    event = Event(id="r", time=NOW, source="api_access", path="/a", raw_path="/%61;b")
    line = format_access_line(event)
    assert '"/%61;b"' in line
    parsed = parse_access_line(line, now_ms=NOW)
    decided = parse_decision_line(
        json.dumps({"type": MARK, "v": 1, "id": "r", "time": NOW, "decision": "allow", "path": "/%61;b"}),
        now_ms=NOW,
    )
    assert decided is not None
    assert (parsed.path, parsed.raw_path) == (decided.path, decided.raw_path) == ("/a", "/%61;b")


def test_a_plain_path_is_carried_once() -> None:
    parsed = parse_access_line(
        format_access_line(Event(id="r", time=NOW, source="api_access", path="/a")), now_ms=NOW
    )
    assert (parsed.path, parsed.raw_path) == ("/a", None)
