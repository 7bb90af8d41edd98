"""Whether what a history led to is what the oracle says, and how much was tried.

    PYTHONPATH=src:. .venv/bin/python -m tests.support.histories.check --histories 100000 --seed 1

Findings of rules whose condition stays met are two-sided: exactly the oracle's. The others are one-sided:
none of the oracle's is missing; with one evaluator and no faults, each was true of what had arrived.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from random import Random

from sessionwarden.correlations.values import key_digest
from sessionwarden.detection.windows.group_key import finding_id, marker_digest
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.model.rules import CompiledRule
from sessionwarden.ports import MEMBER_LIMIT
from tests.support.histories.oracle import Fired, certain, oracle, pooled
from tests.support.histories.world import History, play, random_history


@dataclass
class Tally:
    """What was played, and the findings by kind of rule, an asterisk for what firings led to."""

    histories: int = 0
    events: int = 0
    deliveries: int = 0
    operations: int = 0
    changes: int = 0
    faults: int = 0
    periods: int = 0
    full: int = 0
    not_judged: int = 0
    findings: Counter[str] = field(default_factory=Counter)


def check(history: History, tally: Tally) -> list[Finding]:
    """Play the history and compare. Returns what was emitted."""
    played = play(history)
    expected = named(oracle(history.rules, history.events), history)
    found = {finding.id for finding in played.emitted}
    by_id = {rule.id: rule for rule in history.rules.rules}
    missed = [
        fired
        for identity, fired in expected.items()
        if identity not in found and must_be_found(fired, found, history, by_id)
    ]
    assert not missed, f"missed {missed} in {history}"
    judged = [finding for finding in played.emitted if not finding.not_judged]
    invented = [
        finding for finding in judged if finding.id not in expected and certain(by_id[finding.rule], by_id)
    ]
    assert not invented, f"invented {invented} in {history}"
    for finding in played.emitted:
        check_evidence(finding, by_id[finding.rule], history)
    tally.histories += 1
    tally.events += len(history.events)
    tally.deliveries += sum(len(batch) for queue in history.deliveries for batch in queue)
    tally.operations += played.operations
    tally.changes += played.changes
    tally.faults += sum(map(len, history.faults)) + sum(map(len, history.refusals))
    tally.periods += len(expected)
    tally.findings.update(name(by_id[finding.rule]) for finding in judged)
    tally.full += history.member_limit < MEMBER_LIMIT
    tally.not_judged += len(played.emitted) - len(judged)
    return played.emitted


def must_be_found(fired: Fired, found: Set[str], history: History, by_id: Mapping[str, CompiledRule]) -> bool:
    """Whether a period without a finding is wrong; with full sets, some may lack one.

    An interval that begins or ends in a full slice of the overflow may be missed, but then the slice met the
    rule: a timespan before at most, or as much later as a slice is long. What can be undone is not
    judged by what is not known, nor are matches of what may be missed.
    """
    rule = by_id[fired.rule]
    if history.member_limit >= MEMBER_LIMIT or known_beyond_full_sets(rule, by_id):
        return True
    if rule.inner or not certain(rule, dict(by_id)):
        return False
    cooldown = rule.response.cooldown_ms
    earliest = (fired.period * cooldown - rule.timespan_ms) // cooldown
    latest = ((fired.period + 1) * cooldown + rule.timespan_ms // 2) // cooldown
    nearby = {fired._replace(period=period) for period in range(earliest, latest + 1)}
    return found.isdisjoint(named(nearby, history))


def known_beyond_full_sets(rule: CompiledRule, by_id: Mapping[str, CompiledRule]) -> bool:
    """Whether nothing is missed although sets are full: slices of the rule cannot be full, or are buckets.

    Slices of matches and of steps take more than these histories have.
    """
    exact = rule.kind in ("value_count", "temporal", "temporal_ordered", "event") or bool(rule.inner)
    return exact and all(known_beyond_full_sets(by_id[inner.rule], by_id) for inner in rule.inner)


def check_evidence(finding: Finding, rule: CompiledRule, history: History) -> None:
    assert set(finding.events) <= {one.id for one in history.events}
    assert finding.first_time <= finding.time
    assert finding.count >= 1
    assert finding.count % rule.sampled_one_in == 0
    if rule.kind == "event_count" and not rule.inner:
        assert finding.time - rule.timespan_ms < finding.first_time


def check_what_had_arrived(history: History, emitted: list[Finding]) -> None:
    """Of one evaluator without faults: the findings are those of the oracle after each batch."""
    assert history.member_limit >= MEMBER_LIMIT
    by_id = {rule.id: rule for rule in history.rules.rules}
    (queue,) = history.deliveries
    possible: set[str] = set()
    arrived: list[Event] = []
    for batch in queue:
        arrived += batch
        possible |= set(named(oracle(history.rules, arrived), history))
    found = {one.id for one in emitted}
    assert possible <= found
    # a firing that was undone goes on counting where it was counted: of those rules, more can be found
    assert {one.id for one in emitted if not by_id[one.rule].inner} <= possible


def alone(history: History) -> History:
    """The same deliveries to one evaluator, without faults and full sets."""
    batches = tuple(batch for queue in history.deliveries for batch in queue)
    return replace(
        history,
        deliveries=(batches,),
        faults=({},),
        refusals=(frozenset(),),
        schedule=(0,),
        member_limit=MEMBER_LIMIT,
    )


def named(fired: set[Fired], history: History) -> dict[str, Fired]:
    """By the ids that findings must have."""
    by_id = {rule.id: rule for rule in history.rules.rules}
    ids = {}
    for one in fired:
        rule = by_id[one.rule]
        with_pool = any(pooled(rule, by_id, position) for position in range(len(rule.group_by)))
        key = (*one.key, None) if with_pool else one.key
        marker = marker_digest(rule=rule.id, window=rule.window)
        ids[finding_id(marker_key=f"{marker}#{key_digest(key)}", period=one.period)] = one
    return ids


def name(rule: CompiledRule) -> str:
    """The kind of a rule, for the table."""
    return f"{rule.kind}{'*' if rule.inner else ' sampled' if rule.sampled_one_in > 1 else ''}"


def report(tally: Tally) -> str:
    """The statistics, as lines."""
    lines = [
        f"{tally.histories:>12,} histories, none wrong",
        f"{tally.events:>12,} events, delivered {tally.deliveries:,} times",
        f"{tally.operations:>12,} store calls and emissions, {tally.changes:,} changes of evaluator between",
        f"{tally.faults:>12,} faults planned (refusals, lost answers, crashes)",
        f"{tally.full:>12,} histories with sets that are full with 1 to 4 members",
        f"{tally.not_judged:>12,} findings that a set is full and a rule is not judged",
        f"{tally.periods:>12,} periods that the oracle says have a finding",
        f"{tally.findings.total():>12,} findings emitted, some more than once (* by firings of other rules):",
    ]
    lines += [f"{count:>16,} {kind}" for kind, count in sorted(tally.findings.items())]
    return "\n".join(lines)


def main() -> None:
    """Play as many histories as asked for, and print what was tried."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--histories", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1_000_000, help="of the first history")
    arguments = parser.parse_args()
    tally = Tally()
    for seed in range(arguments.seed, arguments.seed + arguments.histories):
        try:
            check(random_history(Random(seed)), tally)
        except AssertionError as error:
            raise SystemExit(f"seed {seed}: {error}") from error
    sys.stdout.write(report(tally) + "\n")


if __name__ == "__main__":
    main()
