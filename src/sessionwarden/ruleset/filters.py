"""The same expressions over many events at once: which of a batch match.

Enters: an expression, then lists of events. Leaves: those that `compile_expression` matches, in order
(a property test holds the two together). What an expression says of one field depends on its value alone,
and the values of a batch repeat: so it is asked once for each distinct value, with an event that has it.
Nothing is remembered from one batch to the next, since texts are as many and as long as strangers like.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from sessionwarden.model.event import FIELDS, LIST_FIELDS, Event
from sessionwarden.ruleset.matching.predicates import Predicate, compile_expression

Filter = Callable[[Sequence[Event]], Sequence[Event]]


def compile_filter(expression: Any) -> Filter:
    """The filter of `expression`. Raises `RulesetError` as `compile_expression` does.

    A filter raises if the expression does on any of the events.
    """
    predicate = compile_expression(expression)
    name, *operands = expression
    if name == "and":
        return _all_of([compile_filter(operand) for operand in operands])
    if name == "exists" and operands[0] in FIELDS - LIST_FIELDS:
        return _present(operands[0])
    fields = fields_named(expression)
    if len(fields) == 1 and fields <= FIELDS:
        return _by_value(fields.pop(), predicate)
    return lambda events: list(filter(predicate, events))


def _all_of(filters: list[Filter]) -> Filter:
    def matching(events: Sequence[Event]) -> Sequence[Event]:
        for matches in filters:
            events = matches(events)
        return events

    return matching


def _present(field: str) -> Filter:
    read = attrgetter(field)
    return lambda events: [event for event in events if read(event) is not None]


def _by_value(field: str, predicate: Predicate) -> Filter:
    read = attrgetter(field)

    def matching(events: Sequence[Event]) -> Sequence[Event]:
        examples = dict(zip(map(read, events), events, strict=True))
        wanted = {value for value, example in examples.items() if predicate(example)}
        return [event for event in events if read(event) in wanted] if wanted else []

    return matching


def fields_named(expression: Any) -> set[str]:
    """What an expression reads, by the names it has for that."""
    name, *operands = expression
    if name in ("and", "or", "not"):
        return {field for operand in operands for field in fields_named(operand)}
    return set(operands[:2]) if name == "fieldref" else {operands[0]}
