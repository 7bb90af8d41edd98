"""Rules that no honest compiler would have written, and the order in which the others depend on each other.

Enters: compiled rules, which came through a store and a network. Leaves: `RulesetError`, or the rules that
are of use, inner ones first. Invariant: what passes can be evaluated for every event, and what the engine
guarantees holds for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from sessionwarden.detection.counting.condition import NUMBERS, SEQUENCES, condition_of
from sessionwarden.detection.counting.time_grid import MAX_TIMESPAN_MS
from sessionwarden.errors import RulesetError
from sessionwarden.model.event import FIELDS, INTEGER_FIELDS, UNGROUPABLE_FIELDS
from sessionwarden.ruleset.compiled import CompiledRule

MAX_INNER = 64
"""Inner rules of one rule; a member names its own in one byte."""

MAX_LEVELS = 8
"""Of rules that count firings of rules that count firings: each costs another round of calls."""


def refuse_unsound(rules: Sequence[CompiledRule]) -> None:
    """Raises `RulesetError` for the first rule that must not run."""
    by_id = {rule.id: rule for rule in rules}
    for rule in rules:
        _refuse_keys(rule)
        condition_of(rule)
        _refuse_values(rule)
        if rule.kind != "event" and not 0 < rule.timespan_ms <= MAX_TIMESPAN_MS:
            raise RulesetError(f"rule {rule.id}: timespan of {rule.timespan_ms} ms is out of range")
        labels = [*(selection.rule for selection in rule.selections), *(inner.rule for inner in rule.inner)]
        if rule.kind in SEQUENCES and set(labels) != set(rule.steps):
            raise RulesetError(f"rule {rule.id}: steps {rule.steps} are not what it selects, {labels}")
        _refuse_inner(rule, by_id)
    _refuse_estimates_of_firings(rules)
    certain: dict[str, bool] = {}
    for rule in used_in_order(rules):
        grows, inner = condition_of(rule).grows, all(certain[one.rule] for one in rule.inner)
        if not grows and not inner:
            raise RulesetError(
                f"rule {rule.id}: what later events can undo cannot be judged by firings that they can undo"
            )
        certain[rule.id] = grows and inner


def used_in_order(rules: Sequence[CompiledRule]) -> list[CompiledRule]:
    """The rules that emit, and those that they count the firings of, inner ones first.

    Raises `RulesetError` if rules count each other's firings in a circle.
    """
    by_id = {rule.id: rule for rule in rules}
    levels: dict[str, int] = {}

    def visit(rule: CompiledRule, above: frozenset[str]) -> int:
        # as deep as that from above, a circle is found before the interpreter's stack ends
        if rule.id in above or len(above) > MAX_LEVELS:
            raise RulesetError(f"rule {rule.id}: counts its own firings, or those of too many levels")
        if rule.id not in levels:
            below = [visit(by_id[inner.rule], above | {rule.id}) for inner in rule.inner]
            levels[rule.id] = 1 + max(below, default=0)
        if levels[rule.id] > MAX_LEVELS:
            raise RulesetError(f"rule {rule.id}: counts firings of too many levels")
        return levels[rule.id]

    for rule in rules:
        if rule.emits:
            visit(rule, frozenset())
    return [by_id[rule] for rule in levels]


def _refuse_keys(rule: CompiledRule) -> None:
    for selection in rule.selections:
        fields = selection.fields or rule.group_by
        wrong = set(fields) & UNGROUPABLE_FIELDS or set(fields) - FIELDS
        if wrong or len(fields) != len(rule.group_by):
            raise RulesetError(f"rule {rule.id}: cannot group {rule.group_by} by {fields}")


def _refuse_values(rule: CompiledRule) -> None:
    counts_values = rule.kind == "value_count" or rule.kind in NUMBERS
    if counts_values != (rule.value_field is not None):
        raise RulesetError(f"rule {rule.id}: {rule.kind} with value field {rule.value_field}")
    known = INTEGER_FIELDS if rule.kind in NUMBERS else FIELDS
    if rule.value_field is not None and rule.selections and rule.value_field not in known:
        raise RulesetError(f"rule {rule.id}: no {rule.kind} over {rule.value_field}")
    percentile = rule.percentile
    if (rule.kind == "value_percentile") != (percentile is not None) or not 0 <= (percentile or 0) <= 100:
        raise RulesetError(f"rule {rule.id}: {rule.kind} with percentile {percentile}")


def _refuse_estimates_of_firings(rules: Sequence[CompiledRule]) -> None:
    """What is guaranteed of a rule that counts firings would not be, of firings that chance decides."""
    served = {inner.rule for rule in rules for inner in rule.inner}
    for rule in rules:
        if rule.sampled_one_in != 1 and rule.id in served:
            raise RulesetError(f"rule {rule.id}: its firings are estimates, and are counted")


def _refuse_inner(rule: CompiledRule, by_id: dict[str, CompiledRule]) -> None:
    if rule.inner and (rule.kind == "event" or rule.kind in NUMBERS or len(rule.inner) > MAX_INNER):
        raise RulesetError(f"rule {rule.id}: {rule.kind} over {len(rule.inner)} other rules")
    for inner in rule.inner:
        source = by_id.get(inner.rule)
        if source is None or source.kind == "event":
            raise RulesetError(f"rule {rule.id}: {inner.rule} is no correlation")
        fields = inner.fields or rule.group_by
        if not set(fields) <= set(source.group_by) or len(fields) != len(rule.group_by):
            raise RulesetError(f"rule {rule.id}: the key of {inner.rule} does not give {rule.group_by}")
        if rule.value_field is not None and rule.value_field not in source.group_by:
            raise RulesetError(f"rule {rule.id}: firings of {inner.rule} carry no {rule.value_field}")
