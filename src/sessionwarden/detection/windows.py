"""What a rule set counts: one `Window` per digest, with the rules that read it.

Enters: compiled rules. Leaves: windows indexed by the category of the events they take. Invariant:
rules that share a window share its writes, but each burns its own cooldown slots; a member is only
left out once no rule can need it any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

from sessionwarden.detection.crossings import MAX_TIMESPAN_MS, CountLayout, Layout, Seen, ValueLayout
from sessionwarden.detection.keys import GroupKey, KeyReader, key_digest, key_reader, mark_digest, value_text
from sessionwarden.errors import RulesetError
from sessionwarden.model.event import UNGROUPABLE_FIELDS, Category, Event
from sessionwarden.ports import MAX_THRESHOLDS
from sessionwarden.ruleset.compiled import CompiledRule, CompiledRuleset, Selection
from sessionwarden.ruleset.predicates import Predicate, compile_expression

ID_HASH_BYTES = 6
"""Two events of one key only collide within one millisecond, so 48 bits are plenty."""

VALUE_HASH_BYTES = 8
"""Values are chosen by clients: 64 bits, since each collision hides one value from the count."""

ID_TEXT_LIMIT = 256
"""Characters of an event id that are remembered and shown as evidence."""

USUAL_TEXT = 128
"""Characters of a value whose hash is remembered: a cache of endless texts would be a way to fill memory."""

SETTLED_MEMBERS = 256
BURNT_SLOTS = 64
"""What is remembered of one key, before it is forgotten and costs a read again."""


NOTHING_BURNT: frozenset[tuple[str, int]] = frozenset()
"""Shared by all keys that have not fired, which is nearly all: an empty set of their own is 216 bytes."""


class Key:
    """One key of one window, and which of its cooldown slots are known to be burnt."""

    __slots__ = ("_digest", "burnt", "key", "window")

    def __init__(self, window: Window, key: GroupKey) -> None:
        self.window = window
        self.key = key
        self._digest: str | None = None
        self.burnt = NOTHING_BURNT

    @property
    def digest(self) -> str:
        """Names the key. Most keys of a replay never need it, and it costs more than their events."""
        if self._digest is None:
            self._digest = key_digest(self.key)
        return self._digest

    def mark_key(self, reader: Reader) -> str:
        """The partition key of one rule's marks."""
        return f"{reader.mark}#{self.digest}"

    def is_burnt(self, time: int) -> bool:
        """Whether every slot of every rule that a member of `time` could still matter for is burnt."""
        if not self.burnt:
            return False
        first, last = self.window.layout.reach(time) if self.window.layout else (time, time)
        return all(
            (reader.mark, slot) in self.burnt
            for reader in self.window.readers
            for slot in range(first // reader.cooldown_ms, last // reader.cooldown_ms + 1)
        )


class KeyState(Key):
    """What a process remembers of one key that lives in a store. All of it can be forgotten at any time."""

    __slots__ = ("recent", "settled", "table_key")

    def __init__(self, window: Window, key: GroupKey) -> None:
        super().__init__(window, key)
        # the partition key of the sets
        self.table_key = f"{window.digest}#{self.digest}"
        self.recent: list[Seen] = []
        self.settled: set[tuple[int, bytes]] = set()

    def remember_burnt(self, reader: Reader, slots: Iterable[int]) -> None:
        """Slots that are known to be marked."""
        known = self.burnt if len(self.burnt) <= BURNT_SLOTS else NOTHING_BURNT
        self.burnt = known | {(reader.mark, slot) for slot in slots}

    def settle(self, members: Mapping[int, set[bytes]]) -> None:
        """Values that were written, evaluated and emitted: seeing them again can change nothing."""
        if self.window.value_field is None:
            return
        if len(self.settled) > SETTLED_MEMBERS:
            self.settled.clear()
        self.settled.update((epoch, member) for epoch, found in members.items() for member in found)


class Reader(NamedTuple):
    """A rule that reads a window, and the digest that its marks and findings are named by."""

    rule: CompiledRule
    mark: str
    cooldown_ms: int


class Window:
    """One selection, group-by, timespan and value field. Without `layout`, single events emit."""

    def __init__(self, rules: Iterable[CompiledRule]) -> None:
        self.readers = tuple(
            Reader(rule, mark_digest(rule=rule.id, window=rule.window), max(rule.response.cooldown_ms, 1))
            for rule in rules
        )
        rule = self.readers[0].rule
        self.digest = rule.window
        self.group_by = rule.group_by
        self.value_field = rule.value_field
        self.layout = _layout(rule)
        self.read_key: KeyReader = key_reader(rule.group_by, counted=rule.value_field)
        self.expressions = _expressions(rule.selections)
        self.states: dict[GroupKey, KeyState] = {}
        self._older: dict[GroupKey, KeyState] = {}
        self._characters = 0

    def state(self, key: GroupKey) -> KeyState:
        """What is remembered of `key`, or a fresh memory."""
        state = self._older.pop(key, None) or KeyState(self, key)
        self.states[key] = state
        self._characters += sum(len(str(value)) for value in key)
        return state

    def forget(self, *, keys: int, characters: int) -> None:
        """Keep the keys seen lately, at most about twice so many; never called within a batch."""
        if len(self.states) > keys or self._characters > characters:
            self._older, self.states = self.states, {}
            self._characters = 0

    def value_hash(self, event: Event) -> bytes:
        """The hash of the counted value."""
        assert self.value_field is not None
        text = value_text(self.value_field, getattr(event, self.value_field))
        return usual_text_hash(text) if len(text) <= USUAL_TEXT else text_hash(text)

    def seen(self, event: Event) -> Seen:
        """The event as evidence of this window."""
        shown = event.id[:ID_TEXT_LIMIT]
        return Seen(event.time, shown, shown if self.value_field is None else self.value_hash(event))


class Watch(NamedTuple):
    """One way into a window: the events of one category that `matches`."""

    matches: Predicate
    window: Window


def build_windows(ruleset: CompiledRuleset) -> tuple[Window, ...]:
    """Every window of the rule set.

    Raises `RulesetError` for a rule that no honest compiler would have written.
    """
    by_digest: dict[tuple[str, str], list[CompiledRule]] = {}
    for rule in ruleset.rules:
        _refuse(rule)
        by_digest.setdefault((rule.kind, rule.window), []).append(rule)
    return tuple(Window(rules) for rules in by_digest.values())


def build_watches(windows: Iterable[Window]) -> Mapping[Category, tuple[Watch, ...]]:
    """By category, the watches that lead to the windows."""
    watches: dict[Category, list[Watch]] = {}
    for window in windows:
        for category, expression in window.expressions.items():
            watches.setdefault(category, []).append(Watch(compile_expression(expression), window))
    return {category: tuple(found) for category, found in watches.items()}


def text_hash(text: str) -> bytes:
    """The hash of a counted value."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=VALUE_HASH_BYTES).digest()


usual_text_hash = lru_cache(maxsize=16_384)(text_hash)


def event_hash(event: Event) -> bytes:
    """Tells apart the records that two sources write about one request."""
    text = f"{event.source}\0{event.id}".encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=ID_HASH_BYTES).digest()


def _layout(rule: CompiledRule) -> Layout | None:
    if rule.kind == "event":
        return None
    return CountLayout(rule.timespan_ms) if rule.kind == "event_count" else ValueLayout(rule.timespan_ms)


def _expressions(selections: Iterable[Selection]) -> dict[Category, Any]:
    """For each category, the expression that matches if any of its selections does."""
    by_category: dict[Category, list[Any]] = {}
    for selection in selections:
        by_category.setdefault(selection.category, []).append(selection.expression)
    return {
        category: found[0] if len(found) == 1 else ["or", *found] for category, found in by_category.items()
    }


def _refuse(rule: CompiledRule) -> None:
    if not UNGROUPABLE_FIELDS.isdisjoint(rule.group_by):
        raise RulesetError(
            f"rule {rule.id}: cannot group by {sorted(UNGROUPABLE_FIELDS & set(rule.group_by))}"
        )
    if rule.kind == "event":
        return
    if not 0 < rule.timespan_ms <= MAX_TIMESPAN_MS:
        raise RulesetError(f"rule {rule.id}: timespan of {rule.timespan_ms} ms is out of range")
    if not 0 < rule.threshold <= MAX_THRESHOLDS[rule.kind]:
        raise RulesetError(f"rule {rule.id}: threshold of {rule.threshold} is out of range")
    if (rule.kind == "value_count") != (rule.value_field is not None):
        raise RulesetError(f"rule {rule.id}: {rule.kind} with value field {rule.value_field}")
