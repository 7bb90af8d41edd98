"""A compiled rule: what the rule compiler writes, and what detection, replay and authoring read.

The expressions in it are data; `ruleset.matching.predicates` turns one into a function of an event. What a
correlation of a `kind` counts and judges is said by the object of that name in `correlations.registry`.
Invariant: a rule is immutable and holds no YAML. `ruleset.validation` decides whether one may run.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from sessionwarden.model.event import Category
from sessionwarden.model.finding import Level, Response

SINGLE_EVENT = "event"
"""The kind of a rule that raises a finding for each event. Every other kind names a correlation type."""

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
    """A correlation whose matches are members of another rule: the `id` of its `CompiledRule`.

    `fields` are those of the inner `group_by` that give the outer key, in the order of the outer
    `group_by`; empty if they have the same names.
    """

    rule: str
    fields: tuple[str, ...] = ()


class CompiledRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One rule that the engine evaluates. It raises findings if `emits`; otherwise it only serves others.

    A member is an event that any selection matches, or a match of an `inner` rule, with every field of the
    group key present. A rule of the kind `SINGLE_EVENT` raises a finding for each member. Every other kind
    judges each half-open interval `(t - timespan_ms, t]` that ends at a member, by what the interval holds of
    one group key: it must meet every one of `bounds`, or have a member of every rule in `steps`.

    `bounds` of whole numbers with one lower bound are written with `gte`, so that `threshold` can be read.
    `window` is the digest of what is counted: rules that differ only in bounds or response share it.
    `value_field` is the field whose values are judged, `percentile` which percentile of them (the median is
    the 50th). `sampled_one_in` is above 1 if the rule counts a fixed part of its events and therefore reaches
    `threshold` with `members_to_reach` of them: an estimate.
    """

    id: str
    title: str
    level: Level
    kind: str
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
    def is_correlation(self) -> bool:
        """Whether the rule counts events or matches, instead of raising a finding for each event."""
        return self.kind != SINGLE_EVENT

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
        """How many sampled events stand for `threshold`."""
        return -(-self.threshold // self.sampled_one_in)
