"""One key of a batch, after all writes: read, find crossings, build findings.

Enters: a key's events of this batch and the members that they became. Leaves: a finding for every
cooldown slot that has a crossing and no mark. Invariant: what was read decides; events at hand only
explain. Callable from several threads, for different keys.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sessionwarden.detection.crossings import Crossing, Layout, Seen
from sessionwarden.detection.evidence import build_finding, newest
from sessionwarden.detection.windows import KeyState, Reader
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.ports import WindowStore

RECENT_SEEN = 40
"""Events remembered of a key as evidence, before the oldest are forgotten."""

FOREVER = 2**63


class Raised(NamedTuple):
    """A finding, and the slot to burn once it was emitted."""

    state: KeyState
    reader: Reader
    slot: int
    finding: Finding


class Evaluator:
    """Evaluates keys against a store. `ruleset_digest` goes into every finding."""

    def __init__(self, store: WindowStore, *, ruleset_digest: str) -> None:
        self._store = store
        self._ruleset_digest = ruleset_digest

    def evaluate(
        self, state: KeyState, events: Sequence[Event], members: Mapping[int, Collection[bytes]]
    ) -> list[Raised]:
        """The findings of one key. `members` are this batch's, by epoch. Raises `StoreError`."""
        layout = state.window.layout
        if layout is None:
            return self._single_events(state, events)
        return self._window(state, events, members, layout)

    def _single_events(self, state: KeyState, events: Sequence[Event]) -> list[Raised]:
        by_time = sorted(events, key=lambda event: (event.time, event.id))
        raised = []
        for reader in state.window.readers:
            first: dict[int, Event] = {}
            for event in by_time:
                first.setdefault(event.time // reader.cooldown_ms, event)
            for slot in self._unburnt(state, reader, first):
                event = first[slot]
                at = event.time
                crossing = Crossing(slot, at, at, at, 1, at - 1, at)
                finding = build_finding(
                    ruleset_digest=self._ruleset_digest,
                    reader=reader,
                    state=state,
                    crossing=crossing,
                    seen=[state.window.seen(event)],
                    culprit=event,
                    latest=event,
                )
                raised.append(Raised(state, reader, slot, finding))
        return raised

    def _window(
        self,
        state: KeyState,
        events: Sequence[Event],
        members: Mapping[int, Collection[bytes]],
        layout: Layout,
    ) -> list[Raised]:
        # an interval through a member starts at most one epoch before its own and ends at most one after
        epochs = {near for epoch in members for near in (epoch - 1, epoch, epoch + 1)}
        found = self._store.read(state.table_key, sorted(epochs))
        here = [state.window.seen(event) for event in events]
        latest = max(events, key=lambda event: (event.time, event.id))
        raised = []
        for reader in state.window.readers:
            threshold = reader.rule.threshold
            crossings = {
                crossing.slot: crossing
                for crossing in layout.crossings(found, threshold=threshold, cooldown_ms=reader.cooldown_ms)
            }
            for slot in self._unburnt(state, reader, crossings):
                culprit = layout.culprit(crossings[slot], found, threshold=threshold, seen=here)
                finding = build_finding(
                    ruleset_digest=self._ruleset_digest,
                    reader=reader,
                    state=state,
                    crossing=crossings[slot],
                    seen=[*state.recent, *here],
                    culprit=None if culprit is None else events[culprit],
                    latest=latest,
                )
                raised.append(Raised(state, reader, slot, finding))
        self._remember(state, here)
        return raised

    def _unburnt(self, state: KeyState, reader: Reader, slots: Iterable[int]) -> list[int]:
        unknown = [slot for slot in slots if (reader.mark, slot) not in state.burnt]
        if not unknown:
            return []
        burnt = self._store.burnt(state.mark_key(reader), unknown)
        state.remember_burnt(reader, burnt)
        return [slot for slot in unknown if slot not in burnt]

    @staticmethod
    def _remember(state: KeyState, here: Sequence[Seen]) -> None:
        state.recent.extend(here)
        if len(state.recent) > RECENT_SEEN:
            state.recent = newest(state.recent, since=-1, until=FOREVER)
