"""One field of a detection with its modifiers and values in, an expression out.

pySigma parses each value (wildcards, escapes, numbers, blocks of addresses) and applies the
modifiers; here its result meets the field's type. Refused, though Sigma lets it pass: what could
never match, what would match everything, and a regular expression that RE2 cannot run.
"""

from __future__ import annotations

from typing import Any

import re2
from sigma.exceptions import SigmaError
from sigma.modifiers import modifier_mapping
from sigma.rule.detection import SigmaDetectionItem
from sigma.types import (
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SpecialChars,
)

from sessionwarden.model.event import INTEGER_FIELDS
from sessionwarden.ruleset.checking import Check, describe, quote_hint, quoted
from sessionwarden.ruleset.predicates import ANY_TEXT, ONE_CHARACTER, compile_regex
from sessionwarden.ruleset.vocabulary import KEYWORD_FIELDS, event_field, field_hint, nearest
from sessionwarden.yamldoc import Path

TEXT_MODIFIERS = frozenset({"contains", "startswith", "endswith"})
COMPARISONS = frozenset({"lt", "lte", "gt", "gte"})
MATCH_MODIFIERS = TEXT_MODIFIERS | COMPARISONS | {"re", "cidr", "exists"}
REGEX_FLAGS = {"i": "i", "ignorecase": "i", "m": "m", "multiline": "m", "s": "s", "dotall": "s"}
MODIFIERS = MATCH_MODIFIERS | frozenset(REGEX_FLAGS) | {"all", "cased"}

MAX_REGEX_CHARACTERS = 2000

# operators that take a list of values, any of which may match
_MERGEABLE = frozenset(
    {"number", "cidr"}
    | {name + cased for name in ("equals", "contains", "startswith", "endswith") for cased in ("", "_cased")}
)


def compile_item(key: str, value: Any, check: Check, path: Path) -> Any:
    """The expression of `field|modifier: value(s)`; `None` if there was a mistake.

    An empty field name means a keyword: looked for in the request's own text.
    """
    name, *modifiers = key.split("|")
    before = len(check.mistakes)
    field = _check_field(name, check, path)
    _check_modifiers(modifiers, check, path)
    if value == []:
        check.refuse(path, "an empty list matches nothing")
    if len(check.mistakes) > before:
        return None
    item = _Item(name, field, tuple(modifiers), check)
    values = value if isinstance(value, list) else [value]
    places: list[Path] = (
        [(*path, index) for index in range(len(values))] if isinstance(value, list) else [path]
    )
    found = [item.compile(single, place) for single, place in zip(values, places, strict=True)]
    if None in found:
        return None
    return _joined("and" if "all" in modifiers else "or", found)


def compile_keywords(values: list[Any], check: Check, path: Path) -> Any:
    """The expression of plain values: any of them, anywhere in the request's own text."""
    return compile_item("", values, check, path)


def _check_field(name: str, check: Check, path: Path) -> str | None:
    field = event_field(name)
    if name and field is None:
        check.refuse(path, f"no event has a field {quoted(name)}", field_hint(name))
    return field


def _check_modifiers(modifiers: list[str], check: Check, path: Path) -> None:
    for modifier in modifiers:
        if modifier not in MODIFIERS and modifier in modifier_mapping:
            check.refuse(path, f"modifier {modifier} is not supported")
        elif modifier not in MODIFIERS:
            check.refuse(path, f"unknown modifier {quoted(modifier)}", nearest(modifier, MODIFIERS))
        elif modifiers.count(modifier) > 1:
            check.refuse(path, f"modifier {modifier} is repeated")
            return
    matching = sorted(MATCH_MODIFIERS.intersection(modifiers))
    if len(matching) > 1:
        check.refuse(path, f"modifiers {' and '.join(matching)} cannot be combined")
    if "re" not in matching and REGEX_FLAGS.keys() & set(modifiers):
        check.refuse(path, "the modifiers i, m and s need re before them")
    if "cased" in modifiers and not TEXT_MODIFIERS.issuperset(matching):
        check.refuse(path, f"modifiers cased and {matching[0]} cannot be combined")


