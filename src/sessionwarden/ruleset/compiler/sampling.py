"""At which fixed rate an `event_count` looks at events, and how wrong it can be for that.

Enters: a threshold. Leaves: a rate, one event in a power of two; and the two counts between which chance
decides. Invariant: every event is looked at up to `EXACT_THRESHOLD`, and wherever a sample would not do. The
counts are exact sums over the binomial distribution, no rule of thumb. Leaves out which events are looked
at, which is `detection.sample`, and what the counts do not say: docs/explanation/windows.md.
"""

from __future__ import annotations

from bisect import bisect_left
from math import exp, lgamma, log, log1p
from typing import NamedTuple

from sessionwarden.ports import MAX_THRESHOLDS
from sessionwarden.ruleset.compiled import CompiledRule

EXACT_THRESHOLD = MAX_THRESHOLDS["event_count"]
"""The largest threshold for which every event is looked at: as many as a full set proves."""

SAMPLED_THRESHOLD = 1_000_000
"""The largest threshold of all."""

CHANCE = 1e-6
"""Of being wrong about an interval, beyond the counts of `Doubt`."""

COUNTS = range(1 << 40)
"""Of events in an interval: what chance decides lies in there for any threshold."""

NEGLIGIBLE = 1e-18
"""Of a sum: terms that are smaller, as all behind them are, change no digit of it."""


class Doubt(NamedTuple):
    """What a sampled rule makes of an interval, by how many events that holds.

    Fewer than `fires_from` fire with a probability of at most the chance asked for, and `found_from` or more
    are missed with at most that. In between chance decides.
    """

    fires_from: int
    found_from: int


def why_never_sampled(rule: CompiledRule, *, serves: bool) -> str | None:
    """Why all events of a rule must be looked at; `None` if a part will do.

    `serves` if other rules count its firings. `rule` is compiled: one lower bound is `gte`.
    """
    if rule.kind != "event_count" or rule.inner or [operator for operator, _ in rule.bounds] != ["gte"]:
        return "only a number of events to reach can be estimated"
    if serves:
        return "other rules count its firings"
    if any(selection.category == "application" for selection in rule.selections):
        # whoever chooses ids chooses what is looked at: a few requests could pass for a million
        return "an application chooses the ids of its events"
    return None


def sampling_rate(threshold: int, *, exact_up_to: int = EXACT_THRESHOLD) -> int:
    """One event in so many is looked at: the smallest power of two that leaves `exact_up_to` to reach.

    >>> sampling_rate(10_000), sampling_rate(10_001), sampling_rate(1_000_000)
    (1, 2, 128)
    """
    return 1 << (-(-threshold // exact_up_to) - 1).bit_length()


def doubt(rule: CompiledRule, *, chance: float = CHANCE) -> Doubt:
    """The counts between which chance decides whether `rule` fires."""
    needed, one_in = rule.members_to_reach, rule.sampled_one_in
    return Doubt(
        bisect_left(COUNTS, True, key=lambda count: reached(needed, of=count, one_in=one_in) > chance),
        bisect_left(COUNTS, True, key=lambda count: missed(needed, of=count, one_in=one_in) <= chance),
    )


def doubt_in_words(rule: CompiledRule) -> str:
    """What a rule's author must know of its sampling."""
    fires_from, found_from = doubt(rule)
    rarely = f"1 in {round(1 / CHANCE):,}"
    return (
        f"looks at one event in {rule.sampled_one_in}: an interval with fewer than {fires_from:,} events"
        f" fires with a probability below {rarely}, one with {found_from:,} or more is missed with one"
        " below that"
    )


def reached(needed: int, *, of: int, one_in: int) -> float:
    """The probability that of so many events at least `needed` are looked at; `one_in` is above 1."""
    above_mean = needed * one_in > of
    return _at_least(needed, of, one_in) if above_mean else 1.0 - _fewer_than(needed, of, one_in)


def missed(needed: int, *, of: int, one_in: int) -> float:
    """The probability that of so many events fewer than `needed` are looked at; `one_in` is above 1."""
    above_mean = needed * one_in > of
    return 1.0 - _at_least(needed, of, one_in) if above_mean else _fewer_than(needed, of, one_in)


def _at_least(needed: int, of: int, one_in: int) -> float:
    """Right where `needed` is above the mean: from there on terms only get smaller."""
    term = total = _exactly(needed, of, one_in)
    for number in range(needed, of):
        term *= (of - number) / (number + 1) / (one_in - 1)
        total += term
        if term <= total * NEGLIGIBLE:
            break
    return total


def _fewer_than(needed: int, of: int, one_in: int) -> float:
    """Right where `needed` is at most the mean, as above."""
    term = total = _exactly(needed - 1, of, one_in)
    for number in range(needed - 1, 0, -1):
        term *= number / (of - number + 1) * (one_in - 1)
        total += term
        if term <= total * NEGLIGIBLE:
            break
    return total


def _exactly(number: int, of: int, one_in: int) -> float:
    if number > of:
        return 0.0
    ways = lgamma(of + 1) - lgamma(number + 1) - lgamma(of - number + 1)
    return exp(ways - number * log(one_in) + (of - number) * log1p(-1 / one_in))
