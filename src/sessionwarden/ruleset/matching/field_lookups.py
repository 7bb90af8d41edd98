"""Answers many tests of one field at once: from a value to the numbers of the tests that hold for it.

All patterns of a field are one RE2 automaton, whole texts are in a dictionary, and numeric bounds are sorted.
So the cost grows with the text and with the number of tests that hold, not with the number of tests.
Invariant: no test that holds is left out. An attacker's text can make an automaton exceed its memory; then
all of its tests count as holding.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import re2

from sessionwarden.model.event import INTEGER_FIELDS, LIST_FIELDS
from sessionwarden.ruleset.matching.necessary_tests import Test
from sessionwarden.ruleset.matching.text_tests import in_networks, like_pattern

Numbers = tuple[int, ...]
FieldLookup = Callable[[Any], Sequence[int]]
"""A function from a value that is present to the numbers of the tests that hold for it."""

PATTERN_MEMORY_BYTES = 4 << 20
"""The memory for the patterns of one field, and for what their automaton caches between texts."""

VALUES_REMEMBERED = 4096
USUAL_TEXT = 128
"""The most characters of a value whose answer is cached, so that long texts cannot fill the memory."""

_ALWAYS_FOUND = b""


def field_lookup(field: str, tests: Mapping[Test, Numbers]) -> FieldLookup:
    """The lookup for `tests` of `field`, each with the numbers that are returned if it holds."""
    present = tuple(chain.from_iterable(_of("exists", tests).values()))
    lookup: FieldLookup = _number_lookup(tests) if field in INTEGER_FIELDS else _text_lookup(tests)
    if field in LIST_FIELDS:
        return lambda values: [*present, *chain.from_iterable(map(lookup, values))] if values else ()
    if present:
        return lambda value: [*present, *lookup(value)]
    return lookup


def _of(operator: str, tests: Mapping[Test, Numbers]) -> dict[Any, Numbers]:
    return {value: numbers for (name, _, value), numbers in tests.items() if name == operator}


def _remembering(lookup: Callable[[str], Sequence[int]]) -> Callable[[str], Sequence[int]]:
    known = lru_cache(maxsize=VALUES_REMEMBERED)(lookup)
    return lambda text: known(text) if len(text) <= USUAL_TEXT else lookup(text)


def _number_lookup(tests: Mapping[Test, Numbers]) -> Callable[[int], Sequence[int]]:
    exact = _of("number", tests)
    lower = [_sorted(_of(operator, tests)) for operator in ("gte", "gt")]
    upper = [_sorted(_of(operator, tests)) for operator in ("lte", "lt")]
    text_lookup = _text_lookup(tests)

    @lru_cache(maxsize=VALUES_REMEMBERED)
    def lookup(value: int) -> Sequence[int]:
        (gte, for_gte), (gt, for_gt) = lower
        (lte, for_lte), (lt, for_lt) = upper
        holding: list[Numbers] = [
            *for_gte[: bisect_right(gte, value)],
            *for_gt[: bisect_left(gt, value)],
            *for_lte[bisect_left(lte, value) :],
            *for_lt[bisect_right(lt, value) :],
        ]
        return [*exact.get(value, ()), *chain.from_iterable(holding), *text_lookup(str(value))]

    return lookup


def _sorted(bounds: Mapping[float, Numbers]) -> tuple[list[float], list[Numbers]]:
    order = sorted(bounds)
    return order, [bounds[bound] for bound in order]


def _text_lookup(tests: Mapping[Test, Numbers]) -> Callable[[str], Sequence[int]]:
    exact, exact_cased = _of("equals", tests), _of("equals_cased", tests)
    patterns = _Patterns(_patterns(tests, cased=""))
    patterns_cased = _Patterns([*_patterns(tests, cased="_cased"), *_regexes(tests)])
    networks = [(in_networks([block]), numbers) for block, numbers in _of("cidr", tests).items()]

    def lookup(text: str) -> Sequence[int]:
        lowered = text.lower()
        found = [*exact.get(lowered, ()), *exact_cased.get(text, ())]
        found += patterns.found_in(lowered)
        found += patterns_cased.found_in(text)
        for contains, numbers in networks:
            if contains(text):
                found += numbers
        return found

    if {name for name, _, _ in tests} <= {"equals"}:
        return lambda text: exact.get(text.lower(), ())
    return _remembering(lookup)


def _patterns(tests: Mapping[Test, Numbers], *, cased: str) -> Iterable[tuple[str, Numbers]]:
    for value, numbers in _of("contains" + cased, tests).items():
        yield re2.escape(value), numbers
    for value, numbers in _of("startswith" + cased, tests).items():
        yield rf"\A{re2.escape(value)}", numbers
    for value, numbers in _of("endswith" + cased, tests).items():
        yield rf"{re2.escape(value)}\z", numbers
    for parts, numbers in _of("like" + cased, tests).items():
        yield f"(?s){like_pattern(parts)}", numbers


def _regexes(tests: Mapping[Test, Numbers]) -> Iterable[tuple[str, Numbers]]:
    for (pattern, flags), numbers in _of("re", tests).items():
        yield (f"(?{flags}){pattern}" if flags else pattern), numbers


class _Patterns:
    """All patterns of one field in one automaton (https://github.com/google/re2, `RE2::Set`)."""

    def __init__(self, patterns: Iterable[tuple[str, Numbers]]) -> None:
        # pattern 0 is in every text: if it is not found, the automaton has run out of memory, which
        # RE2::Set reports as no match
        pairs = [(_ALWAYS_FOUND, ()), *((pattern.encode(), numbers) for pattern, numbers in patterns)]
        self._numbers: list[Numbers] = [numbers for _, numbers in pairs]
        self._all: Numbers = tuple(chain.from_iterable(self._numbers))
        self._match = _automaton([pattern for pattern, _ in pairs]) if len(pairs) > 1 else None

    def found_in(self, text: str) -> Sequence[int]:
        """The numbers of the patterns that are in `text`; all of them if the automaton cannot tell."""
        if self._match is None:
            return self._all  # there is no automaton, or nothing to find
        found = self._match(text.encode("utf-8", "replace"))
        if 0 not in found:
            return self._all
        if len(found) == 1:
            return ()
        return [number for position in found for number in self._numbers[position]]


def _automaton(patterns: Sequence[bytes]) -> Callable[[bytes], list[int]] | None:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_MEMORY_BYTES
    automaton = re2.Set.SearchSet(options)
    try:
        for pattern in patterns:
            automaton.Add(pattern)
        automaton.Compile()
    except re2.error:  # the patterns are too large together, so every test counts as holding
        return None
    match: Callable[[bytes], list[int]] = automaton.Match
    return match
