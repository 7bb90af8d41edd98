"""What a rule set counts: one `Window` for what several rules may read, and how it is reached.

Enters: compiled rules. Leaves: windows in the order in which they must be evaluated, since a rule may
count the firings of another. Invariant: rules that share a window share its writes, but each suppresses its
own suppressed periods; a member is only left out once no rule can need it any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from sessionwarden.detection.counting.condition import NUMBERS, Condition, condition_of, proves_when_full
from sessionwarden.detection.counting.crossings import Seen
from sessionwarden.detection.counting.member_encoding import Layout, layout_of
from sessionwarden.detection.counting.sampling import sample_of
from sessionwarden.detection.counting.time_grid import QUANTA
from sessionwarden.detection.soundness import refuse_unsound, used_in_order
from sessionwarden.detection.windows.chains import Feed, connect
from sessionwarden.detection.windows.group_key import (
    GroupKey,
    KeyReader,
    key_reader,
    mark_digest,
    pool_scoped,
)
from sessionwarden.detection.windows.key_state import KeyState
from sessionwarden.detection.windows.members import (
    EventHash,
    carries_number,
    event_payload,
    seen_event,
    text_hash,
)
from sessionwarden.model.event import Category, Event
from sessionwarden.ruleset.compiled import CompiledRule, CompiledRuleset
from sessionwarden.ruleset.matching.predicates import Predicate, compile_expression
from sessionwarden.ruleset.matching.selection_index import SelectionIndex


class Reader(NamedTuple):
    """A rule that reads a window, and the digest that its marks and findings are named by."""

    rule: CompiledRule
    mark: str
    cooldown_ms: int
    condition: Condition


class Entry(NamedTuple):
    """Which events of a category a window takes, the fields that give their key, and their step."""

    category: Category
    expression: Any
    fields: tuple[str, ...]
    step: int


class Window:
    """What is counted of one key, for the rules that read it. Without `layout`, single events emit."""

    def __init__(self, rules: Sequence[CompiledRule], inner_windows: Sequence[Window] = ()) -> None:
        rule = rules[0]
        self.readers = tuple(
            Reader(
                rule,
                mark_digest(rule=rule.id, window=rule.window),
                max(rule.response.cooldown_ms, 1),
                condition_of(rule),
            )
            for rule in rules
        )
        self.kind = rule.kind
        self.group_by = rule.group_by
        self.value_field = rule.value_field
        self.sample = sample_of(rule)
        self.inner_windows = tuple(inner_windows)
        self.feeds: dict[str, list[Feed]] = {}
        self.steps = tuple(dict.fromkeys(rule.steps))
        self.layout = self._layout(rule)
        self.sets = _sets_name(rule, self.layout, inner_windows)
        self.entries = _entries(rule, self.steps)
        self.scoped = self._scoped_positions(rule)
        self.pooled = bool(self.scoped)
        self.level: int = 1 + max((window.level for window in inner_windows), default=-1)
        self.lag_ms: int = max((window.lag_ms + window.quantum_ms for window in inner_windows), default=0)
        self.least = min(reader.condition.least for reader in self.readers)
        self.bounded = all(proves_when_full(reader.rule, reader.condition) for reader in self.readers)
        self.states: dict[GroupKey, KeyState] = {}
        self._older: dict[GroupKey, KeyState] = {}
        self._characters = 0

    @property
    def timespan_ms(self) -> int:
        """The timespan, 0 for single events."""
        return self.layout.timespan_ms if self.layout else 0

    @property
    def quantum_ms(self) -> int:
        """By how much a firing's time may precede the event that it ends at."""
        return -(-self.timespan_ms // QUANTA)

    def reach(self, time: int) -> tuple[int, int]:
        """The first and the last time at which what `time` matters for can end."""
        return self.layout.grid.reach(time) if self.layout else (time, time)

    def needed_until(self, place: int) -> int:
        """The last event time (epoch ms) that the members of a set matter for."""
        assert self.layout is not None
        return (place // self.layout.sets + 2) * self.timespan_ms + self.lag_ms

    def read_key(self, entry: Entry) -> KeyReader:
        """A function from an event of the entry to its key, or `None` if it does not count."""
        field, sample = self.value_field, self.sample
        read = key_reader(entry.fields, counted=field, pooled=self.pooled)
        if sample is not None:
            return lambda event: read(event) if sample(event) else None
        if field is None or self.kind not in NUMBERS:
            return read
        return lambda event: read(event) if carries_number(getattr(event, field)) else None

    def member(self, event: Event, step: int, event_hash: EventHash) -> tuple[int, bytes]:
        """Set and bytes of an event."""
        assert self.layout is not None
        payload = event_payload(self.kind, event, field=self.value_field, step=step, event_hash=event_hash)
        return self.layout.member(event.time, payload, step)

    def seen(self, event: Event, step: int = 0) -> Seen:
        """The event as evidence of this window."""
        return seen_event(self.kind, event, field=self.value_field, step=step)

    def state(self, key: GroupKey) -> KeyState:
        """What is remembered of `key`, or a fresh memory."""
        state = self._older.pop(key, None) or KeyState(self, key)
        self.states[key] = state
        self._characters += _characters(key)
        return state

    def drop(self, state: KeyState) -> None:
        """Forget a key that was not served: those that nobody serves must not crowd out others."""
        if self.states.pop(state.key, None) is not None:
            self._characters -= _characters(state.key)

    def forget(self, *, keys: int, characters: int) -> None:
        """Keep the keys seen lately, at most about twice so many; never called within a batch."""
        if len(self.states) > keys or self._characters > characters:
            self._older, self.states = self.states, {}
            self._characters = 0

    def _layout(self, rule: CompiledRule) -> Layout | None:
        if rule.kind == "event":
            return None
        spacings = tuple(window.timespan_ms for window in self.inner_windows)
        return layout_of(rule, steps=len(self.steps), spacings=spacings)

    def _scoped_positions(self, rule: CompiledRule) -> frozenset[int]:
        """Which values of the key are only unique within a pool, by any way into the window."""
        scoped = {
            position
            for entry in self.entries
            for position, field in enumerate(entry.fields)
            if pool_scoped((field,))
        }
        for inner, window in zip(rule.inner, self.inner_windows, strict=True):
            for position, name in enumerate(inner.fields or rule.group_by):
                if window.group_by.index(name) in window.scoped:
                    scoped.add(position)
        return frozenset(scoped)


def _characters(key: GroupKey) -> int:
    return sum(len(str(value)) for value in key)


class Watch(NamedTuple):
    """One way into a window: the events of one category that `matches`, by their key, as a step."""

    matches: Predicate
    read_key: KeyReader
    window: Window
    step: int


class Watching(NamedTuple):
    """The watches of one category, and an index of which can match: the others cost an event nothing."""

    watches: tuple[Watch, ...]
    matching: SelectionIndex

    def possible(self, event: Event) -> list[Watch]:
        """The watches that may match `event`, a superset of those that do, in order. Never raises."""
        return [self.watches[number] for number in self.matching.candidates(event)]


def build_windows(ruleset: CompiledRuleset) -> tuple[Window, ...]:
    """Every window of the rule set, inner ones before those that count their firings.

    Raises `RulesetError` for rules that no honest compiler would have written.
    """
    refuse_unsound(ruleset.rules)
    shared: dict[Any, list[CompiledRule]] = {}
    for rule in used_in_order(ruleset.rules):
        kind = "numbers" if rule.kind in NUMBERS else rule.kind
        counted = kind, rule.window, rule.steps, rule.inner, rule.sampled_one_in
        shared.setdefault(counted, []).append(rule)
    windows: dict[str, Window] = {}
    for rules in shared.values():
        window = Window(rules, [windows[inner.rule] for inner in rules[0].inner])
        windows |= dict.fromkeys((rule.id for rule in rules), window)
        connect(window, rules[0])
    return tuple(dict.fromkeys(windows.values()))


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


def _entries(rule: CompiledRule, steps: Sequence[str]) -> tuple[Entry, ...]:
    """For each category, key and step, the expression that matches if any of its selections does."""
    found: dict[tuple[Category, tuple[str, ...], int], list[Any]] = {}
    for selection in rule.selections:
        step = steps.index(selection.rule) if steps else 0
        place = selection.category, selection.fields or rule.group_by, step
        found.setdefault(place, []).append(selection.expression)
    return tuple(
        Entry(category, same[0] if len(same) == 1 else ["or", *same], fields, step)
        for (category, fields, step), same in found.items()
    )


def _sets_name(rule: CompiledRule, layout: Layout | None, inner_windows: Sequence[Window]) -> str:
    """What the partition keys of the sets begin with: the window's digest and how members are to be read.

    Steps and inner rules are named too, and a rate. Members of a sequence are numbers of steps, and firings
    depend on the bounds that they met: sets of another meaning must not be found under the same key.
    """
    if layout is None:
        return rule.window
    if rule.sampled_one_in > 1:
        return f"{rule.window}{layout.suffix}s{rule.sampled_one_in}"
    if not rule.steps and not rule.inner:
        return rule.window + layout.suffix
    readers = [
        next(reader.rule for reader in window.readers if reader.rule.id == inner.rule)
        for inner, window in zip(rule.inner, inner_windows, strict=True)
    ]
    inner = [
        [window.sets, reader.kind, reader.bounds, reader.percentile]
        for reader, window in zip(readers, inner_windows, strict=True)
    ]
    meaning = msgspec.json.encode([rule.steps, inner], order="sorted").decode()
    return f"{rule.window}{layout.suffix}{text_hash(meaning).hex()}"
