"""Expressions in, functions of an event out.

An expression is JSON data, so that it can be published, and every operator is here: `and`, `or`,
`not`, text operators (`equals`, `contains`, `startswith`, `endswith`, `like`, each also `…_cased`),
`re`, `number`, `lt`, `lte`, `gt`, `gte`, `cidr` and `exists`. Invariants: a missing field matches
no value; a list field matches if any element does; nothing here is slower than linear in the text,
for events are written by attackers (patterns run in RE2 only, https://github.com/google/re2).
Case-insensitive operators hold lower-case values and lower the event's text once.
"""

from __future__ import annotations

import ipaddress
import operator
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import re2

from sessionwarden.errors import RulesetError
from sessionwarden.model.event import FIELDS, INTEGER_FIELDS, LIST_FIELDS, Event

Predicate = Callable[[Event], bool]
TextTest = Callable[[str], bool]

URI = "uri"
"""Not an event field: path, `?` and query, as Sigma's `cs-uri` means it."""

ANY_TEXT = 0
ONE_CHARACTER = 1
"""Parts of a `like` pattern that are not literal text: Sigma's `*` and `?`."""

MAX_DEPTH = 100

# bounds the program a pattern compiles to, and with it the cost per byte of an event's text
REGEX_MEMORY_BYTES = 1 << 20


def compile_expression(expression: Any) -> Predicate:
    """The predicate of `expression`, e.g. `["and", ["number", "status", [401]], ["exists", "user"]]`.

    Raises `RulesetError` for anything that is not such an expression. Compile once, call often.
    """
    if too_deep(expression):  # its functions would call each other beyond the interpreter's stack
        raise RulesetError("an expression is nested too deeply")
    return _compile(expression)


def too_deep(expression: Any) -> bool:
    """Whether lists are nested in it more than `MAX_DEPTH` deep. Takes no stack to find out."""
    level = [expression]
    for _ in range(MAX_DEPTH):
        level = [item for part in level if isinstance(part, list | tuple) for item in part]
        if not level:
            return False
    return True


def compile_regex(pattern: str, flags: str) -> TextTest:
    """A search for `pattern` with any of the flags `i`, `m`, `s`. Raises `re2.error`."""
    if not set(flags) <= set("ims"):
        raise ValueError(f"unknown flags {flags!r}")
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = REGEX_MEMORY_BYTES
    prefix = f"(?{flags})" if flags else ""
    # bytes, because a lone surrogate in an event must not raise: it becomes "?"
    regex = re2.compile((prefix + pattern).encode(), options)
    return lambda text: regex.search(text.encode("utf-8", "replace")) is not None


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
    if not operands:  # "all of nothing" is true of every event: nobody means that
        raise ValueError("no operands")
    return [_compile(operand) for operand in sorted(operands, key=_cost)]


def _not(operand: Any) -> Predicate:
    test = _compile(operand)
    return lambda event: not test(event)


def _exists(field: str) -> Predicate:
    get = _getter(field)
    if field in LIST_FIELDS:  # an empty list of groups is as missing as none
        return lambda event: bool(get(event))
    return lambda event: get(event) is not None


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
    """A test of text becomes a test of an event, whatever the field's type."""
    get = _getter(field)
    ready = test if prepare is None else lambda text: test(prepare(text))
    if field in LIST_FIELDS:
        return lambda event: any(map(ready, get(event) or ()))
    if field in INTEGER_FIELDS:
        return lambda event: get(event) is not None and ready(str(get(event)))
    if prepare is None:
        return lambda event: (value := get(event)) is not None and test(value)
    # str.lower spelled out, because this is the line most events pass most often
    return lambda event: (value := get(event)) is not None and test(value.lower())


def _equals(values: Sequence[str]) -> TextTest:
    return frozenset(_texts(values)).__contains__


def _startswith(values: Sequence[str]) -> TextTest:
    return operator.methodcaller("startswith", tuple(_texts(values)))


def _endswith(values: Sequence[str]) -> TextTest:
    return operator.methodcaller("endswith", tuple(_texts(values)))


def _contains(values: Sequence[str]) -> TextTest:
    needles = _texts(values)
    if len(needles) == 1:
        return operator.methodcaller("__contains__", needles[0])

    def contains(text: str) -> bool:
        for needle in needles:  # noqa: SIM110  as above
            if needle in text:
                return True
        return False

    return contains


def _like(parts: Sequence[str | int]) -> TextTest:
    wildcards = {ANY_TEXT: ".*", ONE_CHARACTER: "."}
    pattern = "".join(re2.escape(part) if isinstance(part, str) else wildcards[part] for part in parts)
    return compile_regex(rf"\A(?:{pattern})\z", "s")


def _cidr(field: str, blocks: Sequence[str]) -> Predicate:
    networks = [ipaddress.ip_network(block) for block in _texts(blocks)]

    @lru_cache(maxsize=4096)  # one address makes many requests; parsing it costs more than the lookup
    def contains(text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in networks)

    return _lift(field, contains, None)


def _getter(field: str) -> Callable[[Event], Any]:
    if field == URI:
        return _uri
    if field not in FIELDS:
        raise RulesetError(f"not an event field: {_shorten(field)}")
    return operator.attrgetter(field)


def _number_getter(field: str) -> Callable[[Event], Any]:
    if field not in INTEGER_FIELDS:
        raise RulesetError(f"not a field of numbers: {_shorten(field)}")
    return operator.attrgetter(field)


def _uri(event: Event) -> str | None:
    if event.path is None:
        return None
    return event.path if event.query is None else f"{event.path}?{event.query}"


def _texts(values: Sequence[str]) -> list[str]:
    if isinstance(values, str) or not values or not all(isinstance(value, str) for value in values):
        raise ValueError("a list of texts is needed")
    return list(values)


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


_OPERATORS: dict[str, Callable[..., Predicate]] = {
    "and": _and,
    "or": _or,
    "not": _not,
    "exists": _exists,
    "number": _number,
    "lt": _comparison(operator.lt),
    "lte": _comparison(operator.le),
    "gt": _comparison(operator.gt),
    "gte": _comparison(operator.ge),
    "cidr": _cidr,
    "re": _text_operator(compile_regex, prepare=None),
}
for _name, _build in {
    "equals": _equals,
    "contains": _contains,
    "startswith": _startswith,
    "endswith": _endswith,
    "like": _like,
}.items():
    _OPERATORS[_name] = _text_operator(_build, prepare=str.lower)
    _OPERATORS[f"{_name}_cased"] = _text_operator(_build, prepare=None)
