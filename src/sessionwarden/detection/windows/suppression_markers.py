"""Suppression markers: the periods of a rule and key whose finding has been emitted.

Enters: periods in which a rule was met. Leaves: those that still need a finding, or a reminder. Invariant: a
marker is only written after its finding was emitted, so a crash costs a repetition under the same id, never a
finding.
Cost: one look-up for a key that crossed in a period not yet known to be suppressed, and nothing otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable

from sessionwarden.detection.acceptance import expiry
from sessionwarden.detection.windows.key_state import KeyState
from sessionwarden.detection.windows.window import Cadence
from sessionwarden.ports import WindowStore


class SuppressionMarkers:
    """The suppression markers of all keys, in the window store."""

    def __init__(self, store: WindowStore) -> None:
        self._store = store

    def unsuppressed(self, state: KeyState, cadence: Cadence, periods: Iterable[int]) -> list[int]:
        """Those of the periods that have no marker, in the same order. Raises `StoreError`."""
        unknown = [period for period in periods if (cadence.marker, period) not in state.suppressed]
        if not unknown:
            return []
        suppressed = self._store.suppressed(state.marker_key(cadence), unknown)
        state.remember_suppressed(cadence, suppressed)
        return [period for period in unknown if period not in suppressed]

    def suppress(self, state: KeyState, cadence: Cadence, period: int) -> None:
        """Write the marker of a period whose finding was emitted. Raises `StoreError`."""
        window = state.window
        last_needed = (period + 1) * cadence.period_ms + 2 * window.timespan_ms + window.lag_ms
        self._store.suppress(state.marker_key(cadence), period, expires_at=expiry(last_needed))
        state.remember_suppressed(cadence, (period,))
