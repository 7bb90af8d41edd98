from __future__ import annotations

from typing import Any

import pytest

from sessionwarden.errors import RulesetError
from sessionwarden.model.event import Event
from sessionwarden.ruleset.matching.predicates import compile_expression

EVENT = Event(
    id="e1",
    time=1_750_000_000_000,
    source="api_access",
    status=404,
    method="GET",
    path="/Orders/42",
    query="q=1&x=é",
    user_agent="curl/8.0",
    user="u-1",
    groups=("Staff", "billing"),
    source_ip="10.1.2.3",
)


@pytest.mark.parametrize(
    "expression",
    [
        ["equals", "path", ["/orders/42"]],
        ["equals_cased", "path", ["/Orders/42"]],
        ["contains", "path", ["nothing", "ders"]],
        ["startswith", "path", ["/x", "/orders"]],
        ["endswith", "path", ["42"]],
        ["like", "path", ["/", 0, "s/", 1, 1]],
        ["like_cased", "path", ["/O", 0]],
        ["like", "query", ["q=", 1, "&x=", 1]],
        ["re", "path", "Orders", ""],
        ["re", "path", "^/orders/\\d+$", "i"],
        ["equals", "uri", ["/orders/42?q=1&x=é"]],
        ["number", "status", [403, 404]],
        ["startswith", "status", ["40"]],
        ["gte", "status", 404],
        ["gt", "status", 403.5],
        ["lt", "status", 405],
        ["lte", "status", 404],
        ["exists", "groups"],
        ["equals", "groups", ["billing"]],
        ["cidr", "source_ip", ["192.168.0.0/16", "10.0.0.0/8"]],
        ["not", ["exists", "session"]],
        ["or", ["exists", "session"], ["and", ["exists", "user"], ["exists", "path"], ["exists", "method"]]],
    ],
)
def test_expression_matches_the_event(expression: Any) -> None:
    assert compile_expression(expression)(EVENT)
    assert not compile_expression(["not", expression])(EVENT)


@pytest.mark.parametrize(
    "expression",
    [
        ["equals_cased", "path", ["/orders/42"]],
        ["contains_cased", "path", ["ORDERS"]],
        ["startswith_cased", "path", ["/orders"]],
        ["endswith_cased", "user_agent", ["CURL"]],
        ["like", "path", ["orders", 0]],
        ["like", "path", ["/orders/", 1]],
        ["re", "path", "orders", ""],
        ["number", "status", [200]],
        ["equals", "groups", ["staff billing"]],
        ["cidr", "source_ip", ["10.1.2.4/32"]],
    ],
)
def test_expression_does_not_match_the_event(expression: Any) -> None:
    assert not compile_expression(expression)(EVENT)


@pytest.mark.parametrize(
    "expression",
    [
        ["equals", "session", ["none"]],
        ["contains", "session", ["n"]],
        ["like", "session", [0]],
        ["re", "session", ".*", ""],
        ["number", "latency_ms", [0]],
        ["lt", "latency_ms", 10],
        ["startswith", "latency_ms", ["0"]],
        ["equals", "scope", ["none"]],
        ["exists", "session"],
        ["exists", "scope"],
        ["cidr", "source_ip", ["0.0.0.0/0"]],
        ["contains", "uri", ["q=1"]],
    ],
)
def test_a_missing_field_matches_no_value(expression: Any) -> None:
    event = Event(id="e1", time=1, source="api_access", query="q=1", scope=())
    assert not compile_expression(expression)(event)


def test_dot_matches_a_line_break_only_with_the_flag_s() -> None:
    event = Event(id="e1", time=1, source="api_access", path="a\nb")
    assert not compile_expression(["re", "path", "a.b", ""])(event)
    assert compile_expression(["re", "path", "a.b", "s"])(event)
    assert not compile_expression(["re", "path", "^b", ""])(event)
    assert compile_expression(["re", "path", "^b", "m"])(event)
    assert compile_expression(["like", "path", ["a", 1, "b"]])(event)


def test_an_ipv4_address_written_as_ipv6_is_in_its_ipv4_network() -> None:
    event = Event(id="e1", time=1, source="api_access", source_ip="::ffff:10.0.0.1")
    assert compile_expression(["cidr", "source_ip", ["10.0.0.0/8"]])(event)


@pytest.mark.parametrize("address", ["10.0.0.1.evil", "", "10.0.0.1\n", "fe80::1%eth0%x", "9" * 100])
def test_an_address_that_is_none_is_in_no_network(address: str) -> None:
    event = Event(id="e1", time=1, source="api_access", source_ip=address)
    assert not compile_expression(["cidr", "source_ip", ["0.0.0.0/0", "::/0"]])(event)


def test_text_that_is_not_unicode_is_matched_and_not_choked_on() -> None:
    event = Event(id="e1", time=1, source="api_access", path="/\ud800/admin")
    assert compile_expression(["re", "path", "admin", ""])(event)
    assert compile_expression(["like", "path", [0, "adm", 0]])(event)


def test_nested_quantifiers_take_no_longer_than_the_text_is_long() -> None:
    # a backtracking engine would need 2**100000 steps for either
    event = Event(id="e1", time=1, source="api_access", path="a" * 100_000 + "!")
    assert not compile_expression(["re", "path", "^(a+)+$", ""])(event)
    assert not compile_expression(["like", "path", [0, "a", 0, "a", 0, "a", 0, "a", 0, "b"]])(event)


@pytest.mark.parametrize(
    "expression",
    [
        [],
        None,
        "equals",
        ["and"],
        ["or"],
        ["not"],
        ["not", ["exists", "user"], ["exists", "path"]],
        ["near", "path", ["a"]],
        ["exists", "uuser"],
        ["exists", ["user"]],
        ["exists", "__class__"],
        ["equals", "path", "text"],
        ["equals", "path", []],
        ["equals", "path", [5]],
        ["number", "path", [5]],
        ["number", "status", [True]],
        ["gt", "status", "5"],
        ["like", "path", ["a", 7]],
        ["re", "path", "(?=a)", ""],
        ["re", "path", "a", "x"],
        ["re", "path", "a", ")|("],
        ["cidr", "source_ip", ["10.0.0.1/8"]],
        [["exists"], "user"],
    ],
)
def test_what_is_not_an_expression_is_refused(expression: Any) -> None:
    with pytest.raises(RulesetError):
        compile_expression(expression)


def test_an_expression_nested_without_end_is_refused() -> None:
    expression: Any = ["exists", "user"]
    for _ in range(5000):
        expression = ["not", expression]
    with pytest.raises(RulesetError):
        compile_expression(expression)
