"""The types that measure quantities: the sum, the average and a percentile of a field's values.

A member carries its value, so that nothing is forgotten that a late event could change. Invariant: only whole
numbers from 0 to below 2^48 are values. A larger or negative one, which no honest source writes, is no value,
rather than a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sessionwarden.correlations.aggregates import Aggregate, Average, Percentile, Sum
from sessionwarden.correlations.bounds import NEAREST, Condition, bounds_in_words
from sessionwarden.correlations.correlation_type import CorrelationType
from sessionwarden.correlations.overflow import SAMPLE_MARGIN, SampledValues, overflow_of_sum
from sessionwarden.correlations.values import ID_HASH_BYTES, EventHash
from sessionwarden.model.event import Event
from sessionwarden.model.rules import CompiledRule

NUMBER_BYTES = 6
"""Bytes of a value: below 2^48, which is 280 TB in one response."""

MEDIAN = 50


class Quantity(CorrelationType):
    """A measure of the values of a field that holds sizes or durations."""

    suffix = "n"
    value_fields = frozenset({"latency_ms", "response_bytes"})
    value_example = "response_bytes"
    value_purpose = "summed or ranked"
    shows_value = True
    counts_matches = False

    def accepts(self, value: Any) -> bool:
        return isinstance(value, int) and 0 <= value < 1 << (8 * NUMBER_BYTES)

    def payload(self, event: Event, *, field: str | None, step: int, event_hash: EventHash) -> bytes:
        assert field is not None
        return event_hash(event) + int(getattr(event, field)).to_bytes(NUMBER_BYTES, "big")

    def reader(self, inner_timespans: Sequence[int]) -> Callable[[int, bytes], int | None]:
        def read(step: int, payload: bytes) -> int | None:
            # what was sampled, beyond a full set, has no digits
            return int.from_bytes(payload[ID_HASH_BYTES:], "big") if len(payload) > ID_HASH_BYTES else None

        return read

    def figure(self, rule: CompiledRule) -> str:
        """What is measured of the values, in words."""
        return self.name.removeprefix("value_")

    def in_words(self, rule: CompiledRule, names: Mapping[str, str]) -> str:
        return f"{self.figure(rule)} of {rule.value_field} {bounds_in_words(rule.bounds)}"

    def unit(self, rule: CompiledRule) -> str:
        return f"({self.figure(rule)} of {rule.value_field})"


class ValueSum(Quantity):
    """The sum of the values. They are never negative, so it can only grow."""

    name = "value_sum"
    grows = whole_numbers = True

    def overflow(self, rules: Sequence[CompiledRule]) -> SampledValues | None:
        return _sampled_values(self.condition(rules[0]), rules[0])

    def counted_apart(self, rule: CompiledRule) -> Any:
        """What a sampled value stands for follows from the threshold."""
        return rule.bounds

    def aggregate(self, rule: CompiledRule, *, span: int) -> Aggregate:
        sampled = _sampled_values(self.condition(rule), rule)
        return Sum(worth=sampled.worth, margin=SAMPLE_MARGIN) if sampled else Sum()


def _sampled_values(condition: Condition, rule: CompiledRule) -> SampledValues | None:
    if not condition.grows or any(selection.category == "application" for selection in rule.selections):
        # an application that chooses ids would choose the sample: a few bytes could pass for a threshold
        return None
    return overflow_of_sum(max(bound + NEAREST.get(name, 0) for name, bound in condition.bounds))


class ValueAverage(Quantity):
    """The mean of the values, compared exactly."""

    name = "value_avg"

    def aggregate(self, rule: CompiledRule, *, span: int) -> Aggregate:
        return Average()

    def figure(self, rule: CompiledRule) -> str:
        return "average"


class ValuePercentile(Quantity):
    """A percentile of the values by nearest rank; the median is the 50th."""

    name = "value_percentile"
    needs_percentile = True

    @property
    def spellings(self) -> Mapping[str, int | None]:
        return {"value_percentile": None, "value_median": MEDIAN}

    def aggregate(self, rule: CompiledRule, *, span: int) -> Aggregate:
        assert rule.percentile is not None
        return Percentile(rule.percentile)

    def figure(self, rule: CompiledRule) -> str:
        """`median`, or `95th percentile`."""
        number = rule.percentile or 0
        if number == MEDIAN:
            return "median"
        ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
        return f"{number}{ending} percentile"
