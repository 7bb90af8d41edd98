"""A finding, delivered any number of times, becomes one recorded decision and is acted upon once.

The order is: decide, record, denylist, Cognito, alert, event (docs/explanation/enforcement-order.md).
Invariants: the decision is recorded before its first action, and a later delivery reads it back, so
`not_before` never moves; the brakes are read before anything is written; an alert within the rule's hourly
limit is sent at least once and, barring a crash between sending and noting, once.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from sessionwarden.enforcement.actions import Actions, Progress, with_result
from sessionwarden.enforcement.alert_text import Alert, DeploymentName, Message, compose, compose_notice
from sessionwarden.enforcement.budgets import MS_PER_HOUR, AlertForm, Budgets
from sessionwarden.enforcement.deny_entries import user_of
from sessionwarden.model.decision import ActionResult, Decision, Enforcement
from sessionwarden.model.finding import Finding
from sessionwarden.policy.decide import decide, needs_user_facts, reduce_for_budget
from sessionwarden.policy.deployment import Deployment
from sessionwarden.ports import AlertSink, Publisher


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforcer:
    """Everything between a finding and its consequences. `name` is what an alert's undo command is aimed
    at.
    """

    deployment: Deployment
    actions: Actions
    alerts: AlertSink
    bus: Publisher
    name: DeploymentName

    def enforce(self, finding: Finding) -> Enforcement:
        """Act on the finding; it is safe to call it again with the same one.

        Raises `StoreError`, `DeliveryError`, or a retryable `UserPoolError`: call it again later. When
        Cognito is the one that failed, the deny is in force by then and the alert was sent.
        """
        decisions = self.actions.decisions
        known = decisions.get(finding.id) or decisions.record(self._decide(finding))
        progress = self.actions.carry_out(known)
        enforcement = self._alert(finding, progress)
        if progress.pending:
            raise progress.pending[0].error
        self.bus.publish("Enforcement", [msgspec.json.encode(enforcement)])
        return enforcement

    def _decide(self, finding: Finding) -> Decision:
        now_ms = self.actions.clock()
        decision = decide(finding, self.deployment, now_ms=now_ms)
        if decision.enforced and needs_user_facts(finding, self.deployment):
            decision = decide(self._with_user_facts(finding, decision), self.deployment, now_ms=now_ms)
        if not decision.enforced:
            return decision
        return self._braked(finding, decision, hour=now_ms // MS_PER_HOUR)

    def _with_user_facts(self, finding: Finding, decision: Decision) -> Finding:
        """The finding with the user's name and groups, as the user pool has them now.

        An error is raised on even if it is final: a user who cannot be told from a protected principal is not
        touched, and the message ends in the dead-letter queue, which has an alarm.
        """
        user = self.actions.users.describe(*user_of(decision))
        if user is None:
            return finding
        return replace(
            finding,
            username=finding.username or user.username,
            groups=(*(finding.groups or ()), *user.groups),
        )

    def _braked(self, finding: Finding, decision: Decision, *, hour: int) -> Decision:
        """The decision as the kill switch and the hour's limits leave it."""
        if self.actions.control.stopped():
            return replace(decision, simulated=True, withheld="stopped")
        if self._budgets.may_enforce(decision, hour=hour):
            return decision
        return reduce_for_budget(decision, session=finding.session)

    @property
    def _budgets(self) -> Budgets:
        return Budgets(control=self.actions.control, policy=self.deployment.policy)

    def _alert(self, finding: Finding, progress: Progress) -> Enforcement:
        """Send the alert that the rule asks for, unless it was sent before; note how it was sent."""
        enforcement = progress.enforcement
        alerted = any(result.action == "alert" for result in enforcement.results)
        if alerted or "alert" not in enforcement.decision.actions:
            return enforcement
        alert = Alert(finding=finding, enforcement=enforcement, pending=progress.pending)
        hour = self.actions.clock() // MS_PER_HOUR
        form = self._budgets.alert_form(enforcement.decision, rule=finding.rule, hour=hour)
        if form == "alert":
            self._send(compose(alert, self.name))
        elif form == "notice":
            self._send(compose_notice(alert, self.name, until_ms=(hour + 1) * MS_PER_HOUR))
        result = self._alert_result(form)
        self.actions.decisions.note(enforcement.decision.id, result)
        return with_result(enforcement, result)

    def _send(self, message: Message) -> None:
        self.alerts.alert(subject=message.subject, message=message.text, attributes=message.attributes)

    def _alert_result(self, form: AlertForm) -> ActionResult:
        now_ms = self.actions.clock()
        if form == "alert":
            return ActionResult(action="alert", outcome="done", time=now_ms)
        return ActionResult(action="alert", outcome="skipped", time=now_ms, detail="budget")
