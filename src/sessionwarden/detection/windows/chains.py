"""From the firing of a rule to a member of the window that counts its firings.

Enters: an inner key, and the quantum (a 32nd of the inner timespan) in which an interval ended that meets
the inner rule. Leaves: the outer key, and what goes into its sets. Invariant: the same firing is the same
member, whoever finds it and whenever; its time is the start of its quantum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sessionwarden.detection.counting.crossings import Seen
from sessionwarden.detection.windows.group_key import GroupKey, key_digest
from sessionwarden.detection.windows.members import firing_hash, text_hash, value_hash
from sessionwarden.ruleset.compiled import CompiledRule

if TYPE_CHECKING:
    from sessionwarden.detection.windows.window import Window


class Feed(NamedTuple):
    """A window that counts the firings of a rule: `number` among its inner rules, `step` of its sequence.

    `positions` are those of the inner key that give the outer key, `counted` the one of the value.
    """

    window: Window
    rule: str
    number: int
    step: int
    positions: tuple[int, ...]
    counted: int | None

    def key(self, inner: GroupKey) -> GroupKey:
        """The outer key of an inner one."""
        values = tuple(inner[position] for position in self.positions)
        if not self.window.pooled:
            return values
        # a key that has the pool has it behind the values
        source = self.window.inner_windows[self.number]
        return (*values, inner[-1] if source.pooled else None)

    def member(self, inner: GroupKey, *, quantum: int, time: int) -> tuple[int, bytes]:
        """Set and bytes of the firing of an inner key in a quantum that starts at `time`."""
        layout = self.window.layout
        assert layout is not None
        return layout.member(time, self._payload(inner, quantum), self.step)

    def seen(self, inner: GroupKey, *, time: int, event: str) -> Seen:
        """One of the events behind a firing, as evidence: shown at the time that counts."""
        kind = self.window.kind
        token = self._payload(inner, 0) if kind in ("temporal", "value_count") else event
        return Seen(time, event, token)

    def _payload(self, inner: GroupKey, quantum: int) -> bytes:
        match self.window.kind:
            case "temporal":
                return bytes((self.step,))
            case "temporal_ordered":
                return firing_hash(self.rule, inner, quantum)
            case "value_count":
                assert self.window.value_field is not None
                assert self.counted is not None
                return value_hash(self.window.value_field, inner[self.counted])
            case _:
                return bytes((self.number,)) + text_hash(key_digest(inner))


def connect(window: Window, rule: CompiledRule) -> None:
    """Let the windows of the inner rules know who counts their firings."""
    for number, (inner, source) in enumerate(zip(rule.inner, window.inner_windows, strict=True)):
        names = source.group_by
        feed = Feed(
            window=window,
            rule=inner.rule,
            number=number,
            step=window.steps.index(inner.rule) if window.steps else 0,
            positions=tuple(names.index(name) for name in inner.fields or rule.group_by),
            counted=names.index(rule.value_field) if rule.value_field else None,
        )
        source.feeds.setdefault(inner.rule, []).append(feed)
