"""How wrong the estimate of a sampled rule can be, for the author of the rule.

Enters: a rule with its rate. Leaves: the two counts between which chance decides, and a sentence about them.
Invariant: the counts are exact sums over the binomial distribution, no rule of thumb. Which rules are
sampled, and on which events: `correlations.sampling`. What the counts do not say: docs/explanation/windows.md
"""

from __future__ import annotations

from bisect import bisect_left
from math import exp, lgamma, log, log1p
from typing import NamedTuple

from sessionwarden.model.rules import CompiledRule

CHANCE = 1e-6
"""The probability of being wrong about an interval beyond the counts of `Doubt`."""

COUNTS = range(1 << 40)
"""Numbers of events in an interval: what chance decides lies among them for any threshold."""

NEGLIGIBLE = 1e-18
"""The part of a sum below which a term, and all terms behind it, change no digit."""


class Doubt(NamedTuple):
    """What a sampled rule makes of an interval, by how many events that holds.

    With fewer than `fires_from` the rule matches with a probability of at most the chance asked for; with
    `found_from` or more it misses with at most that. In between chance decides.
    """

    fires_from: int
    found_from: int


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
