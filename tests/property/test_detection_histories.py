"""The engine against the oracle: see docs/explanation/windows.md for the theorem that this tests."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessionwarden.detection.keys import finding_id, key_digest, mark_digest
from sessionwarden.model.finding import Finding
from tests.property.detection_world import Fired, History, events_in, oracle, play, random_history, values_in

HISTORIES = 2_000
"""Random histories of each run, cut into a few tests so that a failure names a small range of seeds."""

SLICES = 10
SHRINKABLE_HISTORIES = 150


def ids(fired: set[Fired], history: History) -> dict[str, Fired]:
    windows = {rule.id: rule.window for rule in history.rules.rules}
    return {
        finding_id(
            mark_key=f"{mark_digest(rule=rule, window=windows[rule])}#{key_digest((user, None))}", slot=slot
        ): (rule, user, slot)
        for rule, user, slot in fired
    }


def check(history: History) -> list[Finding]:
    emitted = play(history)
    expected = ids(oracle(history), history)
    found = {finding.id for finding in emitted}
    missed = [fired for identity, fired in expected.items() if identity not in found]
    assert not missed, f"missed {missed} in {history}"
    invented = [finding for finding in emitted if finding.id not in expected]
    assert not invented, f"invented {invented} in {history}"
    for finding in emitted:
        check_evidence(finding, history)
    return emitted


def check_evidence(finding: Finding, history: History) -> None:
    rule = next(rule for rule in history.rules.rules if rule.id == finding.rule)
    mine = [one for one in history.events if one.source == "api_access" and one.user == finding.key["user"]]
    assert set(finding.events) <= {one.id for one in mine}
    assert finding.first_time <= finding.time
    if rule.kind == "event_count":
        last = next(one for one in mine if one.time == finding.time)
        assert rule.threshold <= finding.count <= len(events_in(mine, last, rule.timespan_ms))
        assert finding.time - rule.timespan_ms < finding.first_time
    if rule.kind == "value_count":
        assert (
            rule.threshold
            <= finding.count
            <= max(len(values_in(mine, one, rule.timespan_ms)) for one in mine)
        )


@pytest.mark.parametrize("part", range(SLICES))
def test_a_slot_has_a_finding_if_and_only_if_the_oracle_over_the_whole_set_says_so(part: int) -> None:
    for seed in range(part, HISTORIES, SLICES):
        history = random_history(Random(seed))
        try:
            check(history)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


@settings(
    max_examples=SHRINKABLE_HISTORIES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(random=st.randoms(use_true_random=False))
def test_the_same_holds_for_histories_that_shrink(random: Random) -> None:
    check(random_history(random))


def test_the_same_history_gives_the_same_bytes() -> None:
    for seed in range(HISTORIES, HISTORIES + 200):
        history = random_history(Random(seed))
        assert msgspec.json.encode(play(history)) == msgspec.json.encode(play(history))


def test_without_faults_one_evaluator_emits_every_finding_once() -> None:
    seen = 0
    for seed in range(HISTORIES, HISTORIES + 300):
        history = random_history(Random(seed))
        batches = tuple(batch for delivery in history.deliveries for batch in delivery)
        alone = History(history.rules, history.events, (batches,), ({},), (frozenset(),), (0,))
        emitted = check(alone)
        assert len({finding.id for finding in emitted}) == len(emitted)
        seen += len(emitted)
    assert seen > 300, "histories that never fire would prove nothing"
