"""What the demo deploys is what AWS gets, but for a written list of points."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from stacks.targets import DIFFERENCES
from tests.support.templates import ROOT, Assembly

ABSENT = object()
LOGICAL_ID = "logical id"
"""Stands for a resource that is in one of the templates only."""


def test_templates_differ_in_the_listed_points_only(assembly: Assembly) -> None:
    assert _found(assembly) <= {(item.where, item.path) for item in DIFFERENCES}


def test_no_point_is_listed_that_does_not_occur(assembly: Assembly) -> None:
    assert {(item.where, item.path) for item in DIFFERENCES} <= _found(assembly)


def test_any_other_difference_is_noticed(assembly: Assembly) -> None:
    changed = {**assembly.local.template, "Conditions": {"More": True}}

    assert set(_differences(assembly.local.template, changed)) == {("Conditions", "")}


def test_the_page_lists_every_point_with_its_reason() -> None:
    page = (ROOT / "docs/reference/local-differences.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| (.+) \|$", page, re.MULTILINE)

    assert rows == [(item.where, item.path, item.reason) for item in DIFFERENCES]


def _found(assembly: Assembly) -> set[tuple[str, str]]:
    return set(_differences(assembly.aws.template, assembly.local.template))


def _differences(one: dict[str, Any], other: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every point in which two templates differ, as (resource type or section, path in dots)."""
    types = {name: body["Type"] for template in (one, other) for name, body in template["Resources"].items()}
    for section, *path in _paths(one, other, ()):
        if section == "Resources":
            name, *rest = path
            yield types[name], ".".join(rest).removeprefix("Properties.") or LOGICAL_ID
        else:
            yield section, ".".join(path)


def _paths(left: Any, right: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(left, dict) and isinstance(right, dict):
        for key in left.keys() | right.keys():
            yield from _paths(left.get(key, ABSENT), right.get(key, ABSENT), (*path, key))
    elif left != right:
        yield path
