"""Explains why an expression matches an event or does not, for rule authors and not for the hot path.

The explanation is a tree of the expression's shape: each node with its answer, and each test of a field with
the event's value. Invariant: the root's answer is the predicate's (a property test compares the two), since
every single test is answered by the predicate itself; only `and`, `or` and `not` are decided here. The tree
may hold text that an attacker wrote, so make it printable before it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from sessionwarden.model.event import Event
from sessionwarden.ruleset.matching.event_fields import read_field
from sessionwarden.ruleset.matching.predicates import compile_expression

Names = Mapping[bytes, str]
"""The names of expressions, by their JSON encoding. `named` makes it."""

JOINERS = {"and": "all of", "or": "any of", "not": "none of"}
COMPARES_FIELDS = "fieldref"
SHOWN_VALUES = 6
WILDCARDS = "*?"
"""The wildcards as rules write them, at the positions `ANY_TEXT` and `ONE_CHARACTER`."""


class Node(NamedTuple):
    """One part of an expression, and whether it matched.

    `wanted` says in words what the part requires, `name` is the rule author's name for it. `field` and
    `actual` (the event's value) are only set for a single test.
    """

    matched: bool
    wanted: str
    name: str | None = None
    field: str | None = None
    actual: Any = None
    children: tuple[Node, ...] = ()


def explain_expression(expression: Any, event: Event, names: Names | None = None) -> Node:
    """Why `expression` matches `event`, or does not. Raises `RulesetError` as `compile_expression` does."""
    compile_expression(expression)  # refuses anything that is no expression before it is read here
    return _explain(expression, event, names or {})


def named(expressions: Mapping[str, Any]) -> Names:
    """Makes the names of `expressions` known, so that they appear where these occur within another."""
    return {msgspec.json.encode(expression): name for name, expression in expressions.items()}


def decisive(node: Node) -> tuple[Node, ...]:
    """The single tests that decided the node's answer: those that failed it, or made it match."""
    if not node.children:
        return (node,)
    if node.wanted == JOINERS["not"]:
        return decisive(node.children[0])
    deciding = [child for child in node.children if child.matched is node.matched]
    return tuple(test for child in deciding for test in decisive(child))


def _explain(expression: Any, event: Event, names: Names) -> Node:
    operator, *operands = expression
    name = names.get(msgspec.json.encode(expression))
    if operator not in JOINERS:
        field = operands[0]
        compared = f", which is {read_field(operands[1])(event)!r}" if operator == COMPARES_FIELDS else ""
        return Node(
            matched=compile_expression(expression)(event),
            wanted=describe_test(expression) + compared,
            name=name,
            field=field,
            actual=_actual(expression, event),
        )
    children = tuple(_explain(operand, event, names) for operand in operands)
    answers = [child.matched for child in children]
    matched = {"and": all, "or": any, "not": _none}[operator](answers)
    return Node(matched=matched, wanted=JOINERS[operator], name=name, children=children)


def _none(answers: Sequence[bool]) -> bool:
    return not any(answers)


def _actual(test: Any, event: Event) -> Any:
    operator, field, *_ = test
    # `never` is the one operator whose field no event has
    return None if operator == "never" else read_field(field)(event)


_WORDS = {
    "equals": "is {}",
    "contains": "contains {}",
    "startswith": "begins with {}",
    "endswith": "ends with {}",
    "like": "is like {}",
    "re": "matches {}",
    "number": "is {}",
    "cidr": "is in {}",
    "lt": "is less than {}",
    "lte": "is at most {}",
    "gt": "is more than {}",
    "gte": "is at least {}",
}


def describe_test(expression: Any) -> str:
    """A single test in words: `status is 401 or 403`."""
    operator, field, *operands = expression
    if operator == "exists":
        return f"{field} is present"
    if operator == COMPARES_FIELDS:
        other, how = operands
        return f"{field} {_WORDS[how].format(f'the value of {other}')}"
    if operator == "never":
        return f"{field} is something (no event has this field)"
    plain = operator.removesuffix("_cased")
    cased = " (case matters)" if plain != operator else ""
    if plain not in _WORDS:
        return f"{field} {plain} {' '.join(map(str, operands))}{cased}"
    return f"{field} {_WORDS[plain].format(_wanted(plain, operands))}{cased}"


def _wanted(operator: str, operands: Sequence[Any]) -> str:
    if operator == "re":
        pattern, flags = operands
        return f"/{pattern}/{flags}"
    (value,) = operands
    if operator == "like":
        return repr("".join(part if isinstance(part, str) else WILDCARDS[part] for part in value))
    if not isinstance(value, list | tuple):
        return str(value)
    texts = [repr(one) if isinstance(one, str) else str(one) for one in value]
    more = f" or {len(texts) - SHOWN_VALUES} more" if len(texts) > SHOWN_VALUES else ""
    return " or ".join(texts[:SHOWN_VALUES]) + more
