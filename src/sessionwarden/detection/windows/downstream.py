"""From the match of a rule to a member of the windows downstream, which count its matches.

Enters: an inner key, and the bucket (a 32nd of the inner timespan) in which an interval ended that meets the
inner rule. Leaves: the outer key, and the member. Invariant: the same match is the same member, whichever
process finds it and whenever; its time is the start of its bucket.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sessionwarden.correlations.correlation_type import CountedMatch
from sessionwarden.correlations.values import GroupKey
from sessionwarden.detection.counting.crossings import Seen
from sessionwarden.detection.windows.window import Window


class Downstream(NamedTuple):
    """A window that counts the matches of a rule: `number` among its inner rules, `step` of its sequence.

    `positions` are those of the inner key that give the outer key, `counted` is that of the counted value.
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

    def member(self, inner: GroupKey, *, bucket: int, time: int) -> tuple[int, bytes]:
        """The set and the bytes of the match of an inner key in a bucket that starts at `time`."""
        encoding = self.window.encoding
        assert encoding is not None
        return encoding.member(time, self._payload(inner, bucket), self.step)

    def seen(self, inner: GroupKey, *, time: int, event: str) -> Seen:
        """One of the events behind a match, as evidence: shown at the time that counts."""
        correlation = self.window.type
        repeats = correlation is not None and correlation.bucketed
        return Seen(time, event, self._payload(inner, 0) if repeats else event)

    def _payload(self, inner: GroupKey, bucket: int) -> bytes:
        assert self.window.type is not None
        value = None if self.counted is None else inner[self.counted]
        match = CountedMatch(self.rule, self.number, self.step, inner, value, bucket)
        return self.window.type.match_payload(match, field=self.window.value_field)


def downstream_of(windows: Iterable[Window]) -> Mapping[str, tuple[Downstream, ...]]:
    """For each rule whose matches are counted, the windows that count them."""
    found: dict[str, tuple[Downstream, ...]] = {}
    for window in windows:
        rule = window.rules[0].rule
        for number, (inner, source) in enumerate(zip(rule.inner, window.inner_windows, strict=True)):
            names = source.group_by
            one = Downstream(
                window=window,
                rule=inner.rule,
                number=number,
                step=window.steps.index(inner.rule) if window.steps else 0,
                positions=tuple(names.index(name) for name in inner.fields or rule.group_by),
                counted=names.index(rule.value_field) if rule.value_field else None,
            )
            found[inner.rule] = (*found.get(inner.rule, ()), one)
    return found
