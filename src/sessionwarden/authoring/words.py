"""A compiled rule in the words of a table: `at least 300 in 1m`, `deny, sign_out (denied for 1h)`.

Enters: compiled rules. Leaves: one line of text each. Leaves out colours and tables, and the words for what
a correlation judges, which its type knows.
"""

from __future__ import annotations

from collections.abc import Mapping

from sessionwarden.correlations.registry import type_of
from sessionwarden.model.finding import Response
from sessionwarden.model.rules import CompiledRule
from sessionwarden.printable import printable

SECOND_MS = 1000
UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
LINE_LIMIT = 300


def line(text: str) -> str:
    """Text of a rule or an event on one line of a terminal."""
    return printable(text, limit=LINE_LIMIT)


def span(seconds: int) -> str:
    """A length of time as rules write it: `90s`, `15m`."""
    unit, length = next((unit, length) for unit, length in UNITS if seconds % length == 0)
    return f"{seconds // length}{unit}"


def timespan(rule: CompiledRule) -> str:
    """The length of the rule's window."""
    return span(rule.timespan_ms // SECOND_MS)


def condition_in_words(rule: CompiledRule, names: Mapping[str, str]) -> str:
    """What must happen within the rule's window for a finding; `names` are those of the rules by id."""
    if not rule.is_correlation:
        return "each event"
    return f"{type_of(rule).in_words(rule, names)} in {timespan(rule)}"


def actions_in_words(response: Response) -> str:
    """The actions, and how long a deny lasts if the rule says so."""
    seconds = response.deny_seconds
    denied = "" if seconds is None else f" (denied for {span(seconds)})"
    return ", ".join(response.actions) + denied
