"""How near a rule is to firing for a key: what an interval holds, against what the rule wants.

Enters: a compiled rule of any kind and events. Leaves: for each key its events, and what the half-open
interval `(t - timespan, t]` that ends at one of them holds. Invariant: membership is the engine's (its
predicates, its keys, its sample, its refusal to count our own refusals), so the figures explain its
findings. They never decide one: whether a rule fires is only ever asked of the engine. Where the engine is
coarser than the figures (time in steps of 1/32 of the timespan) `Held.coarse` says so. Leaves out firings of
inner rules, which only the engine knows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from sessionwarden.authoring.words import bounds_in_words, percentile_in_words
from sessionwarden.detection.acceptance import is_our_refusal
from sessionwarden.detection.counting.condition import COMPARE
from sessionwarden.detection.counting.sampling import sample_of
from sessionwarden.detection.windows.group_key import GroupKey, key_reader, value_text
from sessionwarden.model.event import Event
from sessionwarden.ruleset.compiled import CompiledRule
from sessionwarden.ruleset.matching.predicates import compile_expression

EXACT = frozenset({"event", "event_count"})
"""Kinds whose windows the engine keeps to the millisecond; for all others time has 32 steps a timespan."""

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
    sample = sample_of(rule)

    def keys_of(event: Event) -> dict[GroupKey, Member]:
        found: dict[GroupKey, set[str]] = {}
        if is_our_refusal(event) or not (sample is None or sample(event)):
            return {}
        for selection, matches, read_key in ways:
            key = read_key(event) if selection.category == event.source and matches(event) else None
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
    if rule.kind == "event":
        here = [member for member in members if member.event.time == until]
        return Held(until, len(here), len(here), meets=bool(here))
    inside = members[slice(*_range(rule, members, until))]
    if rule.steps:
        return _steps_held(rule, inside, until)
    figure = _figure(rule, inside)
    meets = figure is not None and all(COMPARE[name](figure, bound) for name, bound in rule.bounds)
    return Held(until, len(inside), figure, meets=meets, coarse=rule.kind not in EXACT)


def nearest_to_firing(rule: CompiledRule, members: Sequence[Member]) -> Held:
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
    return f"{shown} {_unit(rule)}"


def _number(figure: float) -> str:
    return f"{int(figure):,}" if figure == int(figure) else f"{figure:,.2f}"


def _unit(rule: CompiledRule) -> str:
    field = rule.value_field
    return {
        "value_count": f"distinct {field}",
        "value_sum": f"(sum of {field})",
        "value_avg": f"(average of {field})",
        "value_percentile": f"({percentile_in_words(rule)} of {field})",
    }.get(rule.kind, "events")


def _distance(rule: CompiledRule, found: Held) -> tuple[bool, float]:
    if found.missing or rule.steps or found.figure is None:
        return not found.meets, len(found.missing)
    away = [
        abs(found.figure - bound) for name, bound in rule.bounds if not COMPARE[name](found.figure, bound)
    ]
    return not found.meets, sum(away)


def _figure(rule: CompiledRule, inside: Sequence[Member]) -> float | None:
    field = rule.value_field
    if field is None:
        return len(inside) * rule.sampled_one_in
    values = [getattr(member.event, field) for member in inside]
    if rule.kind == "value_count":
        return len({value_text(field, value) for value in values})
    if not values:
        return None
    if rule.kind == "value_sum":
        return float(sum(values))
    if rule.kind == "value_avg":
        return float(sum(values)) / len(values)
    # nearest rank: the smallest value that at least so many percent of the values do not exceed
    rank = -(-len(values) * (rule.percentile or 0) // 100)
    return float(sorted(values)[max(rank, 1) - 1])


def _steps_held(rule: CompiledRule, inside: Sequence[Member], until: int) -> Held:
    if rule.kind == "temporal":
        seen = {name for member in inside for name in member.selections}
        missing = tuple(step for step in rule.steps if step not in seen)
    else:
        missing = rule.steps[_longest_beginning(rule.steps, inside) :]
    done = len(rule.steps) - len(missing)
    return Held(until, len(inside), done, meets=not missing, missing=missing, coarse=True)


def _longest_beginning(steps: Sequence[str], inside: Sequence[Member]) -> int:
    """How many of the steps were seen one after the other, from the first on."""
    done = 0
    for member in inside:
        if done < len(steps) and steps[done] in member.selections:
            done += 1
    return done
