"""Compiles a text with wildcards into the simplest test that means the same.

Sigma's `*` is any text and `?` one character (https://sigmahq.io/docs/basics/rules.html#special-values).
Invariant: texts are in lower case unless the test is `cased`, as `predicates` expects.
"""

from __future__ import annotations

from typing import Any

from sigma.types import SigmaString, SpecialChars

from sessionwarden.ruleset.matching.text_tests import ANY_TEXT, ONE_CHARACTER

Parts = list[str | int]


def text_parts(text: SigmaString) -> Parts:
    """The literal texts and wildcards of `text`; several `*` in a row become one."""
    wildcards = {SpecialChars.WILDCARD_MULTI: ANY_TEXT, SpecialChars.WILDCARD_SINGLE: ONE_CHARACTER}
    parts: Parts = []
    for part in text.s:
        plain = part if isinstance(part, str) else wildcards[part]
        if plain != "" and not (plain == ANY_TEXT and parts and parts[-1] == ANY_TEXT):
            parts.append(plain)
    return parts


def text_test(field: str, parts: Parts, cased: str) -> list[Any]:
    """The test of `field` for `parts`; `cased` is `_cased` or empty."""
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
