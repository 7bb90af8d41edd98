"""A finding, delivered any number of times, becomes one recorded decision and is acted upon once.

Enters: a finding from the queue. Leaves: what was done, after the denylist, Cognito, the alert and the
bus had their turn, in that order. Invariants: the decision is recorded before its first act, and a
later delivery reads it back, so `not_before` never moves; brakes are read before anything is written;
an alert within the rule's hourly limit is sent at least once and, barring a crash between sending and
noting, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import msgspec
from msgspec.structs import replace

from sessionwarden.enforcement.actions import Acts, Progress, with_result
from sessionwarden.enforcement.alert_text import Alert, Message, compose, compose_notice
from sessionwarden.enforcement.budgets import MS_PER_HOUR, Budgets, Telling, acts
from sessionwarden.enforcement.deny_entries import user_of
from sessionwarden.model.decision import ActionResult, Decision, Enforcement
from sessionwarden.model.finding import Finding
from sessionwarden.ports import AlertSink, Publisher


class Judge(Protocol):
    """What enforcement needs of the policy."""

    @property
    def hourly_limit(self) -> int:
        """How many harsh decisions may act per hour."""
        ...

    @property
    def alert_limit(self) -> int:
        """How many alerts a rule may send per hour, apart from those of harsh decisions."""
        ...

    @property
    def broad_limit(self) -> int:
        """How many clients, and how many networks, may be denied per hour."""
        ...

    def lacks_facts(self, finding: Finding) -> bool:
        """Whether name and groups of the user must be looked up first."""
        ...

    def decide(self, finding: Finding, *, now_ms: int) -> Decision:
        """What to do about the finding."""
        ...

    def over_budget(self, decision: Decision, *, session: str | None) -> Decision:
        """What is left of a harsh decision when the hour's budget is spent."""
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
        if acts(decision) and self.judge.lacks_facts(finding):
            decision = self.judge.decide(self._with_facts(finding, decision), now_ms=now_ms)
        if not acts(decision):
            return decision
        return self._braked(finding, decision, hour=now_ms // MS_PER_HOUR)

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

    def _braked(self, finding: Finding, decision: Decision, *, hour: int) -> Decision:
        if self.acts.control.stopped():
            return replace(decision, simulated=True, withheld="stopped")
        if self._budgets.may_enforce(decision, hour=hour):
            return decision
        return self.judge.over_budget(decision, session=finding.session)

    @property
    def _budgets(self) -> Budgets:
        return Budgets(
            control=self.acts.control,
            enforcements=self.judge.hourly_limit,
            broad=self.judge.broad_limit,
            alerts=self.judge.alert_limit,
        )

    def _tell(self, finding: Finding, progress: Progress) -> Enforcement:
        enforcement = progress.enforcement
        told = any(result.action == "alert" for result in enforcement.results)
        if told or "alert" not in enforcement.decision.actions:
            return enforcement
        alert = Alert(finding=finding, enforcement=enforcement, pending=progress.pending)
        hour = self.acts.clock() // MS_PER_HOUR
        telling = self._budgets.telling(enforcement.decision, rule=finding.rule, hour=hour)
        if telling == "alert":
            self._send(compose(alert, stack=self.place.stack, region=self.place.region))
        elif telling == "notice":
            until_ms = (hour + 1) * MS_PER_HOUR
            self._send(
                compose_notice(alert, until_ms=until_ms, stack=self.place.stack, region=self.place.region)
            )
        result = self._told(telling)
        self.acts.decisions.note(enforcement.decision.id, result)
        return with_result(enforcement, result)

    def _send(self, message: Message) -> None:
        self.alerts.alert(subject=message.subject, message=message.text, attributes=message.attributes)

    def _told(self, telling: Telling) -> ActionResult:
        now_ms = self.acts.clock()
        if telling == "alert":
            return ActionResult(action="alert", outcome="done", time=now_ms)
        return ActionResult(action="alert", outcome="skipped", time=now_ms, detail="budget")
