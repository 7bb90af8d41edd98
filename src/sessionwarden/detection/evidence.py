"""Evidence: from a crossing to a finding, which events to show and whose they are.

Enters: a crossing and the events at hand. Leaves: a `Finding`. Invariant: everything in it is bounded,
however long the texts that clients write, and nothing in it decides whether the rule was met. Ids of events
that another process saw are not known here and are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sessionwarden.correlations.bounds import Measure
from sessionwarden.detection.counting.crossings import Crossing, Seen, Token
from sessionwarden.detection.windows.group_key import finding_id, series_name, shown_key
from sessionwarden.detection.windows.key_state import KeyState
from sessionwarden.detection.windows.window import Cadence
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.model.rules import CompiledRule

SHOWN_EVENTS = 20
"""Event ids in a finding."""


def newest(seen: Iterable[Seen], *, since: int, until: int) -> list[Seen]:
    """The newest events of `(since, until]` in order of time, one for each token, at most `SHOWN_EVENTS`."""
    chosen: dict[Token, Seen] = {}
    for one in sorted((one for one in seen if since < one.time <= until), key=_by_time, reverse=True):
        chosen.setdefault(one.token, one)
        if len(chosen) == SHOWN_EVENTS:
            break
    return list(reversed(chosen.values()))


class Proof(NamedTuple):
    """What decides whether an earlier act covers a finding, and how narrow a new one can be.

    The events after `since` (epoch ms) meet the rule by themselves. `sessions` are those with the most of the
    `events` counted, and the number of each.
    """

    since: int
    events: int = 0
    sessions: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class FindingBuilder:
    """Builds the findings and the reminders of one rule for one key."""

    ruleset_digest: str
    state: KeyState
    rule: CompiledRule

    def finding(
        self,
        cadence: Cadence,
        crossing: Crossing,
        seen: Sequence[Seen],
        *,
        trigger: Event | None,
        latest: Event,
        proof: Proof,
    ) -> Finding:
        """The finding, or reminder, of one crossing.

        `trigger` is the event that crossed, if this process has it; otherwise the principal is that of
        `latest`, another event of the same key.
        """
        rule, state = self.rule, self.state
        shown = newest(seen, since=crossing.since, until=crossing.until)
        first_time = crossing.first_time
        if shown:
            earliest = min(one.time for one in seen if crossing.since < one.time <= crossing.until)
            first_time = earliest if earliest <= crossing.first_until else first_time
        principal = trigger or latest
        return Finding(
            id=finding_id(marker_key=state.marker_key(cadence), period=crossing.period),
            rule=rule.id,
            title=rule.title,
            level=rule.level,
            ruleset_digest=self.ruleset_digest,
            response=rule.response,
            key=shown_key(rule.group_by, state.key),
            time=trigger.time if trigger else max(crossing.time, first_time),
            first_time=first_time,
            count=crossing.count * rule.sampled_one_in,
            sampled_one_in=rule.sampled_one_in,
            events=_shown_ids(shown, rule),
            value=_shown_value(crossing.value),
            pool=principal.pool,
            user=principal.user,
            username=principal.username,
            session=principal.session,
            client=principal.client,
            identity=principal.identity,
            groups=principal.groups,
            source_ip=principal.source_ip,
            api_id=principal.api_id,
            route=principal.route,
            series=series_name(rule=rule.id, window=rule.window, key=state.digest),
            proved_since=proof.since,
            sessions=proof.sessions,
            session_events=proof.events,
            reminder=cadence.reminds,
        )


def _shown_ids(shown: Iterable[Seen], rule: CompiledRule) -> tuple[str, ...]:
    ids = (one.id for one in shown)
    # one event can stand for several steps, or be behind several matches
    return tuple(dict.fromkeys(ids) if rule.steps or rule.inner else ids)


def _shown_value(value: Measure | None) -> float | None:
    return value if value is None or isinstance(value, int) else round(float(value), 3)


def _by_time(one: Seen) -> tuple[int, str]:
    return one.time, one.id
