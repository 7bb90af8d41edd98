"""Compiles one field of a detection, with its modifiers and values, into an expression.

pySigma parses each value (wildcards, escapes, numbers, blocks of addresses) and applies the modifiers; here
its result is checked against the field's type. Refused, although Sigma allows it: a value that could never
match or that would always match, and a regular expression that RE2 cannot run. A field that only other web
servers log is accepted, with a note, because public rules use such fields beside fields that events have.
"""

from __future__ import annotations

from typing import Any

import re2
from sigma.exceptions import SigmaError
from sigma.rule.detection import SigmaDetectionItem
from sigma.types import (
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
)

from sessionwarden.documents.check import Check, describe, quote_hint, quoted
from sessionwarden.documents.yaml import Path
from sessionwarden.model.event import INTEGER_FIELDS, LIST_FIELDS
from sessionwarden.ruleset.compiler.alternatives import joined, negated
from sessionwarden.ruleset.compiler.condition import nesting
from sessionwarden.ruleset.compiler.modifiers import TEXT_MODIFIERS, check_modifiers, regex_flags
from sessionwarden.ruleset.compiler.patterns import text_parts, text_test
from sessionwarden.ruleset.matching.event_fields import LINE
from sessionwarden.ruleset.matching.text_tests import ANY_TEXT, compile_regex
from sessionwarden.ruleset.vocabulary import W3C_ABSENT, WEBSERVER, event_field, field_hint, searched_fields

MAX_REGEX_CHARACTERS = 2000
MAX_REGEX_NESTING = 50


def compile_item(key: str, value: Any, category: str | None, check: Check, path: Path) -> Any:
    """The expression of `field|modifier: value(s)`; `None` if `check` has a new diagnostic.

    `category` is the log source's, as the rule names it. An empty field name means a keyword, which is
    searched in the whole line that a web server would have logged.
    """
    name, *modifiers = key.split("|")
    before = len(check.diagnostics)
    fields = _check_field(name, category, check, path)
    check_modifiers(modifiers, check, path)
    if value == []:
        check.refuse(path, "an empty list matches nothing")
    if len(check.diagnostics) > before:
        return None
    item = _Item(name, fields, tuple(modifiers), check)
    values = value if isinstance(value, list) else [value]
    places: list[Path] = (
        [(*path, index) for index in range(len(values))] if isinstance(value, list) else [path]
    )
    found = [item.compile(single, place) for single, place in zip(values, places, strict=True)]
    if None in found:
        return None
    expression = joined("and" if "all" in modifiers else "or", found)
    return negated(expression) if "neq" in modifiers else expression


def compile_keywords(values: list[Any], category: str | None, check: Check, path: Path) -> Any:
    """The expression of keywords: any of `values`, anywhere in the request's own text."""
    return compile_item("", values, category, check, path)


def _check_field(name: str, category: str | None, check: Check, path: Path) -> tuple[str, ...]:
    if not name:
        return (LINE,)
    fields = searched_fields(name, category)
    if not fields and name in W3C_ABSENT and category == WEBSERVER:
        check.note(path, f"no log of API Gateway has {name}: in every event it is missing")
    elif not fields:
        check.refuse(path, f"no event has a field {quoted(name)}", field_hint(name))
    return fields


