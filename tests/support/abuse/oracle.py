"""What must hold of a play, told from its events and acts alone.

It knows no windows, reminders or coverage.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from sessionwarden.model.event import Event
from sessionwarden.model.rules import CompiledRule
from tests.support.abuse.guarded_api import DELAY_MS, STEP_MS, Act, GuardedApi

SLACK_MS = 2 * DELAY_MS + 3 * STEP_MS
"""From a request to the act on it, with the loop's resolution."""


def check(api: GuardedApi, rule: CompiledRule, *, stopped: Sequence[tuple[int, int]] = ()) -> None:
    """Every act is justified by what followed the act before it; abuse that goes on is stopped again.

    `stopped`: the times, in epoch ms, at which the kill switch was on.
    """
    for key in sorted({_key(rule, event) for event in api.counted}):
        events = [event for event in api.counted if _key(rule, event) == key]
        times = sorted(event.time for event in events)
        users = {event.user for event in events}
        covered = 0
        for act in api.acts:
            is_its_own = tuple(act.finding.key.values())[:1] == (key,)
            if not is_its_own and (act.decision.scope != "user" or {act.decision.user} != users):
                continue
            behind = [time for time in times if covered < time <= act.decision.created_at]
            if is_its_own and _first_met(rule, behind) is None:
                raise AssertionError(f"{key}: nothing since the last act justifies another")
            _stopped_in_time(rule, key, [time for time in times if time > covered], act, stopped)
            covered = max(covered, _covered_until(act))
        _stopped_in_time(rule, key, [time for time in times if time > covered], None, stopped)


def _key(rule: CompiledRule, event: Event) -> Any:
    return getattr(event, rule.group_by[0])


def _covered_until(act: Act) -> int:
    """An act covers what was done before it was in force, and what it keeps out."""
    return max(act.done_ms, (act.decision.deny_until or 0) * 1000)


def _first_met(rule: CompiledRule, times: Sequence[int]) -> int | None:
    """The first time at which an interval of these events holds as many as the rule asks for."""
    return next(_met(rule, times), None)


def _met(rule: CompiledRule, times: Sequence[int]) -> Iterator[int]:
    for index, time in enumerate(times):
        if index + 1 - bisect_right(times, time - rule.timespan_ms) >= rule.threshold:
            yield time


def _stopped_in_time(
    rule: CompiledRule, key: Any, times: Sequence[int], act: Act | None, stopped: Sequence[tuple[int, int]]
) -> None:
    """Abuse that is met anew, and goes on for a timespan, meets an act within that time."""
    first = _first_met(rule, times)
    if first is None:
        return
    latest = first + rule.timespan_ms + max(rule.timespan_ms // 4, 10_000) + SLACK_MS
    if any(begin - SLACK_MS <= latest and first <= end + SLACK_MS for begin, end in stopped):
        return
    met = [time for time in _met(rule, times) if time <= latest]
    steps = range(first, latest - STEP_MS, STEP_MS)
    goes_on = all(any(step <= time < step + 5 * STEP_MS for time in met) for step in steps)
    if goes_on and (act is None or act.decision.created_at > latest):
        raise AssertionError(f"{key}: abuse since {first} goes on, and nothing was done until {latest}")
