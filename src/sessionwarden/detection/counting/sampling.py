"""Which events a sampled rule looks at.

Enters: a rule with its rate. Leaves: a function of an event. Invariant: an event is in or out for good, in
every process, whatever the order, since nothing but the rule's window, the event's source and its id decide;
so the events that are in are a set like any other, and all that is proved of windows holds for it.

Two windows choose apart from each other, so that whoever is lucky with one rule is not with all. That is no
secret: who could choose ids could choose what is looked at. The compiler samples no rule on such events.
"""

from __future__ import annotations

from collections.abc import Callable

from sessionwarden.detection.windows.members import text_hash
from sessionwarden.model.event import Event
from sessionwarden.ruleset.compiled import CompiledRule

Sample = Callable[[Event], bool]


def sample_of(rule: CompiledRule) -> Sample | None:
    """Whether an event is looked at; `None` if all are."""
    window, one_in = rule.window, rule.sampled_one_in
    if one_in == 1:
        return None

    def is_in(event: Event) -> bool:
        # not the hash that is a member: those of a sample would have bits in common, and collide sooner
        chosen = text_hash(f"{window}\0{event.source}\0{event.id}")
        return int.from_bytes(chosen, "big") % one_in == 0

    return is_in