class _Item:
    """A field with its modifiers, which compiles each of its values. No event has it if `fields` is empty."""

    def __init__(self, name: str, fields: tuple[str, ...], modifiers: tuple[str, ...], check: Check) -> None:
        self._name = name
        self._fields = fields
        self._modifiers = modifiers
        self._check = check

    def compile(self, value: Any, path: Path) -> Any:
        """The expression of one value, or `None` and a diagnostic."""
        if not self._check_value(value, path):
            return None
        key = "|".join((self._name, *self._modifiers))
        try:
            (parsed,) = SigmaDetectionItem.from_mapping(key, [value]).value
        except SigmaError as error:
            return self._refuse(path, str(error))
        except RecursionError:
            return self._refuse(path, "nested too deeply")
        if not self._name:
            return self._keyword(parsed, value, path)
        if not self._fields:
            return self._absent(parsed)
        if _is_missing(parsed):
            return ["not", ["exists", self._fields[0]]]
        if isinstance(parsed, SigmaExists):
            return ["exists", self._fields[0]]
        found = [self._on_field(field, parsed, value, path) for field in self._fields]
        return None if None in found else joined("or", found)

    def _check_value(self, value: Any, path: Path) -> bool:
        before = len(self._check.diagnostics)
        if value is not None and not isinstance(value, str | int | float):
            self._refuse(path, f"must be text or a number, not {describe(value)}", quote_hint(value, str))
        elif "exists" in self._modifiers and not isinstance(value, bool):
            self._refuse(path, f"exists is true or false, not {describe(value)}")
        elif isinstance(value, bool) and "exists" not in self._modifiers:
            self._refuse(path, "true and false match nothing", "quote it if it is text")
        elif value == "" and TEXT_MODIFIERS.intersection(self._modifiers):
            self._refuse(path, "an empty text is in every value")
        elif "fieldref" in self._modifiers and not isinstance(value, str):
            self._refuse(path, f"must be the name of a field, not {describe(value)}")
        elif "re" in self._modifiers:
            self._check_regex(value, path)
        return len(self._check.diagnostics) == before

    def _refuse(self, path: Path, message: str, hint: str = "") -> None:
        self._check.refuse(path, message, hint)

    def _check_regex(self, pattern: Any, path: Path) -> None:
        if not isinstance(pattern, str):
            self._refuse(path, f"a regular expression must be text, not {describe(pattern)}")
            return
        if len(pattern) > MAX_REGEX_CHARACTERS:
            self._refuse(path, f"a regular expression may have at most {MAX_REGEX_CHARACTERS} characters")
            return
        if nesting(pattern) > MAX_REGEX_NESTING:
            self._refuse(path, f"a regular expression may nest parentheses {MAX_REGEX_NESTING} deep")
            return
        try:
            compile_regex(pattern, regex_flags(self._modifiers))
        except re2.error as error:
            self._refuse(path, f"RE2 cannot run this regular expression: {_regex_error(error, pattern)}")

    def _keyword(self, parsed: Any, value: Any, path: Path) -> Any:
        if isinstance(parsed, SigmaNumber):
            parsed = SigmaString.from_str(str(parsed.number))
        if isinstance(parsed, SigmaString):
            text = text_parts(parsed)
            if set(text) <= {ANY_TEXT}:
                return self._refuse(path, "this keyword is in every event")
            before = [] if text[0] == ANY_TEXT else [ANY_TEXT]
            after = [] if text[-1] == ANY_TEXT else [ANY_TEXT]
            return text_test(LINE, [*before, *text, *after], _cased(parsed))
        if isinstance(parsed, SigmaRegularExpression):
            return ["re", LINE, value, regex_flags(self._modifiers)]
        return self._refuse(path, f"a keyword must be text, not {describe(value)}", "quote it if it is text")

    def _absent(self, parsed: Any) -> Any:
        never = ["never", self._name]
        return ["not", never] if _is_missing(parsed) else never

    def _on_field(self, field: str, parsed: Any, value: Any, path: Path) -> Any:
        if isinstance(parsed, SigmaRegularExpression):
            return ["re", field, value, regex_flags(self._modifiers)]
        if isinstance(parsed, SigmaString):
            return self._text(field, parsed, path)
        if isinstance(parsed, SigmaFieldReference):
            return self._field_reference(field, parsed, path)
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
        text = text_parts(parsed)
        if set(text) == {ANY_TEXT}:
            return ["exists", field]
        if field in INTEGER_FIELDS and len(text) == 1 and isinstance(text[0], str):
            number = text[0]
            if number.isascii() and number.isdigit() and len(number) <= 18:
                return ["number", field, [int(number)]]
            return self._refuse(path, f"{self._name} is a number, never {quoted(number)}")
        return text_test(field, text, _cased(parsed))

    def _field_reference(self, field: str, parsed: SigmaFieldReference, path: Path) -> Any:
        name = parsed.field
        other = event_field(name)
        if other is None:
            return self._refuse(path, f"no event has a field {quoted(name)}", field_hint(name))
        for single, called in ((field, self._name), (other, name)):
            if single in LIST_FIELDS:
                return self._refuse(path, f"{called} is a list, which cannot be compared with a field")
        if (field in INTEGER_FIELDS) != (other in INTEGER_FIELDS):
            return self._refuse(path, f"{self._name} and {name} are never equal: one is a number")
        how = next((modifier for modifier in self._modifiers if modifier in TEXT_MODIFIERS), "equals")
        return ["fieldref", field, other, how]


def _is_missing(parsed: Any) -> bool:
    if isinstance(parsed, SigmaExists):
        return not parsed.exists
    # web logs write a missing value in these ways
    return isinstance(parsed, SigmaNull) or (
        isinstance(parsed, SigmaString) and text_parts(parsed) in ([], ["-"])
    )


def _cased(parsed: SigmaString) -> str:
    return "_cased" if isinstance(parsed, SigmaCasedString) else ""


def _regex_error(error: Exception, pattern: str) -> str:
    """RE2's message, with the position (from 1) of the fragment that it names."""
    detail = error.args[0] if error.args else ""
    message = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
    what, _, fragment = message.partition(": ")
    position = pattern.find(fragment) + 1 if fragment else 0
    where = f" at position {position}" if position else ""
    return f"{what}{where}: {quoted(fragment)}" if fragment else message
