"""The plan of a rule set: its windows, and which events can reach which of them.

Enters: compiled rules that passed the gate. Leaves: windows in the order of evaluation, and for each category
of events the ways into them. Invariant: rules share a window if, and only if, they count the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sessionwarden.detection.windows.group_key import KeyReader
from sessionwarden.detection.windows.window import Entry, Window, window_of
from sessionwarden.model.event import Category, Event
from sessionwarden.model.rules import CompiledRule
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.limits import inner_rules_first
from sessionwarden.ruleset.matching.predicates import Predicate, compile_expression
from sessionwarden.ruleset.matching.selection_index import SelectionIndex


class Watch(NamedTuple):
    """One way into a window: the events of one category that `matches`, by their key, as a step."""

    matches: Predicate
    read_key: KeyReader
    window: Window
    step: int


class Watching(NamedTuple):
    """The watches of one category, and an index of those that can match: the others cost an event nothing."""

    watches: tuple[Watch, ...]
    matching: SelectionIndex

    def possible(self, event: Event) -> list[Watch]:
        """The watches that may match `event`, a superset of those that do, in order. Never raises."""
        return [self.watches[number] for number in self.matching.candidates(event)]


def build_windows(ruleset: CompiledRuleset, *, acting: bool = False) -> tuple[Window, ...]:
    """Every window that a finding can depend on, inner ones before those that count their matches.

    `acting` if findings may be acted upon, so that enforcement is reminded of keys that go on.
    Raises `RulesetError` if rules build on each other without an end.
    """
    needed = _needed(inner_rules_first(ruleset.rules))
    counted = {inner.rule for rule in needed for inner in rule.inner}
    shared: dict[Any, list[CompiledRule]] = {}
    for rule in needed:
        same = rule.kind, rule.window, rule.steps, rule.inner, rule.sampled_one_in
        shared.setdefault(same, []).append(rule)
    windows: dict[str, Window] = {}
    for rules in shared.values():
        window = window_of(
            rules,
            [windows[inner.rule] for inner in rules[0].inner],
            is_counted=any(rule.id in counted for rule in rules),
            acting=acting,
        )
        windows |= dict.fromkeys((rule.id for rule in rules), window)
    return tuple(dict.fromkeys(windows.values()))


def _needed(rules: Sequence[CompiledRule]) -> list[CompiledRule]:
    """The rules that emit and those that they build on; `rules` are in order, inner rules first."""
    needed: set[str] = set()
    for rule in reversed(rules):
        if rule.emits or rule.id in needed:
            needed |= {rule.id, *(inner.rule for inner in rule.inner)}
    return [rule for rule in rules if rule.id in needed]


def build_watches(windows: Iterable[Window]) -> Mapping[Category, Watching]:
    """By category, the watches that lead to the windows."""
    entries: dict[Category, list[tuple[Window, Entry]]] = {}
    for window in windows:
        for entry in window.entries:
            entries.setdefault(entry.category, []).append((window, entry))
    return {category: _watching(found) for category, found in entries.items()}


def _watching(entries: Sequence[tuple[Window, Entry]]) -> Watching:
    watches = (
        Watch(compile_expression(entry.expression), window.read_key(entry), window, entry.step)
        for window, entry in entries
    )
    return Watching(tuple(watches), SelectionIndex([entry.expression for _, entry in entries]))
