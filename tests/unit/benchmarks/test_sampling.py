from __future__ import annotations

import pytest

from benchmarks.sampling import quiet_user, units, with_threshold

HOUR = 3_600_000


def test_a_sample_saves_writes() -> None:
    scenario = quiet_user(400, timespan_ms=6 * HOUR)
    assert len(scenario.requests) == 340
    every, sampled = (units(scenario, with_threshold(400, one_in=one_in)) for one_in in (1, 4))
    assert every.writes > 340
    assert sampled.writes < every.writes / 3


def test_a_key_that_fires_is_no_measure_of_one_that_does_not() -> None:
    scenario = quiet_user(400, timespan_ms=6 * HOUR)
    with pytest.raises(AssertionError, match="has fired"):
        units(scenario, with_threshold(100, one_in=1))
