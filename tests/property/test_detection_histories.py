"""The engine against the oracle: see docs/explanation/windows.md for the theorem that this tests."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.histories.check import Tally, alone, check, check_what_had_arrived
from tests.support.histories.world import play, random_history

HISTORIES = 4_500
"""Random histories of each run, cut into a few tests so that a failure names a small range of seeds. `make
histories` plays 100,000 others and prints what was tried."""

SLICES = 12
KINDS = 13
"""Of rules that fire, those of events, of a sample of events and of firings counted apart."""

SHRINKABLE_HISTORIES = 150


@pytest.mark.parametrize("part", range(SLICES))
def test_a_period_has_a_finding_if_and_only_if_the_oracle_over_the_whole_set_says_so(part: int) -> None:
    tally = Tally()
    for seed in range(part, HISTORIES, SLICES):
        try:
            check(random_history(Random(seed)), tally)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    # histories that never fire, or whose evaluators never meet, would prove nothing
    assert len(tally.findings) >= KINDS
    assert tally.findings.total() > tally.histories
    assert tally.changes > 5 * tally.histories


@settings(
    max_examples=SHRINKABLE_HISTORIES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(random=st.randoms(use_true_random=False))
def test_the_same_holds_for_histories_that_shrink(random: Random) -> None:
    check(random_history(random), Tally())


def test_the_same_history_gives_the_same_bytes() -> None:
    for seed in range(HISTORIES, HISTORIES + 200):
        history = random_history(Random(seed))
        assert msgspec.json.encode(play(history).emitted) == msgspec.json.encode(play(history).emitted)


def test_without_faults_one_evaluator_emits_every_finding_once_and_it_was_true_of_what_had_arrived() -> None:
    seen = 0
    for seed in range(HISTORIES, HISTORIES + 500):
        history = alone(random_history(Random(seed)))
        emitted = check(history, Tally())
        assert len({finding.id for finding in emitted}) == len(emitted)
        check_what_had_arrived(history, emitted)
        seen += len(emitted)
    assert seen > 500, "histories that never fire would prove nothing"
