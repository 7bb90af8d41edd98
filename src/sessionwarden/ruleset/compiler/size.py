"""What the rules of one set may ask for together, counted before any of it is compiled.

A file is small, and what it asks for can be large: each regular expression is compiled, and each filter
joined to each rule that it applies to. Enters: the documents of a set. Leaves: a diagnostic at the first
thing too many, and `False`, so that nothing is compiled. `Weights` then says how large the result would be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sessionwarden.documents.check import Check
from sessionwarden.documents.yaml import Document, Path
from sessionwarden.errors import Diagnostic
from sessionwarden.ruleset.limits import MAX_PATTERNS

MAX_PATTERN_CHARACTERS = 100_000
"""Of all regular expressions: RE2 takes some 10 µs to compile one, and each process compiles all of them."""

MAX_CONDITION_CHARACTERS = 50_000
"""Of all conditions: the grammar takes up to 100 µs for a character."""

MAX_DOCUMENTS = 5_000
"""Rules and filters of a set, far more than a rule set of AppConfig's size can hold."""

MAX_SELECTED = 20_000
"""Detections that the selectors of one rule select together, each counted as often as it is selected."""

MAX_VALUES_OF_SET = 300_000
"""Tests and values of all compiled rules: a list counts once for each rule that it becomes part of."""

MAX_FILTERED = 20_000
"""Rules and the filters that can apply to them, in pairs: each pair is an expression of its own."""


def is_of_bearable_size(documents: Sequence[Document], diagnostics: list[Diagnostic]) -> bool:
    """Whether the set may be compiled; if not, `diagnostics` says where it becomes too large."""
    if len(documents) > MAX_DOCUMENTS:
        what = f"more than {MAX_DOCUMENTS:,} rules"
        Check(documents[MAX_DOCUMENTS], diagnostics).refuse(
            (), what, "rule sets that large cannot be published"
        )
        return False
    fits = (_filters_fit, _conditions_fit, _patterns_fit)
    return all(fit(documents, diagnostics) for fit in fits)


class Weights:
    """How many tests and values an expression holds, written out. Parts that it shares are looked at once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, int]] = {}

    def of(self, expression: Any) -> int:
        if not isinstance(expression, list | tuple):
            return 1
        # the expression is kept, so that no other can have its id
        found = self._known.get(id(expression))
        if found is None:
            found = self._known[id(expression)] = expression, sum(map(self.of, expression))
        return found[1]


def _filters_fit(documents: Sequence[Document], diagnostics: list[Diagnostic]) -> bool:
    filters = [document for document in documents if _part(document.data, "filter")]
    pairs = 0
    for document in filters:
        named = document.data["filter"].get("rules", "any")
        pairs += len(named) if isinstance(named, list) else len(documents) - len(filters)
        if pairs > MAX_FILTERED:
            message = f"filters apply to more than {MAX_FILTERED:,} rules together"
            Check(document, diagnostics).refuse(("filter", "rules"), message, "name the rules that are meant")
            return False
    return True


def _conditions_fit(documents: Sequence[Document], diagnostics: list[Diagnostic]) -> bool:
    characters = 0
    for document in documents:
        for name in ("detection", "filter"):
            found = _part(document.data, name).get("condition")
            texts = found if isinstance(found, list) else [found]
            characters += sum(len(text) for text in texts if isinstance(text, str))
            if characters > MAX_CONDITION_CHARACTERS:
                message = (
                    f"more than {MAX_CONDITION_CHARACTERS:,} characters of conditions in one set of rules"
                )
                hint = "1 of name*, or a list of values, says in few words what many ors say"
                Check(document, diagnostics).refuse((name, "condition"), message, hint)
                return False
    return True


def _patterns_fit(documents: Sequence[Document], diagnostics: list[Diagnostic]) -> bool:
    number = characters = 0
    for document in documents:
        for name in ("detection", "filter"):
            for path, pattern in _patterns(_part(document.data, name), (name,)):
                number += 1
                characters += len(pattern)
                if number > MAX_PATTERNS:
                    message = f"more than {MAX_PATTERNS:,} regular expressions in one set of rules"
                elif characters > MAX_PATTERN_CHARACTERS:
                    message = (
                        f"more than {MAX_PATTERN_CHARACTERS:,} characters of regular expressions in one set"
                    )
                else:
                    continue
                Check(document, diagnostics).refuse(
                    path, message, "most can be said with contains or endswith"
                )
                return False
    return True


def _part(data: Any, key: str) -> dict[str, Any]:
    found = data.get(key) if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def _patterns(value: Any, path: Path, *, pattern: bool = False) -> Iterator[tuple[Path, str]]:
    """The texts under keys with the modifier `re`, each with its path. Documents are not deep (`yaml`)."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _patterns(below, (*path, key), pattern="re" in key.split("|")[1:])
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _patterns(below, (*path, index), pattern=pattern)
    elif pattern and isinstance(value, str):
        yield path, value
