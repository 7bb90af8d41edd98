"""Evaluates the expressions of rules over columns: which rows match.

Enters: an expression, then columns with numbers for the fields of `fields_read`. Leaves: rows, in order.
Invariant: those are the rows whose events `compile_expression` matches (a property test holds the two
together). What a part of an expression says of its fields depends on their values alone: it is asked once
for each distinct combination, of an event that has nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from sessionwarden.model.event import FIELDS, LIST_FIELDS, Event
from sessionwarden.replay.columns.columns import MISSING, Columns, Integers, Known, among, combined
from sessionwarden.ruleset.matching.event_fields import PARTS
from sessionwarden.ruleset.matching.predicates import Predicate, compile_expression

ColumnFilter = Callable[[Columns, Integers], Integers]
"""From columns and some rows, in order, to those that match."""

NOTHING = Event(id="", time=0, source="api_access")
"""A stand-in event that carries only the fields under test."""


def fields_read(expression: Any) -> frozenset[str]:
    """The event fields that an expression reads."""
    parts = (part for name in _names_read(expression) for part in PARTS.get(name, (name,)))
    return frozenset(parts) & FIELDS  # `never` names what no event has


def _names_read(expression: Any) -> set[str]:
    name, *operands = expression
    if name in ("and", "or", "not"):
        return {field for operand in operands for field in _names_read(operand)}
    return set(operands[:2]) if name == "fieldref" else {operands[0]}


def compile_column_filter(expression: Any) -> ColumnFilter:
    """The filter of `expression`. Raises `RulesetError` as `compile_expression` does.

    A filter raises if the expression does for any of the rows.
    """
    predicate = compile_expression(expression)
    name, *operands = expression
    match name:
        case "and":
            return _all_of([compile_column_filter(operand) for operand in operands])
        case "or":
            return _any_of([compile_column_filter(operand) for operand in operands])
        case "not":
            return _without(compile_column_filter(operands[0]))
        case "exists" if operands[0] in FIELDS - LIST_FIELDS - PARTS.keys():
            return _present(operands[0])
    return filter_by_value(sorted(fields_read(expression)), predicate)


def _all_of(filters: Sequence[ColumnFilter]) -> ColumnFilter:
    def matching(columns: Columns, rows: Integers) -> Integers:
        for matches in filters:
            rows = matches(columns, rows)
        return rows

    return matching


def _any_of(filters: Sequence[ColumnFilter]) -> ColumnFilter:
    def matching(columns: Columns, rows: Integers) -> Integers:
        rest, found = rows, rows[:0]
        for matches in filters:
            more = matches(columns, rest)
            rest, found = np.setdiff1d(rest, more, assume_unique=True), np.concatenate((found, more))
        return np.sort(found)

    return matching


def _without(matches: ColumnFilter) -> ColumnFilter:
    return lambda columns, rows: np.setdiff1d(rows, matches(columns, rows), assume_unique=True)


def _present(field: str) -> ColumnFilter:
    return lambda columns, rows: rows[columns.numbers[field][rows] != MISSING]


def filter_by_value(fields: Sequence[str], predicate: Predicate) -> ColumnFilter:
    """The filter of a predicate that reads only `fields`."""
    known: Known[bool] = Known()

    def matching(columns: Columns, rows: Integers) -> Integers:
        values = combined((columns.numbers[field][rows] for field in fields), rows=len(rows))
        numbers, wanted = known.of(
            values, lambda new: [predicate(_example(columns, fields, int(rows[place]))) for place in new]
        )
        return rows[among(values, numbers[np.array(wanted, np.bool_)])]

    return matching


def _example(columns: Columns, fields: Sequence[str], row: int) -> Event:
    values = {field: columns.value(field, row) for field in fields}
    return msgspec.structs.replace(NOTHING, **values)
