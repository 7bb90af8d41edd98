"""The types that count: events of a key, and distinct values of a field.

Invariant: a full set proves that its key has reached any threshold allowed here, and so does a full slice of
its overflow. That is what lets the engine go on although a set takes no more members.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sessionwarden.correlations.aggregates import (
    Aggregate,
    DistinctCount,
    InnerMatch,
    MatchCount,
    MemberCount,
)
from sessionwarden.correlations.bounds import bounds_in_words
from sessionwarden.correlations.correlation_type import CorrelationType, CountedMatch
from sessionwarden.correlations.overflow import Overflow, overflow_of_count
from sessionwarden.correlations.time_grid import BUCKETS
from sessionwarden.correlations.values import ID_HASH_BYTES, EventHash, key_digest, text_hash, value_hash
from sessionwarden.model.event import FIELDS, UNCOUNTABLE_FIELDS, Event
from sessionwarden.model.rules import CompiledRule
from sessionwarden.ports import MEMBER_LIMIT

MAX_EVENTS = MEMBER_LIMIT // 2
"""The largest number of events to reach if every event is counted: an interval lies in two sets."""

MAX_VALUES = MEMBER_LIMIT // BUCKETS
"""The largest number of values, or of matches, to reach. One value can be in a set once for each bucket;
without this limit a client could fill a set with few values."""


class Count(CorrelationType):
    """A number of members, or of different ones."""

    grows = whole_numbers = members_are_counted = True
    least_measure = 1

    def _decides_every_bound(self, rules: Sequence[CompiledRule]) -> int:
        """The least measure from which on no bound of the rules is met anew, or stops being met."""
        bounds = [bound for rule in rules for bound in self.condition(rule).bounds]
        return max(bound + (operator != "gte") for operator, bound in bounds)


class EventCount(Count):
    """How many members an interval holds: events, or matches of inner rules."""

    name = "event_count"
    can_be_sampled = True

    def largest_bound(self, *, of_matches: bool) -> int:
        return MAX_VALUES if of_matches else MAX_EVENTS

    def overflow(self, rules: Sequence[CompiledRule]) -> Overflow:
        # an inner key matches at most once in each bucket, and of 32 buckets at least one match counts
        members_each = BUCKETS if rules[0].inner else 1
        return overflow_of_count(members_each * self._decides_every_bound(rules))

    def payload(self, event: Event, *, field: str | None, step: int, event_hash: EventHash) -> bytes:
        return event_hash(event)

    def match_payload(self, match: CountedMatch, *, field: str | None) -> bytes:
        return bytes((match.number,)) + text_hash(key_digest(match.key))

    def reader(self, inner_timespans: Sequence[int]) -> Callable[[int, bytes], InnerMatch | None]:
        def read(step: int, payload: bytes) -> InnerMatch | None:
            return None if len(payload) == ID_HASH_BYTES else (payload, inner_timespans[payload[0]])

        return read

    def aggregate(self, rule: CompiledRule, *, span: int) -> Aggregate:
        return MatchCount() if rule.inner else MemberCount()

    def in_words(self, rule: CompiledRule, names: Mapping[str, str]) -> str:
        sample = f" (estimated from 1 in {rule.sampled_one_in})" if rule.sampled_one_in > 1 else ""
        return f"{bounds_in_words(rule.bounds)} events{sample}"


class ValueCount(Count):
    """How many distinct values of a field an interval holds."""

    name = "value_count"
    bucketed = True
    value_fields = FIELDS - UNCOUNTABLE_FIELDS
    value_example = "source_ip"
    value_purpose = "counted"

    def largest_bound(self, *, of_matches: bool) -> int:
        return MAX_VALUES

    def overflow(self, rules: Sequence[CompiledRule]) -> Overflow:
        # a slice is a bucket, so that no interval holds a part of one
        return Overflow(BUCKETS, self._decides_every_bound(rules))

    def payload(self, event: Event, *, field: str | None, step: int, event_hash: EventHash) -> bytes:
        assert field is not None
        return value_hash(field, getattr(event, field))

    def match_payload(self, match: CountedMatch, *, field: str | None) -> bytes:
        assert field is not None
        return value_hash(field, match.value)

    def aggregate(self, rule: CompiledRule, *, span: int) -> Aggregate:
        return DistinctCount()

    def in_words(self, rule: CompiledRule, names: Mapping[str, str]) -> str:
        return f"{bounds_in_words(rule.bounds)} {self.unit(rule)}"

    def unit(self, rule: CompiledRule) -> str:
        return f"distinct {rule.value_field}"
