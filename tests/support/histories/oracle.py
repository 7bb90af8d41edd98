"""What a rule set means, over the whole set of events at once: slow, and meant to be obviously right.

Straight from the definitions of docs/explanation/windows.md. It shares no code with the engine but
expressions, and knows nothing of sets, epochs, batches or deliveries. Events have no pool here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from hashlib import blake2b
from typing import Any, NamedTuple

from sessionwarden.model.event import Event
from sessionwarden.model.rules import CompiledRule
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.matching.predicates import compile_expression

Key = tuple[Any, ...]


class Fired(NamedTuple):
    """A suppressed period that must have a finding."""

    rule: str
    key: Key
    period: int


class Member(NamedTuple):
    """What counts for a key: an event, or a firing of an inner rule (whose timespan is `spacing`)."""

    time: int
    what: Any
    step: str
    value: Any
    spacing: int = 0


def oracle(rules: CompiledRuleset, events: Sequence[Event]) -> set[Fired]:
    """Every slot that must have a finding, once all `events` have been dealt with."""
    by_id = {rule.id: rule for rule in rules.rules}
    return {
        Fired(rule.id, key, grid_start(rule, tick) // rule.response.cooldown_ms)
        for rule in rules.rules
        if rule.emits
        for key, ticks in holding(rule, by_id, events).items()
        for tick in ticks
    }


def holding(
    rule: CompiledRule, by_id: dict[str, CompiledRule], events: Sequence[Event]
) -> dict[Key, list[int]]:
    """For each key, the ticks of its members at which an interval ends that meets the rule."""
    found: dict[Key, list[int]] = {}
    for key, members in members_by_key(rule, by_id, events).items():
        ends = sorted({tick(rule, one.time) for one in members})
        found[key] = [end for end in ends if holds(rule, interval(rule, members, end))]
    return found


def members_by_key(
    rule: CompiledRule, by_id: dict[str, CompiledRule], events: Sequence[Event]
) -> dict[Key, set[Member]]:
    found: dict[Key, set[Member]] = {}
    for selection in rule.selections:
        matches = compile_expression(selection.expression)
        for event in events:
            if event.source == selection.category and matches(event) and looked_at(rule, event):
                key = tuple(getattr(event, field) for field in selection.fields or rule.group_by)
                value = getattr(event, rule.value_field) if rule.value_field else 0
                if None not in key and value is not None:
                    what = (event.source, event.id, event.time)
                    step = selection.rule if rule.steps else ""
                    found.setdefault(key, set()).add(Member(event.time, what, step, value))
    for inner in rule.inner:
        source = by_id[inner.rule]
        for inner_key, ends in holding(source, by_id, events).items():
            named = dict(zip(source.group_by, inner_key, strict=True))
            key = tuple(named[field] for field in inner.fields or rule.group_by)
            value = named[rule.value_field] if rule.value_field else 0
            for quantum in {grid_start(source, end) * 32 // source.timespan_ms for end in ends}:
                time = start_of_quantum(quantum, source.timespan_ms)
                firing = (source.id, inner_key)
                member = Member(time, firing, inner.rule if rule.steps else "", value, source.timespan_ms)
                found.setdefault(key, set()).add(member)
    return found


def looked_at(rule: CompiledRule, event: Event) -> bool:
    """Whether the event is in the part that stands for all; of most rules, each event is."""
    named = "\x00".join((rule.window, event.source, event.id)).encode()
    return int(blake2b(named, digest_size=8).hexdigest(), 16) % rule.sampled_one_in == 0


def interval(rule: CompiledRule, members: Iterable[Member], end: int) -> list[Member]:
    """The members of `(end - timespan, end]`."""
    span = 32 if bucketed(rule) else max(rule.timespan_ms, 1)
    return [one for one in members if end - span < tick(rule, one.time) <= end]


def holds(rule: CompiledRule, held: Sequence[Member]) -> bool:
    """Whether an interval with these members meets the rule."""
    if rule.kind == "event":
        return bool(held)
    if rule.kind == "temporal":
        return {one.step for one in held} >= set(rule.steps)
    if rule.kind == "temporal_ordered":
        return in_order(rule.steps, held, frozenset())
    return all(compare(name, measure(rule, held), bound) for name, bound in rule.bounds)


def in_order(steps: Sequence[str], held: Sequence[Member], used: frozenset[Member]) -> bool:
    """Whether each step has an event of its own, none before that of the step before."""
    since = max((one.time for one in used), default=0)
    taken = {(one.time, one.what) for one in used}
    return not steps or any(
        in_order(steps[1:], held, used | {one})
        for one in held
        if one.step == steps[0] and one.time >= since and (one.time, one.what) not in taken
    )


def measure(rule: CompiledRule, held: Sequence[Member]) -> Any:
    values = sorted(one.value for one in held) if rule.kind != "event_count" else []
    match rule.kind:
        case "event_count":
            return count(held) * rule.sampled_one_in
        case "value_count":
            return len(set(values))
        case "value_sum":
            return sum(values)
        case "value_avg":
            return Fraction(sum(values), len(values))
    assert rule.percentile is not None
    # nearest rank: the least value that so many of a hundred values do not exceed
    return next(
        value
        for value in values
        if 100 * sum(other <= value for other in values) >= rule.percentile * len(values)
    )


def count(held: Sequence[Member]) -> int:
    """Events, and of each inner key's firings as many as lie its timespan apart."""
    events = {(one.time, one.what) for one in held if not one.spacing}
    total = len(events)
    for what in {one.what for one in held if one.spacing}:
        last = None
        for one in sorted(one for one in held if one.what == what):
            if last is None or one.time - last >= one.spacing:
                total, last = total + 1, one.time
    return total


def compare(name: str, left: Any, right: int) -> bool:
    match name:
        case "gt":
            return bool(left > right)
        case "gte":
            return bool(left >= right)
        case "lt":
            return bool(left < right)
        case "lte":
            return bool(left <= right)
        case "eq":
            return bool(left == right)
    return bool(left != right)


def bucketed(rule: CompiledRule) -> bool:
    return rule.kind in ("value_count", "temporal")


def tick(rule: CompiledRule, time: int) -> int:
    """The time that counts: in milliseconds, or in 32nds of the timespan."""
    return time * 32 // rule.timespan_ms if bucketed(rule) else time


def grid_start(rule: CompiledRule, end: int) -> int:
    """The time of a tick, in milliseconds."""
    return start_of_quantum(end, rule.timespan_ms) if bucketed(rule) else end


def start_of_quantum(quantum: int, span: int) -> int:
    """The first millisecond of a quantum, found by looking for it."""
    first = quantum * span // 32 - 1
    while first * 32 < quantum * span:
        first += 1
    return first


def certain(rule: CompiledRule, by_id: dict[str, CompiledRule]) -> bool:
    """Whether a finding of the rule stays true whatever arrives later."""
    lower = all(name in ("gt", "gte") for name, _ in rule.bounds)
    grows = lower and rule.kind not in ("value_avg", "value_percentile")
    return grows and all(certain(by_id[inner.rule], by_id) for inner in rule.inner)


def pooled(rule: CompiledRule, by_id: dict[str, CompiledRule], position: int) -> bool:
    """Whether a value of the key is a user's name, which is only unique within a pool."""
    fields = {(selection.fields or rule.group_by)[position] for selection in rule.selections}
    inner = [(by_id[one.rule], (one.fields or rule.group_by)[position]) for one in rule.inner]
    return not fields.isdisjoint({"user", "username"}) or any(
        pooled(source, by_id, source.group_by.index(name)) for source, name in inner
    )
