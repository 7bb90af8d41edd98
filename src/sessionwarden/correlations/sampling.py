"""Sampling of very high thresholds: which rules count a fixed part of their events, and which events.

Enters: a rule. Leaves: its rate, and a function of an event. Invariant: an event is in the sample or not for
good, in every process and whatever the order, since only the rule's window and the event's source and id
decide. So the sampled events are a set like any other, and all that is proved of windows holds for them.

Two windows choose apart from each other, so that an attacker who is lucky with one rule is not with all. The
choice is no secret: an attacker who could choose ids could choose what is counted. So no rule is sampled on
events whose ids an application chooses. How wrong an estimate can be: `ruleset.compiler.sampling`.
"""

from __future__ import annotations

from collections.abc import Callable

from sessionwarden.correlations.counts import MAX_EVENTS
from sessionwarden.correlations.registry import TYPES
from sessionwarden.correlations.values import text_hash
from sessionwarden.model.event import Event
from sessionwarden.model.rules import CompiledRule

MAX_SAMPLED_EVENTS = 1_000_000
"""The largest threshold of a sampled rule. Up to `MAX_EVENTS` every event is counted."""

Sample = Callable[[Event], bool]


def why_never_sampled(rule: CompiledRule, *, serves: bool) -> str | None:
    """Why all events of a rule must be counted; `None` if a part is enough.

    `serves` if other rules count its matches. `rule` is compiled: one lower bound is `gte`.
    """
    correlation = TYPES.get(rule.kind)
    one_lower_bound = [operator for operator, _ in rule.bounds] == ["gte"]
    if correlation is None or not correlation.can_be_sampled or rule.inner or not one_lower_bound:
        return "only a number of events to reach can be estimated"
    if serves:
        return "other rules count its matches"
    if any(selection.category == "application" for selection in rule.selections):
        # an application that chooses ids chooses what is counted: a few requests could pass for a million
        return "an application chooses the ids of its events"
    return None


def sampling_rate(threshold: int, *, exact_up_to: int = MAX_EVENTS) -> int:
    """One event in so many is counted: the smallest power of two that leaves `exact_up_to` to reach.

    >>> sampling_rate(10_000), sampling_rate(10_001), sampling_rate(1_000_000)
    (1, 2, 128)
    """
    return 1 << (-(-threshold // exact_up_to) - 1).bit_length()


def sample_of(rule: CompiledRule) -> Sample | None:
    """Whether an event is counted; `None` if all are."""
    window, one_in = rule.window, rule.sampled_one_in
    if one_in == 1:
        return None

    def is_in(event: Event) -> bool:
        # not the hash that is a member: those of a sample would have bits in common, and collide sooner
        chosen = text_hash(f"{window}\0{event.source}\0{event.id}")
        return int.from_bytes(chosen, "big") % one_in == 0

    return is_in
