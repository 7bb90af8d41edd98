"""Overflow: where members go once their set is full, so that a full set never hides what comes after it.

A full set is followed by overflow sets, one for each slice of its epoch. A slice takes so many members that,
when it is full too, it proves by itself that the rule was met. Invariant: what a rule judges of an interval
is known, or the interval holds a part of a slice that proved the rule. Time decides the slice, so a member
that is delivered again is in the same one. The proof: docs/explanation/windows-proof.md#overflow
"""

from __future__ import annotations

from dataclasses import dataclass

from sessionwarden.correlations.time_grid import BUCKETS
from sessionwarden.correlations.values import ID_HASH_BYTES
from sessionwarden.ports import MEMBER_LIMIT

SAMPLE_TO_REACH = 2_500
"""Sampled values that stand for a sum's threshold. With fewer, estimates are worse; with more, there is room
for fewer slices, and what follows a full one waits longer."""

SAMPLE_MARGIN = 278
"""Sampled values that are not counted, so that chance alone reaches no threshold. Of a sum below it at most
2,500 are expected. 2,778 or more come with a probability below 4 in 10 million, by Chernoff's bound for sums
of independent trials: https://en.wikipedia.org/wiki/Chernoff_bound#Multiplicative_form_(relative_error)"""


@dataclass(frozen=True, slots=True)
class Overflow:
    """The overflow sets of one epoch's set: `slices` of them, each of which takes `limit` members."""

    slices: int
    limit: int

    @property
    def suffix(self) -> str:
        """Ends the name of the sets. Sets that differ in size or in what they hold must not be mixed."""
        return f"~{self.slices}x{self.limit}"

    def payload(self, payload: bytes) -> bytes | None:
        """What is kept of a member's payload; `None` if the member is left out."""
        return payload


@dataclass(frozen=True, slots=True)
class SampledValues(Overflow):
    """Of values below `worth` a sample is kept, each of which stands for `worth`; larger ones are all kept.

    A value is in the sample with a probability of value / `worth`, by the hash of its event. So every value
    counts with what it is worth on average, however small the values are that make up a sum.
    """

    worth: int

    @property
    def suffix(self) -> str:
        return f"~{self.slices}x{self.limit}w{self.worth}"

    def payload(self, payload: bytes) -> bytes | None:
        """A sampled value loses its digits: they must not matter."""
        event, digits = payload[:ID_HASH_BYTES], payload[ID_HASH_BYTES:]
        value = int.from_bytes(digits, "big")
        if value >= self.worth:
            return payload
        chosen = int.from_bytes(event, "big") * self.worth < value << (8 * ID_HASH_BYTES)
        return event if chosen else None


def overflow_of_count(most: int) -> Overflow:
    """That of members of which `most` in a slice decide every bound."""
    slices = BUCKETS
    while slices > 2 and slices * most > MEMBER_LIMIT:
        slices //= 2
    return Overflow(slices, most)


def overflow_of_sum(threshold: int) -> SampledValues:
    """That of values whose sum is to reach a threshold."""
    worth = -(-threshold // SAMPLE_TO_REACH)
    # values are whole numbers: where each is worth at least 1, none is sampled
    limit = -(-threshold // worth) + (SAMPLE_MARGIN if worth > 1 else 0)
    return SampledValues(SUM_SLICES, limit, worth)


SUM_SLICES = 8
"""So many slices of 2,778 members are about as many as a set takes."""
