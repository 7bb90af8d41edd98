from __future__ import annotations

from typing import Any

import pytest

from sessionwarden.errors import RulesetError
from sessionwarden.model.event import Event
from sessionwarden.ruleset.matching.explain import decisive, describe_test, explain_expression, named

EVENT = Event(
    id="e", time=1, source="api_access", status=404, path="/a", query="q=1", groups=("staff", "ops")
)
MISSING = ["number", "status", [401, 403]]
STAFF = ["equals", "groups", ["staff"]]


def test_a_failed_test_tells_what_was_wanted_and_what_is_there() -> None:
    node = explain_expression(MISSING, EVENT)
    assert (node.matched, node.wanted, node.field, node.actual) == (
        False,
        "status is 401 or 403",
        "status",
        404,
    )


def test_the_uri_is_shown_as_rules_read_it() -> None:
    assert explain_expression(["contains", "uri", ["?q"]], EVENT).actual == "/a?q=1"
    without = Event(id="e", time=1, source="api_access", query="q=1")
    assert explain_expression(["contains", "uri", ["?q"]], without).actual is None


def test_a_detection_is_called_by_its_name_within_the_condition() -> None:
    expression = ["and", MISSING, ["not", STAFF]]
    root = explain_expression(expression, EVENT, named({"refused": MISSING, "colleague": STAFF}))
    assert [child.name for child in root.children] == ["refused", None]
    assert root.children[1].children[0].name == "colleague"


def test_only_the_tests_that_decided_are_told() -> None:
    root = explain_expression(["and", ["exists", "path"], MISSING, ["not", STAFF]], EVENT)
    assert [(test.field, test.matched) for test in decisive(root)] == [("status", False), ("groups", True)]
    root = explain_expression(["or", ["exists", "user"], ["exists", "path"]], EVENT)
    assert [test.field for test in decisive(root)] == ["path"]


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        (["equals_cased", "path", ["/A", "/b"]], "path is '/A' or '/b' (case matters)"),
        (
            ["contains", "path", list("abcdefgh")],
            "path contains 'a' or 'b' or 'c' or 'd' or 'e' or 'f' or 2 more",
        ),
        (["like", "path", ["/a", 0, "b", 1]], "path is like '/a*b?'"),
        (["re", "path", "^/a", "i"], "path matches /^/a/i"),
        (["gte", "status", 500], "status is at least 500"),
        (["cidr", "source_ip", ["10.0.0.0/8"]], "source_ip is in '10.0.0.0/8'"),
        (["exists", "user"], "user is present"),
        (["fieldref", "user", "username", "startswith"], "user begins with the value of username"),
        (["never", "cs-cookie"], "cs-cookie is something (no event has this field)"),
        (["startswith", "path", ["\x1b[2J"]], r"path begins with '\x1b[2J'"),
    ],
)
def test_a_test_is_told_in_words(expression: Any, words: str) -> None:
    assert describe_test(expression) == words


@pytest.mark.parametrize("expression", [[], ["nothing"], ["and"], ["equals", "nofield", ["a"]]])
def test_what_is_no_expression_is_refused(expression: Any) -> None:
    with pytest.raises(RulesetError):
        explain_expression(expression, EVENT)
