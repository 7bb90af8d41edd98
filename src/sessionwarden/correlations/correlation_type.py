"""What a correlation type is: one object that answers every question about rules of that type.

To add a type, write a class in a file of this package, and name it in `registry`. Invariant: nothing outside
this package asks what a type is called in order to treat it in a special way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, ClassVar, NamedTuple

from sessionwarden.correlations.aggregates import Aggregate
from sessionwarden.correlations.bounds import LOWER, NEAREST, OPERATORS, Condition, are_lower
from sessionwarden.correlations.member_encoding import MemberEncoding
from sessionwarden.correlations.overflow import Overflow
from sessionwarden.correlations.time_grid import bucketed, exact
from sessionwarden.correlations.values import EventHash, GroupKey
from sessionwarden.model.event import Event
from sessionwarden.model.rules import Bound, CompiledRule, Operator

MAX_BOUND = 2**53 - 1
"""The largest bound of any type: beyond it other JSON readers lose digits."""


class CountedMatch(NamedTuple):
    """A match of an inner rule, as the outer rule counts it.

    `number` is the inner rule's place among the outer rule's, `step` its place among the steps, `key` the
    inner group key, `value` the value in it that the outer rule counts (`None` if it counts none), `bucket`
    the bucket of the inner timespan in which the interval ended.
    """

    rule: str
    number: int
    step: int
    key: GroupKey
    value: Any
    bucket: int


class CorrelationType(ABC):
    """One correlation type. Every attribute and method concerns rules of this type only."""

    name: ClassVar[str]
    """The `kind` of its compiled rules."""

    suffix: ClassVar[str] = ""
    """Ends the names of its sets, so that two encodings of one window lie apart."""

    bucketed: ClassVar[bool] = False
    """Members keep their time in buckets, so that what happens often is one member, and not many."""

    has_steps: ClassVar[bool] = False
    """It asks for members of each of several rules, instead of judging a measure by bounds."""

    in_order: ClassVar[bool] = False
    """Its steps must happen one after the other."""

    value_fields: ClassVar[Set[str]] = frozenset()
    """The event fields whose values it can judge. None: it judges members, and takes no `field`."""

    value_example: ClassVar[str] = ""
    value_purpose: ClassVar[str] = ""
    """A field to suggest to an author who left it out, and what is done with its values."""

    shows_value: ClassVar[bool] = False
    """A finding shows the measure beside the count, because the two differ."""

    needs_percentile: ClassVar[bool] = False
    counts_matches: ClassVar[bool] = True
    """It can be built on other correlations, by counting their matches."""

    can_be_sampled: ClassVar[bool] = False
    """A fixed part of the events is enough to estimate it, where the threshold is very high."""

    grows: ClassVar[bool] = False
    """More members never make the measure smaller."""

    whole_numbers: ClassVar[bool] = False
    """The measure is a whole number."""

    least_measure: ClassVar[int] = 0
    """The smallest measure of an interval, which always holds the member that it ends at."""

    members_are_counted: ClassVar[bool] = False
    """The measure is at most the number of members: fewer members than a bound cannot reach it."""

    @property
    def spellings(self) -> Mapping[str, int | None]:
        """The words that rule files have for it, each with the percentile that the word itself means."""
        return {self.name: None}

    # ---- limits and conditions

    def largest_bound(self, *, of_matches: bool) -> int:
        """The largest number that a bound may have, over events or over matches of inner rules."""
        return MAX_BOUND

    def least_and_most(self, operator: Operator, most: int) -> tuple[int, int]:
        """The smallest and the largest number that a bound may have, if measures up to `most` can be met."""
        least = max(self.least_measure, int(operator in LOWER))
        offset = NEAREST.get(operator, 0)
        return least - offset, min(most, most - offset)

    def is_final(self, bounds: Sequence[Bound]) -> bool:
        """Whether more events can never undo what a rule with these bounds found by itself.

        Events come late, twice and out of order. A rule that needs only more of something stays matched
        whatever still arrives; one that needs less of something, or a mean, can turn out wrong.
        """
        return self.grows and are_lower(bounds)

    def condition(self, rule: CompiledRule) -> Condition:
        """The condition that an interval must meet, in terms of the members that are stored."""
        if rule.sampled_one_in > 1:
            return Condition((("gte", rule.members_to_reach),), grows=True, least=rule.members_to_reach)
        least = 1
        if self.members_are_counted and are_lower(rule.bounds):
            least = max(bound + NEAREST.get(name, 0) for name, bound in rule.bounds)
        return Condition(rule.bounds, grows=self.is_final(rule.bounds), least=least)

    def proves_when_full(self, condition: Condition) -> bool:
        """Whether a set that takes no more members proves that the condition was met."""
        return condition.grows and self.members_are_counted

    def overflow(self, rules: Sequence[CompiledRule]) -> Overflow | None:
        """Where members go once a set is full, for rules that share it; `None` if they are lost.

        Where they are lost, a full set is a finding of its own.
        """
        return None

    def counted_apart(self, rule: CompiledRule) -> Any:
        """What rules must have in common beside what they count, in order to share a window."""
        return None

    # ---- members

    def accepts(self, value: Any) -> bool:
        """Whether an event whose counted field holds `value`, which is not missing, is a member."""
        return True

    @abstractmethod
    def payload(self, event: Event, *, field: str | None, step: int, event_hash: EventHash) -> bytes:
        """The bytes of an event's member; `field` is the one whose value counts."""

    def match_payload(self, match: CountedMatch, *, field: str | None) -> bytes:
        """The bytes of a match's member, if the type `counts_matches`."""
        raise NotImplementedError(f"{self.name} counts no matches")

    def reader(self, inner_timespans: Sequence[int]) -> Callable[[int, bytes], Any]:
        """From the step of a set and the bytes of a payload to what `aggregate` takes in."""
        return lambda step, payload: payload

    def sets(self, rule: CompiledRule) -> int:
        """The number of sets of one epoch."""
        return 1

    def encoding(self, rule: CompiledRule, *, inner_timespans: Sequence[int] = ()) -> MemberEncoding:
        """How the members of a rule are stored; `inner_timespans` are those of its inner rules, in ms."""
        grid = bucketed(rule.timespan_ms) if self.bucketed else exact(rule.timespan_ms)
        return MemberEncoding(
            suffix=self.suffix,
            grid=grid,
            offset_bytes=1 if self.bucketed else 4,
            read=self.reader(inner_timespans),
            sets=self.sets(rule),
            repeats=self.bucketed,
        )

    @abstractmethod
    def aggregate(self, rule: CompiledRule, *, span: int) -> Aggregate:
        """A fresh aggregate for intervals of `span` time steps."""

    # ---- words

    @abstractmethod
    def in_words(self, rule: CompiledRule, names: Mapping[str, str]) -> str:
        """What must happen within the timespan; `names` are those of the rules by id."""

    def unit(self, rule: CompiledRule) -> str:
        """What a figure of the rule counts: `events`, `(sum of response_bytes)`."""
        return "events"

    def missing_steps(self, rule: CompiledRule, *, seen: Set[str], done: int) -> tuple[str, ...]:
        """The steps that an interval lacks: `seen` are those it has, `done` is what was measured of it."""
        return ()

    def condition_schema(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """JSON Schema of the `condition`; `fields` are the names that rules may write, and what they mean."""
        properties: dict[str, Any] = {operator: {"type": "integer"} for operator in OPERATORS}
        if self.value_fields:
            names = sorted(name for name, field in fields.items() if field in self.value_fields)
            properties["field"] = {"enum": names}
        if self.needs_percentile:
            properties["percentile"] = {
                "type": "integer",
                "minimum": PERCENTILES.start,
                "maximum": PERCENTILES.stop - 1,
            }
        return {"type": "object", "properties": properties, "additionalProperties": False}


PERCENTILES = range(1, 101)
