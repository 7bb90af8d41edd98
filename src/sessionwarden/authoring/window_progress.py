"""How near a rule is to a finding for a key: what an interval holds, against what the rule asks for.

Enters: a compiled rule and events. Leaves: for each key its events, and what the half-open interval
`(t - timespan, t]` that ends at one of them holds. Invariant: membership and measure are the engine's (its
predicates, keys, sample, payloads and aggregates), so the figures explain its findings. They never decide
one: only the engine does. Where the engine is coarser than the figures (time in steps of 1/32 of the
timespan) `Held.coarse` says so. Leaves out matches of inner rules, which only the engine knows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from sessionwarden.correlations.bounds import COMPARE, Measure, bounds_in_words
from sessionwarden.correlations.registry import type_of
from sessionwarden.correlations.sampling import sample_of
from sessionwarden.correlations.values import GroupKey, event_hash
from sessionwarden.detection.acceptance import is_our_refusal
from sessionwarden.detection.windows.group_key import key_reader
from sessionwarden.model.event import Event
from sessionwarden.model.rules import CompiledRule
from sessionwarden.ruleset.matching.predicates import compile_expression

MAX_JUDGED = 200
"""Intervals at either end of the order that are judged: a case can have ten thousand, each as long."""


class Member(NamedTuple):
    """An event that counts for a key, and which of the rule's selections it matched."""

    event: Event
    selections: frozenset[str]


class Held(NamedTuple):
    """What the interval that ends at `time` (epoch ms) holds.

    `figure` is what the rule judges: events (of a sample, those it stands for), distinct values, a sum, an
    average, a percentile (`None` of no values), or the number of steps seen. `missing` are the steps not
    seen.
    """

    time: int
    members: int
    figure: float | None
    meets: bool
    missing: tuple[str, ...] = ()
    coarse: bool = False


def membership(rule: CompiledRule) -> Callable[[Event], dict[GroupKey, Member]]:
    """A function from an event to the keys it counts for, mostly one or none.

    With Sigma's `aliases` they can differ by selection.
    """
    ways = [
        (
            selection,
            compile_expression(selection.expression),
            key_reader(selection.fields or rule.group_by, counted=rule.value_field),
        )
        for selection in rule.selections
    ]
    sample, field = sample_of(rule), rule.value_field
    accepts = type_of(rule).accepts if rule.is_correlation else None

    def keys_of(event: Event) -> dict[GroupKey, Member]:
        found: dict[GroupKey, set[str]] = {}
        if is_our_refusal(event) or not (sample is None or sample(event)):
            return {}
        for selection, matches, read_key in ways:
            key = read_key(event) if selection.category == event.source and matches(event) else None
            if key is not None and field and accepts and not accepts(getattr(event, field)):
                continue
            if key is not None:
                found.setdefault(key, set()).add(selection.rule)
        return {key: Member(event, frozenset(names)) for key, names in found.items()}

    return keys_of


def members_by_key(rule: CompiledRule, events: Iterable[Event]) -> dict[GroupKey, list[Member]]:
    """The members of every key in order of time, each event once however often it was delivered."""
    by_key: dict[GroupKey, dict[tuple[str, str], Member]] = {}
    keys_of = membership(rule)
    for event in events:
        for key, member in keys_of(event).items():
            by_key.setdefault(key, {}).setdefault((event.source, event.id), member)
    return {
        key: sorted(members.values(), key=lambda one: (one.event.time, one.event.id))
        for key, members in by_key.items()
    }


def held(rule: CompiledRule, members: Sequence[Member], *, until: int) -> Held:
    """What the interval that ends at `until` holds of one key."""
    if not rule.is_correlation:
        here = [member for member in members if member.event.time == until]
        return Held(until, len(here), len(here), meets=bool(here))
    inside = members[slice(*_range(rule, members, until))]
    if rule.steps:
        return _steps_held(rule, inside, until)
    measured = _measured(rule, inside)
    figure = None if measured is None else float(measured) * rule.sampled_one_in
    meets = figure is not None and all(COMPARE[name](figure, bound) for name, bound in rule.bounds)
    return Held(until, len(inside), figure, meets=meets, coarse=type_of(rule).bucketed)


