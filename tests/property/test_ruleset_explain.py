"""The explanation of an expression against its predicate, over random expressions and events."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionwarden.model.event import Event
from sessionwarden.ruleset.matching.explain import Node, decisive, explain_expression
from sessionwarden.ruleset.matching.predicates import compile_expression

TEXTS = st.text(alphabet="aAb/.", min_size=1, max_size=3)
TEXT_FIELDS = st.sampled_from(["path", "user", "uri", "groups"])
LISTS = st.lists(TEXTS, min_size=1, max_size=3)
LEAVES = st.one_of(
    st.tuples(st.sampled_from(["equals", "contains_cased", "startswith", "endswith"]), TEXT_FIELDS, LISTS),
    st.tuples(
        st.just("like"), TEXT_FIELDS, st.lists(TEXTS | st.sampled_from([0, 1]), min_size=1, max_size=4)
    ),
    st.tuples(st.just("re"), TEXT_FIELDS, st.sampled_from(["^a", "b$", "[^/]A"]), st.sampled_from(["", "i"])),
    st.tuples(st.just("number"), st.just("status"), st.just([200, 404])),
    st.tuples(st.sampled_from(["lt", "gte"]), st.just("status"), st.integers(199, 405)),
    st.tuples(st.just("cidr"), st.just("source_ip"), st.just(["10.0.0.0/8"])),
    st.tuples(st.just("exists"), st.sampled_from(["path", "groups", "status", "uri"])),
).map(list)
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda one: ["not", one]),
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=1, max_size=3)).map(
            lambda parts: [parts[0], *parts[1]]
        ),
    ),
    max_leaves=8,
)
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "path": TEXTS,
        "query": TEXTS,
        "user": TEXTS,
        "status": st.sampled_from([199, 200, 404, 405]),
        "groups": st.lists(TEXTS, max_size=2),
        "source_ip": st.sampled_from(["10.1.2.3", "192.168.0.9", "2001:db8::1"]),
    },
)


def nodes(node: Node) -> list[Node]:
    return [node, *(one for child in node.children for one in nodes(child))]


@settings(deadline=None, max_examples=300, derandomize=True)
@given(expression=EXPRESSIONS, fields=EVENTS)
def test_the_explanation_agrees_with_the_predicate(expression: Any, fields: dict[str, Any]) -> None:
    event = msgspec.convert({"id": "e", "time": 1, "source": "api_access", **fields}, Event)
    root = explain_expression(expression, event)
    assert root.matched is compile_expression(expression)(event)
    for node in nodes(root):
        assert bool(node.field) is not bool(node.children)
        if node.wanted.endswith("is present"):
            assert node.matched is (node.actual not in (None, ()))
    assert decisive(root)
    assert all(test.field for test in decisive(root))
