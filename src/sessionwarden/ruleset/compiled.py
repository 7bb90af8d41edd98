"""The compiled form of a rule set: what is published, and all that a Lambda ever loads.

Enters: versioned JSON written by `compile`. Leaves: immutable rules whose expressions are data;
`predicates` turns an expression into a function of an event. No YAML and no pySigma here.
Invariant: the same rules give the same bytes, so `digest` names a rule set.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from sessionwarden.model.event import Category
from sessionwarden.model.finding import Level, Response

Kind = Literal[
    "event",
    "event_count",
    "value_count",
    "temporal",
    "temporal_ordered",
    "value_sum",
    "value_avg",
    "value_percentile",
]
Operator = Literal["gt", "gte", "lt", "lte", "eq", "neq"]
Bound = tuple[Operator, int]


class Selection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One Sigma detection: which events of `category` match. `expression` is for `predicates`.

    `fields` are the event's fields that give the group key, in the order of the rule's `group_by`;
    empty if they are the `group_by` itself, that is, without Sigma's `aliases`.
    """

    rule: str
    category: Category
    expression: Any
    fields: tuple[str, ...] = ()


class Inner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A correlation whose firings are members of another: the `id` of its `CompiledRule`.

    `fields` are those of the inner `group_by` that give the outer key, in the order of the outer
    `group_by`; empty if they have the same names.
    """

    rule: str
    fields: tuple[str, ...] = ()


class CompiledRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One rule that the engine evaluates; it emits findings if `emits`, else it only serves others.

    A member is an event that any selection matches, or a firing of an `inner` rule, with every field
    of the group key present. Kind `event` emits on each member. The others judge each half-open
    interval `(t - timespan_ms, t]` that ends at a member, by what it holds of one group key:
    `event_count` by the number of members, `value_count` by the number of distinct values of
    `value_field`, `value_sum`, `value_avg` and `value_percentile` (of `percentile`; the median is the
    50th) by the values of that field; these meet every one of `bounds`. `temporal` needs a member of
    every rule in `steps`, `temporal_ordered` in that order.

    `bounds` of counts with one lower bound are written with `gte`, so that `threshold` can be read.
    `window` is the digest of what is counted: rules that only differ in bounds or response share it.

    `sampled_one_in` is above 1 of an `event_count` that looks at a fixed part of its events and so reaches
    `threshold` with `members_to_reach`: an estimate.
    """

    id: str
    title: str
    level: Level
    kind: Kind
    selections: tuple[Selection, ...]
    group_by: tuple[str, ...]
    response: Response
    window: str
    timespan_ms: int = 0
    bounds: tuple[Bound, ...] = ()
    value_field: str | None = None
    percentile: int | None = None
    steps: tuple[str, ...] = ()
    inner: tuple[Inner, ...] = ()
    emits: bool = True
    sampled_one_in: int = 1

    @property
    def threshold(self) -> int:
        """The number to reach, of a rule whose one bound is `gte`; 1 for single events."""
        if not self.bounds:
            return 1
        ((operator, bound),) = self.bounds
        if operator != "gte":
            raise ValueError(f"{operator} {bound} is no threshold")
        return bound

    @property
    def members_to_reach(self) -> int:
        """Of the events that are looked at, how many stand for `threshold`."""
        return -(-self.threshold // self.sampled_one_in)


class CompiledRuleset(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="format", tag=2
):
    """All rules that a deployment runs on. `digest` is SHA-256 over the canonical JSON of the rest."""

    digest: str
    rules: tuple[CompiledRule, ...]