def nearest_to_match(rule: CompiledRule, members: Sequence[Member]) -> Held:
    """Of the intervals that end at a member, the one that meets the rule, or comes nearest to it.

    Where there are very many, of those that hold most and of those that hold least.
    """
    ends = sorted({member.event.time for member in members})
    if len(ends) > 2 * MAX_JUDGED:
        ranges = {time: _range(rule, members, time) for time in ends}
        ends.sort(key=lambda time: ranges[time][1] - ranges[time][0])
        ends = sorted({*ends[:MAX_JUDGED], *ends[-MAX_JUDGED:]})
    return min((held(rule, members, until=time) for time in ends), key=lambda one: _distance(rule, one))


def _range(rule: CompiledRule, members: Sequence[Member], until: int) -> tuple[int, int]:
    """From which index to which the members lie in the interval that ends at `until`."""
    first = bisect_right(members, until - rule.timespan_ms, key=_time)
    return first, bisect_right(members, until, key=_time)


def _time(member: Member) -> int:
    return member.event.time


def figure_in_words(rule: CompiledRule, found: Held) -> str:
    """`299 of 300`, or whatever compares the figure with the rule's bounds."""
    if rule.steps:
        return f"{len(rule.steps) - len(found.missing)} of {len(rule.steps)} steps"
    shown = "nothing" if found.figure is None else _number(found.figure)
    if [name for name, _ in rule.bounds] == ["gte"]:
        about = "about " if rule.sampled_one_in > 1 else ""
        shown = f"{about}{shown} of {rule.threshold:,}"
    elif rule.bounds:
        shown = f"{shown}, wanted {bounds_in_words(rule.bounds)}"
    unit = type_of(rule).unit(rule) if rule.is_correlation else "events"
    return f"{shown} {unit}"


def _number(figure: float) -> str:
    return f"{int(figure):,}" if figure == int(figure) else f"{figure:,.2f}"


def _distance(rule: CompiledRule, found: Held) -> tuple[bool, float]:
    if found.missing or rule.steps or found.figure is None:
        return not found.meets, len(found.missing)
    away = [
        abs(found.figure - bound) for name, bound in rule.bounds if not COMPARE[name](found.figure, bound)
    ]
    return not found.meets, sum(away)


def _measured(rule: CompiledRule, inside: Sequence[Member]) -> Measure | None:
    """What the engine's aggregate measures of the members, time kept in milliseconds; `None` of no values."""
    correlation = type_of(rule)
    if not inside:
        return None if correlation.shows_value else 0
    read = correlation.encoding(rule).read
    steps = list(dict.fromkeys(rule.steps))
    aggregate = correlation.aggregate(rule, span=rule.timespan_ms)

    def payload(event: Event, step: int) -> Any:
        made = correlation.payload(event, field=rule.value_field, step=step, event_hash=event_hash)
        return read(step, made)

    for time, together in groupby(inside, key=_time):
        payloads = [
            payload(one.event, step)
            for one in together
            for step in ([steps.index(name) for name in sorted(one.selections)] if steps else [0])
        ]
        aggregate.add(time, payloads)
    return aggregate.measure()


def _steps_held(rule: CompiledRule, inside: Sequence[Member], until: int) -> Held:
    correlation = type_of(rule)
    seen = {name for member in inside for name in member.selections}
    done = int(_measured(rule, inside) or 0)
    missing = correlation.missing_steps(rule, seen=seen, done=done)
    held = len(rule.steps) - len(missing)
    return Held(until, len(inside), held, meets=not missing, missing=missing, coarse=correlation.bucketed)
