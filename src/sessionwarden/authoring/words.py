"""A compiled rule in the words of a table: `at least 300 in 1m`, `deny, sign_out (denied for 1h)`.

Enters: compiled rules of every kind. Leaves: one line of text each. Leaves out colours and tables.
"""

from __future__ import annotations

from collections.abc import Mapping

from sessionwarden.model.finding import Response
from sessionwarden.printable import printable
from sessionwarden.ruleset.compiled import Bound, CompiledRule

SECOND_MS = 1000
UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
OPERATORS = {
    "gte": "at least",
    "gt": "more than",
    "lte": "at most",
    "lt": "less than",
    "eq": "exactly",
    "neq": "not",
}
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


def bounds_in_words(bounds: tuple[Bound, ...]) -> str:
    """`at least 3`, or of a range `more than 3 and at most 9`."""
    return " and ".join(f"{OPERATORS[operator]} {bound:,}" for operator, bound in bounds)


def condition_in_words(rule: CompiledRule, names: Mapping[str, str]) -> str:
    """What must happen within the rule's window for a finding; `names` are those of the rules by id."""
    if rule.kind == "event":
        return "each event"
    return f"{_figure_in_words(rule, names)} in {timespan(rule)}"


def actions_in_words(response: Response) -> str:
    """The actions, with how long a deny lasts if the rule says so."""
    seconds = response.deny_seconds
    denied = "" if seconds is None else f" (denied for {span(seconds)})"
    return ", ".join(response.actions) + denied


def _figure_in_words(rule: CompiledRule, names: Mapping[str, str]) -> str:
    wanted = bounds_in_words(rule.bounds)
    field = rule.value_field or ""
    steps = [names.get(step, step) for step in rule.steps]
    match rule.kind:
        case "event_count":
            return f"{wanted} events{_sample_in_words(rule)}"
        case "value_count":
            return f"{wanted} distinct {field}"
        case "value_sum":
            return f"sum of {field} {wanted}"
        case "value_avg":
            return f"average of {field} {wanted}"
        case "value_percentile":
            return f"{percentile_in_words(rule)} of {field} {wanted}"
        case "temporal":
            return f"{' and '.join(steps)}, in any order,"
        case _:
            return ", then ".join(steps)


def _sample_in_words(rule: CompiledRule) -> str:
    return f" (estimated from 1 in {rule.sampled_one_in})" if rule.sampled_one_in > 1 else ""


def percentile_in_words(rule: CompiledRule) -> str:
    """`median`, or `95th percentile`."""
    if rule.percentile == 50:
        return "median"
    number = rule.percentile or 0
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending} percentile"
