"""What looking at one event in a few saves: a key that stays just below a high threshold, and never fires.

    PYTHONPATH=src:. .venv/bin/python -m benchmarks.sampling

Enters: requests of one user, evenly spread over a timespan of six hours, which is too long for shared logs.
They go through the real engine and window store at several rates; they are given, since the compiler samples
only thresholds above those that a play of a few thousand requests can show. Leaves: a table of write and read
units of one epoch. Deterministic; nothing here measures time.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.write_pattern import EARLY_MS, Heat, Scenario, play
from sessionwarden.model.event import Event
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.compiler.compile import compile_rules

RULE = Path(__file__).resolve().parent / "many_requests.yml"
BELOW = 0.85
"""Of the threshold: few enough that chance does not fire."""


class Units(NamedTuple):
    """What a scenario cost in units of the windows table; the largest item in KB."""

    writes: int
    reads: int
    largest_item: float


def with_threshold(threshold: int, *, one_in: int) -> CompiledRuleset:
    """The rule of this benchmark with another threshold, at that rate."""
    compiled = compile_rules([RULE])
    (rule,) = compiled.rules
    changed = msgspec.structs.replace(rule, bounds=(("gte", threshold),), sampled_one_in=one_in)
    return msgspec.structs.replace(compiled, rules=(changed,))


def quiet_user(threshold: int, *, timespan_ms: int) -> Scenario:
    """Somebody who makes so many requests in a timespan that it is nearly too many."""
    count = int(threshold * BELOW)
    requests = [
        Event(id=f"r{number}", time=EARLY_MS + number * timespan_ms // count, source="api_access", user="u")
        for number in range(count)
    ]
    return Scenario("nearly too many", timespan_ms // 1000, EARLY_MS, requests)


def units(scenario: Scenario, rules: CompiledRuleset) -> Units:
    """Play the scenario to one evaluator; nothing may fire, or writes would stop."""
    heat: Heat = play(scenario, rules, evaluators=1)
    keys = {key for by_key in heat.writes.values() for key in by_key}
    assert len(keys) == 1, "a mark was written: the key has fired"
    return Units(
        sum(by_key.total() for by_key in heat.writes.values()),
        sum(by_key.total() for by_key in heat.reads.values()),
        heat.largest_item / 1024,
    )


def main() -> None:
    """Play every threshold both ways, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threshold", type=int, nargs="+", default=[5_000, 10_000], help="at most 10,000")
    parser.add_argument("--one-in", type=int, nargs="+", default=[1, 4], help="rates, powers of two")
    arguments = parser.parse_args()
    print(
        "| threshold | one event in | requests | write units | read units | write units a request | item KB |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for threshold in arguments.threshold:
        for one_in in arguments.one_in:
            rules = with_threshold(threshold, one_in=one_in)
            scenario = quiet_user(threshold, timespan_ms=rules.rules[0].timespan_ms)
            cost = units(scenario, rules)
            print(
                f"| {threshold:,} | {one_in} | {len(scenario.requests):,} | {cost.writes:,} | {cost.reads:,}"
                f" | {cost.writes / len(scenario.requests):.2f} | {cost.largest_item:.1f} |"
            )


if __name__ == "__main__":
    main()
