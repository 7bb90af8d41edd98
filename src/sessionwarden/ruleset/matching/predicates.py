"""Compiles an expression into a predicate: a function that says whether an event matches.

An expression is JSON data, so that it can be published. Its operators are `and`, `or`, `not`, text operators
(`equals`, `contains`, `startswith`, `endswith`, `like`, each also `…_cased`), `re`, `number`, `lt`, `lte`,
`gt`, `gte`, `cidr`, `fieldref`, `exists` and `never`; its fields are those of `event_fields`. Invariants: a
missing field matches no value; a list field matches if any element does; no test is slower than linear in the
text, because attackers write events (patterns run in RE2 only, https://github.com/google/re2).
Case-insensitive operators hold lower-case values and convert the event's text once.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import re2

from sessionwarden.errors import RulesetError
from sessionwarden.model.event import INTEGER_FIELDS, LIST_FIELDS, Event
from sessionwarden.ruleset.matching import text_tests
from sessionwarden.ruleset.matching.event_fields import read_field
from sessionwarden.ruleset.matching.text_tests import TextTest

Predicate = Callable[[Event], bool]

MAX_DEPTH = 100


def compile_expression(expression: Any) -> Predicate:
    """The predicate of `expression`, e.g. `["and", ["number", "status", [401]], ["exists", "user"]]`.

    Raises `RulesetError` for anything that is not such an expression. Compile once, call often.
    """
    if too_deep(expression):  # its functions would exceed the interpreter's stack
        raise RulesetError("an expression is nested too deeply")
    return _compile(expression)


def too_deep(expression: Any) -> bool:
    """Whether its lists are nested more than `MAX_DEPTH` deep. Does not recurse."""
    level = [expression]
    for _ in range(MAX_DEPTH):
        level = [item for part in level if isinstance(part, list | tuple) for item in part]
        if not level:
            return False
    return True


def _compile(expression: Any) -> Predicate:
    try:
        name, *operands = expression
        return _OPERATORS[name](*operands)
    except RulesetError:
        raise
    except (re2.error, LookupError, TypeError, ValueError, AttributeError) as error:
        raise RulesetError(f"not an expression: {_shorten(expression)}") from error


def _shorten(expression: Any) -> str:
    text = repr(expression)
    return text if len(text) <= 80 else text[:77] + "..."


def _and(*operands: Any) -> Predicate:
    tests = _compile_operands(operands)
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda event: first(event) and second(event)

    def all_of(event: Event) -> bool:
        for test in tests:  # noqa: SIM110  a generator costs more than the tests it would run
            if not test(event):
                return False
        return True

    return all_of


def _or(*operands: Any) -> Predicate:
    tests = _compile_operands(operands)
    if len(tests) == 1:
        return tests[0]

    def any_of(event: Event) -> bool:
        for test in tests:  # noqa: SIM110  as above
            if test(event):
                return True
        return False

    return any_of


def _compile_operands(operands: Sequence[Any]) -> list[Predicate]:
    if not operands:  # without operands, `and` would match every event, which no rule author means
        raise ValueError("no operands")
    return [_compile(operand) for operand in sorted(operands, key=_cost)]


def _not(operand: Any) -> Predicate:
    test = _compile(operand)
    return lambda event: not test(event)


def _exists(field: str) -> Predicate:
    get = read_field(field)
    if field in LIST_FIELDS:  # an empty list of groups is as missing as none
        return lambda event: bool(get(event))
    return lambda event: get(event) is not None


def _never(name: str) -> Predicate:
    # a field of web server logs that no event has; `name` is only used in explanations
    text_tests.texts([name])
    return lambda event: False


def _fieldref(field: str, other: str, how: str) -> Predicate:
    compare = _COMPARISONS_OF_TEXT[how]
    get, get_other = read_field(field), read_field(other)

    def test(event: Event) -> bool:
        wanted = _lowered(get_other(event))
        return any(compare(text, part) for text in _lowered(get(event)) for part in wanted)

    return test


def _lowered(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(one).lower() for one in (value if isinstance(value, tuple) else (value,))]


def _number(field: str, values: Sequence[int]) -> Predicate:
    get, wanted = _number_getter(field), frozenset(map(_a_number, values))
    return lambda event: get(event) in wanted


def _comparison(compare: Callable[[Any, Any], bool]) -> Callable[[str, float], Predicate]:
    def build(field: str, bound: float) -> Predicate:
        get, limit = _number_getter(field), _a_number(bound)

        def test(event: Event) -> bool:
            value = get(event)
            return value is not None and compare(value, limit)

        return test

    return build


def _text_operator(
    build: Callable[..., TextTest], *, prepare: Callable[[str], str] | None
) -> Callable[..., Predicate]:
    return lambda field, *operands: _lift(field, build(*operands), prepare)


def _lift(field: str, test: TextTest, prepare: Callable[[str], str] | None) -> Predicate:
    """Make a test of text a test of an event, whatever the field's type."""
    get = read_field(field)
    ready = test if prepare is None else lambda text: test(prepare(text))
    if field in LIST_FIELDS:
        return lambda event: any(map(ready, get(event) or ()))
    if field in INTEGER_FIELDS:
        return lambda event: get(event) is not None and ready(str(get(event)))
    if prepare is None:
        return lambda event: (value := get(event)) is not None and test(value)
    # str.lower is written out, because most tests of most events run this line
    return lambda event: (value := get(event)) is not None and test(value.lower())


def _cidr(field: str, blocks: Sequence[str]) -> Predicate:
    return _lift(field, text_tests.in_networks(blocks), None)


def _number_getter(field: str) -> Callable[[Event], Any]:
    if field not in INTEGER_FIELDS:
        raise RulesetError(f"not a field of numbers: {_shorten(field)}")
    return operator.attrgetter(field)


def _a_number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a number is needed")
    return value


def _cost(expression: Any) -> int:
    """Cheap tests first: the order within `and` and `or` changes the cost, never the answer."""
    name = expression[0]
    if name in ("and", "or", "not"):
        return 1 + max(map(_cost, expression[1:]), default=0)
    return {"re": 50, "like": 50, "like_cased": 50, "cidr": 10, "contains": 3, "contains_cased": 3}.get(
        name, 1
    )


_COMPARISONS_OF_TEXT: dict[str, Callable[[str, str], bool]] = {
    "equals": operator.eq,
    "contains": operator.contains,
    "startswith": str.startswith,
    "endswith": str.endswith,
}
_OPERATORS: dict[str, Callable[..., Predicate]] = {
    "and": _and,
    "or": _or,
    "not": _not,
    "exists": _exists,
    "never": _never,
    "fieldref": _fieldref,
    "number": _number,
    "lt": _comparison(operator.lt),
    "lte": _comparison(operator.le),
    "gt": _comparison(operator.gt),
    "gte": _comparison(operator.ge),
    "cidr": _cidr,
    "re": _text_operator(text_tests.compile_regex, prepare=None),
}
for _name, _build in {
    "equals": text_tests.equals,
    "contains": text_tests.contains,
    "startswith": text_tests.startswith,
    "endswith": text_tests.endswith,
    "like": text_tests.like,
}.items():
    _OPERATORS[_name] = _text_operator(_build, prepare=str.lower)
    _OPERATORS[f"{_name}_cased"] = _text_operator(_build, prepare=None)
