"""The tests of a single text: from an operator's values to a function that tests a text.

Invariant: no test needs more than linear time in the text, because attackers write texts: patterns run in RE2
(https://github.com/google/re2), and the size of their compiled program is bounded. Case-insensitive operators
hold lower-case values, and expect a text in lower case.
"""

from __future__ import annotations

import ipaddress
import operator
from collections.abc import Callable, Sequence
from functools import lru_cache

import re2

TextTest = Callable[[str], bool]

ANY_TEXT = 0
ONE_CHARACTER = 1
"""Parts of a `like` pattern that are not literal text: Sigma's `*` and `?`."""

# Bounds a pattern's compiled program, and with it the cost for each byte of an event's text.
REGEX_MEMORY_BYTES = 1 << 20


def compile_regex(pattern: str, flags: str) -> TextTest:
    """A search for `pattern` with any of the flags `i`, `m`, `s`. Raises `re2.error`."""
    if not set(flags) <= set("ims"):
        raise ValueError(f"unknown flags {flags!r}")
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = REGEX_MEMORY_BYTES
    prefix = f"(?{flags})" if flags else ""
    # a lone surrogate in an event must not raise, so text is encoded here, where it becomes "?"
    regex = re2.compile((prefix + pattern).encode(), options)
    return lambda text: regex.search(text.encode("utf-8", "replace")) is not None


def equals(values: Sequence[str]) -> TextTest:
    """Whether a text is any of `values`."""
    return frozenset(texts(values)).__contains__


def startswith(values: Sequence[str]) -> TextTest:
    """Whether a text begins with any of `values`."""
    return operator.methodcaller("startswith", tuple(texts(values)))


def endswith(values: Sequence[str]) -> TextTest:
    """Whether a text ends with any of `values`."""
    return operator.methodcaller("endswith", tuple(texts(values)))


def contains(values: Sequence[str]) -> TextTest:
    """Whether any of `values` is in a text."""
    needles = texts(values)
    if len(needles) == 1:
        return operator.methodcaller("__contains__", needles[0])

    def contains(text: str) -> bool:
        for needle in needles:  # noqa: SIM110  a generator costs more than the tests it would run
            if needle in text:
                return True
        return False

    return contains


def like(parts: Sequence[str | int]) -> TextTest:
    """Whether a whole text is `parts` in a row: literal texts and wildcards."""
    return compile_regex(like_pattern(parts), "s")


def like_pattern(parts: Sequence[str | int]) -> str:
    """The regular expression of `like`, which needs the flag `s`."""
    wildcards = {ANY_TEXT: ".*", ONE_CHARACTER: "."}
    pattern = "".join(re2.escape(part) if isinstance(part, str) else wildcards[part] for part in parts)
    return rf"\A(?:{pattern})\z"


def in_networks(blocks: Sequence[str]) -> TextTest:
    """Whether a text is an address in any of `blocks` (CIDR); an IPv4-mapped one counts as IPv4."""
    networks = [ipaddress.ip_network(block) for block in texts(blocks)]

    @lru_cache(maxsize=4096)  # one address makes many requests, and parsing costs more than this lookup
    def contains(text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in networks)

    return contains


def texts(values: Sequence[str]) -> list[str]:
    """`values`, which must be one or more texts; raises `ValueError` otherwise."""
    if isinstance(values, str) or not values or not all(isinstance(value, str) for value in values):
        raise ValueError("a list of texts is needed")
    return list(values)
