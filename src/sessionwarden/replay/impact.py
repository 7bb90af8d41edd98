"""Says whom a rule set would have touched, had it been live while a log was written.

Leaves: numbers, no names: how many users the log knows, how many a
rule that enforces would have cost a session or more, and how many one that observes would, if it enforced.
Invariant: a user counts once, however many rules and findings; a finding that only alerts touches no user.
It leaves out what a deployment adds: protected principals and the hourly limit only make it fewer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding, Mode
from sessionwarden.replay.replayer import Replayer

Principal = tuple[str, ...]

OF_USERS = frozenset({"user", "session"})
"""Scopes whose findings cost one user something; behind an address or a client there may be many."""


class Impact(NamedTuple):
    """`findings`, and the users behind them, are by rule id; those that only alert have no users.

    `others` counts clients, networks and identities that an enforcing rule would have acted on, which
    may stand for any number of users.
    """

    users_seen: int
    users_touched: int
    users_observed: int
    others: int
    findings: Mapping[str, int]
    users_by_rule: Mapping[str, int]

    @property
    def share(self) -> float:
        """The part of the users seen that enforcing rules touch; 1 if anything else is acted on."""
        if self.others:
            return 1.0
        return self.users_touched / self.users_seen if self.users_seen else 0.0


class ImpactCount:
    """Feed it a log, then ask for `impact`. Keeps every user's name in memory until then."""

    def __init__(self, replayer: Replayer) -> None:
        self.replayer = replayer
        self._seen: set[Principal] = set()
        self._touched: dict[Mode, set[Principal]] = {"enforce": set(), "observe": set()}
        self._others: set[Principal] = set()
        self._findings: dict[str, int] = {}
        self._by_rule: dict[str, set[Principal]] = {}

    def feed(self, events: list[Event]) -> None:
        """Take the next events of the log."""
        self._seen.update((event.pool or "", event.user) for event in events if event.user)
        for finding in self.replayer.feed(events):
            self._count(finding)

    def _count(self, finding: Finding) -> None:
        self._findings[finding.rule] = self._findings.get(finding.rule, 0) + 1
        response = finding.response
        if not set(response.actions) - {"alert"}:
            return
        if response.scope not in OF_USERS:
            if response.mode == "enforce":
                self._others.add((response.scope, finding.key.get(response.scope, "")))
            return
        # a session counts as a user where the event names none
        who = (
            (finding.pool or "", finding.user)
            if finding.user
            else ("", response.scope, finding.key.get(response.scope, ""))
        )
        self._touched[response.mode].add(who)
        self._by_rule.setdefault(finding.rule, set()).add(who)

    def impact(self) -> Impact:
        """The numbers so far."""
        return Impact(
            users_seen=len(self._seen),
            users_touched=len(self._touched["enforce"]),
            users_observed=len(self._touched["observe"] - self._touched["enforce"]),
            others=len(self._others),
            findings=dict(sorted(self._findings.items())),
            users_by_rule={rule: len(users) for rule, users in sorted(self._by_rule.items())},
        )
