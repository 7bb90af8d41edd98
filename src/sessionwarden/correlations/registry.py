"""The correlation types that exist, by the `kind` of their compiled rules."""

from __future__ import annotations

from sessionwarden.correlations.correlation_type import CorrelationType
from sessionwarden.correlations.counts import EventCount, ValueCount
from sessionwarden.correlations.quantities import ValueAverage, ValuePercentile, ValueSum
from sessionwarden.correlations.sequences import Temporal, TemporalOrdered
from sessionwarden.model.rules import CompiledRule

TYPES: dict[str, CorrelationType] = {
    one.name: one
    for one in (
        EventCount(),
        ValueCount(),
        Temporal(),
        TemporalOrdered(),
        ValueSum(),
        ValueAverage(),
        ValuePercentile(),
    )
}


def type_of(rule: CompiledRule) -> CorrelationType:
    """The type of a correlation. `ruleset.validation` has refused every kind that is not known here."""
    return TYPES[rule.kind]


def spellings() -> dict[str, CorrelationType]:
    """The types by the words that rule files have for them."""
    return {word: one for one in TYPES.values() for word in one.spellings}
