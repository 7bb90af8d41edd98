"""The index leaves out nothing that matches: many random expressions at once, against asking each."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionwarden.model.event import Event
from sessionwarden.ruleset.matching import field_lookups
from sessionwarden.ruleset.matching.predicates import compile_expression
from sessionwarden.ruleset.matching.selection_index import SelectionIndex
from sessionwarden.ruleset.matching.text_tests import ANY_TEXT, ONE_CHARACTER

FIELDS = ("path", "raw_path", "user_agent", "groups", "uri", "raw_uri", "line", "status")
LITERALS = st.text(alphabet="abAB/.\\*$é\x00", min_size=1, max_size=3)
LOWER = LITERALS.map(str.lower)
NUMBERS = st.sampled_from([0, 199, 200, 401.5, 404])


def texts(of: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(of, min_size=1, max_size=3)


def parts(of: st.SearchStrategy[str]) -> st.SearchStrategy[list[Any]]:
    return st.lists(of | st.sampled_from([ANY_TEXT, ONE_CHARACTER]), min_size=1, max_size=4)


OF_TEXT = ("equals", "contains", "startswith", "endswith")
PATTERNS = st.sampled_from(["^a", "b$", "(?i)ab", "a.b", "[^/]A", "(a|/)+b?", "^$", ""])
TESTS = st.one_of(
    st.tuples(st.sampled_from(OF_TEXT), st.sampled_from(FIELDS), texts(LOWER)),
    st.tuples(
        st.sampled_from([f"{name}_cased" for name in OF_TEXT]), st.sampled_from(FIELDS), texts(LITERALS)
    ),
    st.tuples(st.just("like"), st.sampled_from(FIELDS), parts(LOWER)),
    st.tuples(st.just("like_cased"), st.sampled_from(FIELDS), parts(LITERALS)),
    st.tuples(st.just("re"), st.sampled_from(FIELDS), PATTERNS, st.sampled_from(["", "i", "ims"])),
    st.tuples(
        st.sampled_from(["lt", "lte", "gt", "gte"]), st.sampled_from(["status", "latency_ms"]), NUMBERS
    ),
    st.tuples(st.just("number"), st.just("status"), st.lists(NUMBERS, min_size=1, max_size=2)),
    st.tuples(
        st.just("cidr"), st.just("source_ip"), st.just(["10.0.0.0/8"]) | st.just(["::/0", "10.1.0.0/16"])
    ),
    st.tuples(st.just("exists"), st.sampled_from(["path", "raw_path", "groups", "status"])),
    st.tuples(st.just("fieldref"), st.just("path"), st.just("user_agent"), st.sampled_from(OF_TEXT)),
    st.just(("never", "cs-cookie")),
).map(list)
EXPRESSIONS = st.recursive(
    TESTS,
    lambda inner: st.tuples(
        st.sampled_from(["and", "and", "or", "or", "not"]), st.lists(inner, min_size=2, max_size=3)
    ).map(lambda pair: [pair[0], *pair[1][: 1 if pair[0] == "not" else 3]]),
    max_leaves=4,
)
TEXTS = st.text(alphabet="abAB/.\\*$é\x00\ud800", min_size=1, max_size=6)
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "path": TEXTS,
        "raw_path": TEXTS,
        "query": TEXTS,
        "user_agent": TEXTS | TEXTS.map(lambda text: text * 60),
        "status": st.sampled_from([0, 199, 200, 401, 404]),
        "latency_ms": st.sampled_from([0, 200, 402]),
        "groups": st.lists(TEXTS, max_size=2).map(tuple),
        "source_ip": st.sampled_from(["10.1.2.3", "192.0.2.1", "2001:db8::1", "::ffff:10.0.0.1", "nobody"]),
    },
).map(lambda fields: Event(**{"id": "e", "time": 1, "source": "api_access", **fields}))  # type: ignore[arg-type]


@settings(deadline=None, max_examples=150, derandomize=True)
@given(
    expressions=st.lists(EXPRESSIONS, min_size=1, max_size=12),
    events=st.lists(EVENTS, min_size=1, max_size=6),
)
def test_whatever_matches_is_a_candidate(expressions: list[Any], events: list[Event]) -> None:
    index = SelectionIndex(expressions)
    for number, expression in enumerate(expressions):
        matches = compile_expression(expression)
        matching = [event for event in events if matches(event)]
        assert all(number in index.candidates(event) for event in matching)
    for event in events:
        found = index.candidates(event)
        assert found == sorted(set(found))


def event(**fields: Any) -> Event:
    return msgspec.convert({"id": "e", "time": 1, "source": "api_access", **fields}, Event)


@pytest.mark.parametrize("name", ["lt", "lte", "gt", "gte", "number"])
@pytest.mark.parametrize("bound", [199, 200, 200.5, 201])
@pytest.mark.parametrize("status", [199, 200, 201])
def test_a_comparison_alone_is_a_candidate_exactly_where_it_holds(
    name: str, bound: float, status: int
) -> None:
    expression = [name, "status", [bound] if name == "number" else bound]
    index = SelectionIndex(
        [expression, ["number", "status", [7]], [name, "status", [8] if name == "number" else 8]]
    )
    found = 0 in index.candidates(event(status=status))
    assert found is compile_expression(expression)(event(status=status))


def test_an_event_that_no_test_is_about_has_no_candidates() -> None:
    expressions = [["contains", "path", [f"/evil{number}"]] for number in range(100)]
    index = SelectionIndex([*expressions, ["and", ["exists", "user"], ["equals", "path", ["/admin"]]]])
    assert index.candidates(event(path="/orders/7", user="u")) == []
    assert index.candidates(event(path="/x/EVIL42", user="u")) == [4, 42]
    assert index.candidates(event(path="/ADMIN", user="u")) == [100]


def test_a_rule_that_cannot_be_indexed_is_always_a_candidate() -> None:
    index = SelectionIndex(
        [["not", ["exists", "user"]], ["or", ["not", ["exists", "user"]], ["exists", "path"]]]
    )
    assert index.candidates(event()) == [0, 1]


def test_patterns_too_large_for_one_automaton_are_all_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(field_lookups, "PATTERN_MEMORY_BYTES", 1000)
    index = SelectionIndex([["contains", "path", [f"/{number}" * 50]] for number in range(50)])
    assert index.candidates(event(path="/a")) == list(range(50))


def test_an_automaton_that_gives_up_makes_all_its_patterns_candidates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # RE2::Set says "nothing found" when it runs out of memory on a text
    monkeypatch.setattr(field_lookups, "_automaton", lambda patterns: lambda text: [])
    index = SelectionIndex([["contains", "path", ["/a"]], ["re", "path", "b", ""]])
    assert index.candidates(event(path="/c")) == [0, 1]
