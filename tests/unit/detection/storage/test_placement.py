"""Which windows are kept in a shared log."""

from __future__ import annotations

import pytest

from sessionwarden.detection.storage.placement import SHARED_LOG_TIMESPAN_MS, is_in_shared_log
from sessionwarden.detection.windows.plan import build_windows
from tests.support.detection import rule, ruleset


@pytest.mark.parametrize(
    ("timespan_ms", "shared"), [(SHARED_LOG_TIMESPAN_MS, True), (SHARED_LOG_TIMESPAN_MS + 1, False)]
)
def test_windows_up_to_an_hour_are_kept_in_a_shared_log(timespan_ms: int, shared: bool) -> None:
    (window,) = build_windows(ruleset(rule(timespan_ms=timespan_ms)))
    assert is_in_shared_log(window) is shared
