"""A finding, delivered any number of times, becomes one recorded decision and is acted upon once.

Enters: a finding from the queue. Leaves: what was done, after the denylist, Cognito, the alert and the
bus had their turn, in that order. Invariants: the decision is recorded before its first act, and a
later delivery reads it back, so `not_before` never moves; brakes are read before anything is written;
an alert is sent at least once and, barring a crash between sending and noting, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import msgspec
from msgspec.structs import replace

from sessionwarden.enforcement.acts import Acts, Progress, with_result
from sessionwarden.enforcement.alert import Alert, compose
from sessionwarden.enforcement.entries import user_of
from sessionwarden.model.decision import ActionResult, Decision, Enforcement, Withheld
from sessionwarden.model.finding import Finding
from sessionwarden.ports import AlertSink, Publisher

MS_PER_HOUR = 3_600_000


class Judge(Protocol):
    """What enforcement needs of the policy."""

    @property
    def hourly_limit(self) -> int:
        """How many harsh decisions may act per hour."""
        ...

    def lacks_facts(self, finding: Finding) -> bool:
        """Whether name and groups of the user must be looked up first."""
        ...

    def decide(self, finding: Finding, *, now_ms: int) -> Decision:
        """What to do about the finding."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the undo command in an alert must be aimed."""

    stack: str
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforcer:
    """Everything between a finding and its consequences."""

    judge: Judge
    acts: Acts
    alerts: AlertSink
    bus: Publisher
    place: Place

    def enforce(self, finding: Finding) -> Enforcement:
        """Act on the finding; safe to call again with the same one.

        Raises `StoreError`, `DeliveryError`, or a retryable `UserPoolError`: call again later. By
        then the deny is in force and people have been told, whatever Cognito's quota says.
        """
        decisions = self.acts.decisions
        known = decisions.get(finding.id) or decisions.record(self._decide(finding))
        progress = self.acts.carry_out(known)
        enforcement = self._tell(finding, progress)
        if progress.pending:
            raise progress.pending[0].error
        self.bus.publish("Enforcement", [msgspec.json.encode(enforcement)])
        return enforcement

    def _decide(self, finding: Finding) -> Decision:
        now_ms = self.acts.clock()
        decision = self.judge.decide(finding, now_ms=now_ms)
        if _acts(decision) and self.judge.lacks_facts(finding):
            decision = self.judge.decide(self._with_facts(finding, decision), now_ms=now_ms)
        if not _acts(decision):
            return decision
        withheld = self._braked(decision, hour=now_ms // MS_PER_HOUR)
        return replace(decision, simulated=withheld is not None, withheld=withheld)

    def _with_facts(self, finding: Finding, decision: Decision) -> Finding:
        """The finding with the user's name and groups, as the user pool has them now.

        An error is left to rise even if it is final: whoever cannot be told from a protected
        principal is not touched, and the message ends in the dead-letter queue, which has an alarm.
        """
        user = self.acts.users.describe(*user_of(decision))
        if user is None:
            return finding
        return replace(
            finding,
            username=finding.username or user.username,
            groups=(*(finding.groups or ()), *user.groups),
        )

    def _braked(self, decision: Decision, *, hour: int) -> Withheld | None:
        control = self.acts.control
        if control.stopped():
            return "stopped"
        limit = self.judge.hourly_limit
        if _harsh(decision) and not control.spend(hour=hour, decision_id=decision.id, limit=limit):
            return "budget"
        return None

    def _tell(self, finding: Finding, progress: Progress) -> Enforcement:
        enforcement = progress.enforcement
        told = any(result.action == "alert" for result in enforcement.results)
        if told or "alert" not in enforcement.decision.actions:
            return enforcement
        alert = Alert(finding=finding, enforcement=enforcement, pending=progress.pending)
        subject, message, attributes = compose(alert, stack=self.place.stack, region=self.place.region)
        self.alerts.alert(subject=subject, message=message, attributes=attributes)
        result = ActionResult(action="alert", outcome="done", time=self.acts.clock())
        self.acts.decisions.note(enforcement.decision.id, result)
        return with_result(enforcement, result)


def _acts(decision: Decision) -> bool:
    return not decision.simulated and "deny" in decision.actions


def _harsh(decision: Decision) -> bool:
    """Whether it counts against the hourly budget: all but the deny of a single session.

    Session denies stay outside, so that an attacker who sacrifices accounts to empty the budget
    still loses every session that a rule catches.
    """
    return decision.scope != "session" or not {"sign_out", "disable_user"}.isdisjoint(decision.actions)
