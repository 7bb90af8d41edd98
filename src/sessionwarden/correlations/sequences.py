"""The types whose members are steps: all of several rules, in any order or one after the other.

Invariant: a sequence that was complete stays complete whatever arrives later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

from sessionwarden.correlations.aggregates import Aggregate, DistinctCount, StepsInOrder
from sessionwarden.correlations.bounds import Condition
from sessionwarden.correlations.correlation_type import CorrelationType, CountedMatch
from sessionwarden.correlations.overflow import Overflow
from sessionwarden.correlations.time_grid import BUCKETS
from sessionwarden.correlations.values import ID_HASH_BYTES, EventHash, key_digest, text_hash
from sessionwarden.model.event import Event
from sessionwarden.model.rules import CompiledRule
from sessionwarden.ports import MEMBER_LIMIT


class Steps(CorrelationType):
    """A sequence of steps, each of them a rule."""

    has_steps = grows = whole_numbers = True

    def condition(self, rule: CompiledRule) -> Condition:
        return Condition((("gte", len(rule.steps)),), grows=True, least=len(rule.steps))

    def condition_schema(self, fields: Mapping[str, str]) -> dict[str, Any]:
        all_of_them = {"type": "object", "properties": {"gte": {"type": "integer"}}, "required": ["gte"]}
        return {"anyOf": [{"type": "string", "minLength": 1}, all_of_them | {"additionalProperties": False}]}


class Temporal(Steps):
    """A member of every step, in any order. One event can be several steps."""

    name = "temporal"
    suffix = "t"
    bucketed = True

    def proves_when_full(self, condition: Condition) -> bool:
        return condition.least * BUCKETS < MEMBER_LIMIT

    def overflow(self, rules: Sequence[CompiledRule]) -> Overflow:
        # a bucket has a member of each step at most
        return Overflow(BUCKETS, max(len(rule.steps) for rule in rules))

    def payload(self, event: Event, *, field: str | None, step: int, event_hash: EventHash) -> bytes:
        return bytes((step,))

    def match_payload(self, match: CountedMatch, *, field: str | None) -> bytes:
        return bytes((match.step,))

    def aggregate(self, rule: CompiledRule, *, span: int) -> Aggregate:
        return DistinctCount()

    def in_words(self, rule: CompiledRule, names: Mapping[str, str]) -> str:
        return f"{' and '.join(names.get(step, step) for step in rule.steps)}, in any order,"

    def missing_steps(self, rule: CompiledRule, *, seen: Set[str], done: int) -> tuple[str, ...]:
        return tuple(step for step in rule.steps if step not in seen)


class TemporalOrdered(Steps):
    """The steps in their order, each by an event of its own. Each step has sets of its own."""

    name = "temporal_ordered"
    suffix = "o"
    in_order = True

    def overflow(self, rules: Sequence[CompiledRule]) -> Overflow:
        return Overflow(BUCKETS, MEMBER_LIMIT // BUCKETS)

    def sets(self, rule: CompiledRule) -> int:
        return len(set(rule.steps))

    def payload(self, event: Event, *, field: str | None, step: int, event_hash: EventHash) -> bytes:
        return event_hash(event)

    def match_payload(self, match: CountedMatch, *, field: str | None) -> bytes:
        text = f"{len(match.rule)}:{match.rule}{key_digest(match.key)}{match.bucket}"
        return text_hash(text, size=ID_HASH_BYTES)

    def reader(self, inner_timespans: Sequence[int]) -> Callable[[int, bytes], tuple[int, bytes]]:
        return lambda step, payload: (step, payload)

    def aggregate(self, rule: CompiledRule, *, span: int) -> Aggregate:
        distinct = list(dict.fromkeys(rule.steps))
        return StepsInOrder([distinct.index(step) for step in rule.steps], span)

    def in_words(self, rule: CompiledRule, names: Mapping[str, str]) -> str:
        return ", then ".join(names.get(step, step) for step in rule.steps)

    def missing_steps(self, rule: CompiledRule, *, seen: Set[str], done: int) -> tuple[str, ...]:
        return rule.steps[done:]
