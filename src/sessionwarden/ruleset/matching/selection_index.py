"""Finds the selections of a rule set that may match an event, without testing each.

The result contains every expression that matches (a property test compares it with testing all); `predicates`
then decides. The cost of an event grows with its texts and with the rules that could match, not with all
rules: benchmarks/rules.py shows the curve.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sessionwarden.model.event import Event
from sessionwarden.ruleset.matching.event_fields import read_field
from sessionwarden.ruleset.matching.field_lookups import field_lookup
from sessionwarden.ruleset.matching.necessary_tests import Test, necessary_tests


class SelectionIndex:
    """An index over `expressions`, which are numbered by position. Immutable; build once, ask often."""

    def __init__(self, expressions: Sequence[Any]) -> None:
        necessary = [necessary_tests(expression) for expression in expressions]
        self._always = tuple(number for number, one in enumerate(necessary) if one is None)
        by_field: dict[str, dict[Test, tuple[int, ...]]] = defaultdict(dict)
        for number, one in enumerate(necessary):
            for test in one.tests if one else ():
                same = by_field[test[1]]
                same[test] = (*same.get(test, ()), number)
        self._lookups = [(read_field(field), field_lookup(field, tests)) for field, tests in by_field.items()]

    def candidates(self, event: Event) -> list[int]:
        """The expressions that may match `event`, in ascending order. Never raises."""
        found = set(self._always)
        for read, lookup in self._lookups:
            value = read(event)
            if value is not None and (numbers := lookup(value)):
                found.update(numbers)
        return sorted(found)
