"""What a YAML scalar without quotes is: text, or one of the few values of YAML 1.2's core schema.

PyYAML alone follows YAML 1.1, in which `12:30:45` and `017` are numbers, `no` is false and `2024-01-01` is no
text, so that a rule could test for something else than its author reads. Here a scalar is a number, true,
false or null only if it looks like one (https://yaml.org/spec/1.2.2/#103-core-schema). Invariant: every
answer needs linear time, for an attacker may have written the file: numbers are measured before they are
converted.
"""

from __future__ import annotations

import math
import re

MAX_NUMBER_CHARACTERS = 40
"""More than any number that a rule can mean. Converting one of a million digits takes minutes."""

YAML = "tag:yaml.org,2002:"
NULL, BOOL, INT, FLOAT, STR = (YAML + name for name in ("null", "bool", "int", "float", "str"))

_WORDS: dict[str, tuple[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), (NULL, None)),
    **dict.fromkeys(("true", "True", "TRUE"), (BOOL, True)),
    **dict.fromkeys(("false", "False", "FALSE"), (BOOL, False)),
}
_FIRST_OF_NUMBERS = frozenset("+-.0123456789")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")


class ScalarError(ValueError):
    """A scalar that looks like a value and is none, with what to write instead."""

    def __init__(self, message: str, hint: str = "quote it if it is text") -> None:
        self.hint = hint
        super().__init__(message)


def plain_tag(text: str) -> str:
    """The tag of a scalar that has neither quotes nor a tag of its own."""
    if text in _WORDS:
        return _WORDS[text][0]
    if text[0] not in _FIRST_OF_NUMBERS:
        return STR
    if _INT.fullmatch(text):
        return INT
    return FLOAT if _FLOAT.fullmatch(text) else STR


def scalar_value(tag: str, text: str) -> str | int | float | bool | None:
    """The value of a scalar whose tag is one of those above. Raises `ScalarError`."""
    if tag == STR:
        return text
    if tag in (NULL, BOOL):
        found, value = _WORDS.get(text, (None, None))
        if found != tag:
            raise _invalid(tag)
        return value
    if len(text) > MAX_NUMBER_CHARACTERS:
        raise ScalarError(f"a number has at most {MAX_NUMBER_CHARACTERS} characters")
    return _whole_number(text) if tag == INT else _fraction(text)


def _whole_number(text: str) -> int:
    if not _INT.fullmatch(text):
        raise _invalid(INT)
    if _LEADING_ZERO.fullmatch(text):
        # older readers of YAML take 017 for 15, among them Sigma's own tools
        decimal = int(text)
        raise ScalarError(
            "YAML's readers disagree about a number that begins with 0",
            f"write {decimal}, or quote it if it is text",
        )
    return int(text, 0) if text[1:2] in ("o", "x") else int(text)


def _fraction(text: str) -> float:
    if not _FLOAT.fullmatch(text):
        raise _invalid(FLOAT)
    number = float(text.replace(".i", "i").replace(".I", "I").replace(".n", "n").replace(".N", "N"))
    if not math.isfinite(number):
        raise ScalarError("this number is not finite")
    return number


def _invalid(tag: str) -> ScalarError:
    return ScalarError(f"not a valid {tag.rpartition(':')[2]}")
