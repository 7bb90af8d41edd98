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

from sessionwarden.enforcement.acted import covering, repeats_of
from sessionwarden.enforcement.actions import Actions, Progress, with_result
from sessionwarden.enforcement.alert_text import Alert, DeploymentName, Message, compose, compose_notice
from sessionwarden.enforcement.budgets import MS_PER_HOUR, AlertForm, Budgets
from sessionwarden.enforcement.deny_entries import principal_of, user_of
from sessionwarden.model.decision import ActionResult, Decision, Enforcement
from sessionwarden.model.finding import BROAD_SCOPES, Finding
from sessionwarden.policy.decide import decide, needs_user_facts, reduce_for_budget, sessions_of
from sessionwarden.policy.deployment import Deployment
from sessionwarden.policy.ladder import climb
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
        return self._follow(finding, decisions.get(finding.id) or decisions.record(self._decide(finding)))

    def remind(self, reminder: Finding) -> Enforcement | None:
        """Act on a finding that goes on, unless that asks for nothing new: then no record is made either.

        Raises as `enforce` does.
        """
        known = self.actions.decisions.get(reminder.id)
        if known is None:
            decision = self._decide(reminder)
            if not decision.enforced:
                return None
            known = self.actions.decisions.record(decision)
        return self._follow(reminder, known)

    def _follow(self, finding: Finding, known: Enforcement) -> Enforcement:
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
        if self.actions.control.stopped():
            return replace(decision, simulated=True, withheld="stopped")
        return self._on_the_ladder(finding, decision)

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

    def _on_the_ladder(self, finding: Finding, decision: Decision) -> Decision:
        """The decision as earlier acts and the hour's limits leave it."""
        acted = self.actions.acted
        known = acted.before(decision)
        if act := covering(finding, known):
            return replace(decision, simulated=True, withheld="covered", covered_by=act.by)
        repeats = repeats_of(decision, finding, known)
        decision = climb(decision, finding, self.deployment.policy, repeats=repeats)
        if not self._budgets.may_enforce(decision, hour=decision.created_at // MS_PER_HOUR):
            sessions = self._not_denied(finding, decision)
            decision = reduce_for_budget(decision, self.deployment.policy, sessions=sessions)
        if decision.enforced and not acted.claim(decision, finding):
            # another finding of the same events was decided at the same moment
            return replace(decision, simulated=True, withheld="covered")
        return decision

    def _not_denied(self, finding: Finding, decision: Decision) -> tuple[str, ...]:
        """The sessions that took part, without those that are denied already."""
        if decision.scope in BROAD_SCOPES:
            return ()
        entries = self.actions.denylist.entries(principal_of(decision))
        denied = {entry.session for entry in entries if entry.lifted_at is None}
        return tuple(session for session in sessions_of(finding) if session not in denied)

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
