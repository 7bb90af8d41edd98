"""Checks the modifiers after a field's name: which exist, and which can be combined.

They are Sigma's (https://sigmahq.io/docs/basics/modifiers.html). Those that transform values for other kinds
of logs (`windash`, `base64` and similar ones) are refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence

from sigma.modifiers import modifier_mapping

from sessionwarden.documents.check import Check, nearest, quoted
from sessionwarden.documents.yaml import Path

TEXT_MODIFIERS = frozenset({"contains", "startswith", "endswith"})
COMPARISONS = frozenset({"lt", "lte", "gt", "gte"})
MATCH_MODIFIERS = TEXT_MODIFIERS | COMPARISONS | {"re", "cidr", "exists"}
REGEX_FLAGS = {"i": "i", "ignorecase": "i", "m": "m", "multiline": "m", "s": "s", "dotall": "s"}
MODIFIERS = MATCH_MODIFIERS | frozenset(REGEX_FLAGS) | {"all", "cased", "fieldref", "neq"}


def check_modifiers(modifiers: Sequence[str], check: Check, path: Path) -> None:
    """Refuse modifiers that do not exist, are not supported, or cannot be combined."""
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
    for modifier in ("cased", "fieldref"):
        if modifier in modifiers and not TEXT_MODIFIERS.issuperset(matching):
            check.refuse(path, f"modifiers {modifier} and {matching[0]} cannot be combined")
    if "cased" in modifiers and "fieldref" in modifiers:
        check.refuse(path, "modifiers cased and fieldref cannot be combined")


def regex_flags(modifiers: Sequence[str]) -> str:
    """The flags of a regular expression, in alphabetical order."""
    return "".join(sorted({REGEX_FLAGS[name] for name in modifiers if name in REGEX_FLAGS}))
