"""Limits of a rule set as a whole, and the order in which rules that build on each other are evaluated.

The limits of one correlation type are said by the type itself (`correlations`). Invariant: the check of rule
files and the gate for compiled rules read the same numbers here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from sessionwarden.errors import RulesetError
from sessionwarden.model.rules import CompiledRule

ALIAS = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""The names that a group-by may hold besides event fields: they reach terminals, alerts and stores."""

MAX_CHAIN = 4
"""Correlations on top of each other: each is one more round of reads and writes for every event below."""

MAX_RULES = 64
"""Steps or inner rules of one correlation: a member stores the number of its own in one byte."""

MAX_PATTERNS = 1000
"""Regular expressions of a rule set: one may compile to a megabyte in every process of detect."""


def inner_rules_first(rules: Sequence[CompiledRule]) -> list[CompiledRule]:
    """The rules in an order in which each comes after those that it builds on.

    Raises `RulesetError` for a rule that builds on itself, on an unknown one, or on too many in a row.
    """
    ordered: dict[str, CompiledRule] = {}
    for _ in range(MAX_CHAIN):
        ready = [rule for rule in rules if all(one.rule in ordered for one in rule.inner)]
        ordered |= {rule.id: rule for rule in ready}
    for rule in rules:
        if rule.id not in ordered:
            raise RulesetError(
                f"rule {rule.id} builds on itself, or on more than {MAX_CHAIN} others in a row"
            )
    return list(ordered.values())


def count_patterns(rules: Iterable[CompiledRule]) -> int:
    """How many regular expressions the selections of `rules` hold; the same selection counts once."""
    expressions = {selection.rule: selection.expression for rule in rules for selection in rule.selections}
    return sum(map(_patterns_in, expressions.values()))


def _patterns_in(expression: Any) -> int:
    if not isinstance(expression, list) or not expression:
        return 0
    return 1 if expression[0] == "re" else sum(map(_patterns_in, expression))