class _Item:
    """A field with its modifiers, ready for each of its values."""

    def __init__(self, name: str, field: str | None, modifiers: tuple[str, ...], check: Check) -> None:
        self._name = name
        self._field = field
        self._modifiers = modifiers
        self._check = check

    def compile(self, value: Any, path: Path) -> Any:
        """The expression of one value, or `None` and a mistake."""
        if value is not None and not isinstance(value, str | int | float):
            return self._refuse(
                path, f"must be text or a number, not {describe(value)}", quote_hint(value, str)
            )
        if isinstance(value, bool) and "exists" not in self._modifiers:
            return self._refuse(path, "true and false match nothing", "quote it if it is text")
        if value == "" and TEXT_MODIFIERS.intersection(self._modifiers):
            return self._refuse(path, "an empty text is in every value")
        if "re" in self._modifiers:
            if not isinstance(value, str):
                return self._refuse(path, f"a regular expression must be text, not {describe(value)}")
            if not self._check_regex(value, path):
                return None
        key = "|".join((self._name, *self._modifiers))
        try:
            (parsed,) = SigmaDetectionItem.from_mapping(key, [value]).value
        except SigmaError as error:
            return self._refuse(path, str(error))
        if self._field is not None:
            return self._on_field(self._field, parsed, value, path)
        return self._keyword(parsed, value, path)

    def _refuse(self, path: Path, message: str, hint: str = "") -> None:
        self._check.refuse(path, message, hint)

    def _check_regex(self, pattern: str, path: Path) -> bool:
        if len(pattern) > MAX_REGEX_CHARACTERS:
            self._refuse(path, f"a regular expression may have at most {MAX_REGEX_CHARACTERS} characters")
            return False
        try:
            compile_regex(pattern, self._flags())
        except re2.error as error:
            self._refuse(path, f"RE2 cannot run this regular expression: {_regex_error(error, pattern)}")
            return False
        return True

    def _flags(self) -> str:
        return "".join(sorted({REGEX_FLAGS[name] for name in self._modifiers if name in REGEX_FLAGS}))

    def _keyword(self, parsed: Any, value: Any, path: Path) -> Any:
        if isinstance(parsed, SigmaString):
            parts = [ANY_TEXT, *_parts(parsed), ANY_TEXT]
            cased = "_cased" if isinstance(parsed, SigmaCasedString) else ""
            if set(parts) == {ANY_TEXT}:
                return self._refuse(path, "this keyword is in every event")
            return ["or", *(_pattern(field, parts, cased) for field in KEYWORD_FIELDS)]
        if isinstance(parsed, SigmaRegularExpression):
            return ["or", *(["re", field, value, self._flags()] for field in KEYWORD_FIELDS)]
        return self._refuse(path, f"a keyword must be text, not {describe(value)}", "quote it if it is text")

    def _on_field(self, field: str, parsed: Any, value: Any, path: Path) -> Any:
        if isinstance(parsed, SigmaNull):
            return ["not", ["exists", field]]
        if isinstance(parsed, SigmaExists):
            return ["exists", field] if parsed.exists else ["not", ["exists", field]]
        if isinstance(parsed, SigmaRegularExpression):
            return ["re", field, value, self._flags()]
        if isinstance(parsed, SigmaString):
            return self._text(field, parsed, path)
        if isinstance(parsed, SigmaCIDRExpression):
            if field != "source_ip":
                return self._refuse(
                    path, f"cidr needs an address, and {self._name} is none", "use it on source_ip"
                )
            return ["cidr", field, [str(parsed.network)]]
        if field not in INTEGER_FIELDS:
            return self._refuse(
                path, f"{self._name} is text, and no text equals a number", "quote it if it is text"
            )
        if isinstance(parsed, SigmaCompareExpression):
            return [parsed.op.name.lower(), field, parsed.number.number]
        if isinstance(parsed, SigmaNumber):
            return ["number", field, [parsed.number]]
        return self._refuse(path, "this value is not supported")

    def _text(self, field: str, parsed: SigmaString, path: Path) -> Any:
        parts = _parts(parsed)
        if parts in ([], ["-"]):  # the ways of web logs to say that a value is missing
            return ["not", ["exists", field]]
        if set(parts) == {ANY_TEXT}:
            return ["exists", field]
        if field in INTEGER_FIELDS and len(parts) == 1 and isinstance(parts[0], str):
            number = parts[0]
            if number.isascii() and number.isdigit() and len(number) <= 18:
                return ["number", field, [int(number)]]
            return self._refuse(path, f"{self._name} is a number, never {quoted(number)}")
        cased = "_cased" if isinstance(parsed, SigmaCasedString) else ""
        return _pattern(field, parts, cased)


def _parts(text: SigmaString) -> list[str | int]:
    """Literal text and wildcards; several `*` in a row are one."""
    wildcards = {SpecialChars.WILDCARD_MULTI: ANY_TEXT, SpecialChars.WILDCARD_SINGLE: ONE_CHARACTER}
    parts: list[str | int] = []
    for part in text.s:
        plain = part if isinstance(part, str) else wildcards[part]
        if plain != "" and not (plain == ANY_TEXT and parts and parts[-1] == ANY_TEXT):
            parts.append(plain)
    return parts


def _pattern(field: str, parts: list[str | int], cased: str) -> list[Any]:
    parts = [
        part
        for index, part in enumerate(parts)
        if part != ANY_TEXT or index == 0 or parts[index - 1] != ANY_TEXT
    ]
    if not cased:
        parts = [part.lower() if isinstance(part, str) else part for part in parts]
    literals = [part for part in parts if isinstance(part, str)]
    shape = ["text" if isinstance(part, str) else part for part in parts]
    for operator, simple in (
        ("equals", ["text"]),
        ("startswith", ["text", ANY_TEXT]),
        ("endswith", [ANY_TEXT, "text"]),
        ("contains", [ANY_TEXT, "text", ANY_TEXT]),
    ):
        if shape == simple:
            return [operator + cased, field, literals]
    return ["like" + cased, field, parts]


def _joined(operator: str, expressions: list[Any]) -> Any:
    """One expression of several; alternatives on one field become one test with many values."""
    if operator == "or":
        expressions = _merged(expressions)
    return expressions[0] if len(expressions) == 1 else [operator, *expressions]


def _merged(expressions: list[Any]) -> list[Any]:
    merged: list[Any] = []
    for expression in expressions:
        if expression[0] == "or":
            merged.extend(expression[1:])
        else:
            merged.append(expression)
    by_test: dict[tuple[str, str], Any] = {}
    result: list[Any] = []
    for expression in merged:
        if expression[0] not in _MERGEABLE:
            result.append(expression)
            continue
        operator, field, values = expression
        if (operator, field) not in by_test:
            by_test[operator, field] = [operator, field, []]
            result.append(by_test[operator, field])
        target = by_test[operator, field][2]
        target.extend(value for value in values if value not in target)
    return result


def _regex_error(error: Exception, pattern: str) -> str:
    """RE2's words and the position, from 1, of the fragment it names."""
    detail = error.args[0] if error.args else ""
    message = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
    what, _, fragment = message.partition(": ")
    position = pattern.find(fragment) + 1 if fragment else 0
    where = f" at position {position}" if position else ""
    return f"{what}{where}: {quoted(fragment)}" if fragment else message
