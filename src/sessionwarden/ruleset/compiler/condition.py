"""Compiles a Sigma condition into an expression over the rule's detections.

pySigma's grammar parses it (https://sigmahq.io/docs/basics/conditions.html). Every word is checked first,
because pySigma reads `notfound` as `not found` and accepts a selector that selects no detection.
Invariant: each detection in the expression is named by a word of the condition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import re2
from pyparsing import ParseException
from sigma.conditions import (
    ConditionAND,
    ConditionIdentifier,
    ConditionNOT,
    ConditionOR,
    ConditionSelector,
    SigmaCondition,
)
from sigma.exceptions import SigmaError
from sigma.rule.detection import EmptySigmaDetections

from sessionwarden.documents.check import Check, nearest, quoted
from sessionwarden.documents.yaml import Path
from sessionwarden.ruleset.compiler.size import MAX_VALUES_OF_SET, Weights
from sessionwarden.ruleset.matching.predicates import too_deep

# The grammar is slow on long input, and an attacker may have written a rule file.
MAX_CHARACTERS = 2000
MAX_DEPTH = 20

OPERATORS = frozenset({"and", "or", "not"})
QUANTIFIERS = frozenset({"1", "any", "all"})
RESERVED_NAMES = OPERATORS | QUANTIFIERS | {"of", "them", "condition", "timeframe"}


def compile_condition(
    text: str, detections: Mapping[str, Any], check: Check, path: Path
) -> tuple[Any, set[str]]:
    """The expression that `text` means, and the names of the detections it uses.

    `detections` are expressions by name. If the expression is `None`, `check` holds a diagnostic.
    """
    before = len(check.diagnostics)
    used = _check_words(text, detections, check, path)
    if len(check.diagnostics) > before:
        return None, used
    try:
        tree = SigmaCondition(text, EmptySigmaDetections()).parse(postprocess=False)
        named = list(_identifiers(tree))
    except (SigmaError, RecursionError) as error:
        where = (
            f" at character {error.__context__.column}"
            if isinstance(error.__context__, ParseException)
            else ""
        )
        check.refuse(path, f"cannot be understood{where}", "and, or, not, (…), 1 of name*, all of them")
        return None, used
    if sorted(named) != sorted(_plain_names(text)):
        check.refuse(path, "Sigma reads a name in it as an operator", "rename the detection")
        return None, set(detections)
    expression = _expression(tree, detections)
    if Weights().of(expression) > MAX_VALUES_OF_SET:
        check.refuse(
            path, "too large", f"{MAX_VALUES_OF_SET:,} tests and values, all written out, are the limit"
        )
        return None, used
    if too_deep(expression):
        check.refuse(path, "nested too deeply")
        return None, used
    return expression, used


def selectors(text: str) -> int:
    """How many selectors (`1 of name*`) a condition has at most."""
    return _words(text).count("of")


def _words(text: str) -> list[str]:
    return text.replace("(", " ").replace(")", " ").split()


def _plain_names(text: str) -> Iterator[str]:
    words = iter(_words(text))
    previous = ""
    for word in words:
        if word == "of" and previous in QUANTIFIERS:
            next(words, None)
        elif word not in OPERATORS | QUANTIFIERS:
            yield word
        previous = word


def _check_words(text: str, detections: Mapping[str, Any], check: Check, path: Path) -> set[str]:
    if "|" in text:
        check.refuse(path, "aggregation after | is not supported", "use a correlation")
        return set(detections)
    if len(text) > MAX_CHARACTERS or nesting(text) > MAX_DEPTH:
        limit = f"{MAX_CHARACTERS} characters and {MAX_DEPTH} nested parentheses are the limit"
        check.refuse(path, "too long", limit)
        return set(detections)
    used: set[str] = set()
    words = _words(text)
    for index, word in enumerate(words):
        before = words[index - 1] if index else ""
        if before == "of":
            used |= _check_selector(words[max(0, index - 2)], word, detections, check, path)
        elif word in detections:
            used.add(word)
        elif word not in OPERATORS and words[index + 1 : index + 2] != ["of"] and word != "of":
            check.refuse(
                path, f"no detection is named {quoted(word)}", nearest(word, [*detections, *OPERATORS])
            )
    return used


def _check_selector(
    quantifier: str, pattern: str, detections: Mapping[str, Any], check: Check, path: Path
) -> set[str]:
    if quantifier not in QUANTIFIERS:
        check.refuse(path, f"{quoted(quantifier + ' of')} is not supported", "1 of, any of or all of")
    selected = set(_selected(pattern, detections))
    if not selected:
        check.refuse(path, f"{quoted(pattern)} selects no detection")
    return selected


def _selected(pattern: str, detections: Mapping[str, Any]) -> list[str]:
    """The names that a selector selects; names that begin with `_` only if the pattern does too."""
    if pattern == "them":
        return [name for name in detections if not name.startswith("_")]
    regex = re2.compile(re2.escape(pattern).replace(r"\*", ".*"))
    hidden = pattern.startswith("_")
    return [name for name in detections if regex.fullmatch(name) and (hidden or not name.startswith("_"))]


def nesting(text: str) -> int:
    """How deeply parentheses are nested at most."""
    depth = deepest = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    return deepest


def _identifiers(tree: Any) -> Iterator[str]:
    if isinstance(tree, ConditionIdentifier):
        yield tree.identifier
    elif isinstance(tree, ConditionAND | ConditionOR | ConditionNOT):
        for operand in tree.args:
            yield from _identifiers(operand)
    elif not isinstance(tree, ConditionSelector):
        raise SigmaError("no expression")


def _expression(tree: Any, detections: Mapping[str, Any]) -> Any:
    if isinstance(tree, ConditionIdentifier):
        return detections[tree.identifier]
    if isinstance(tree, ConditionSelector):
        chosen = [detections[name] for name in _selected(tree.pattern, detections)]
        operator = "and" if tree.cond_class is ConditionAND else "or"
        return chosen[0] if len(chosen) == 1 else [operator, *chosen]
    operands = [_expression(operand, detections) for operand in tree.args]
    if isinstance(tree, ConditionNOT):
        return ["not", operands[0]]
    return ["and" if isinstance(tree, ConditionAND) else "or", *operands]
