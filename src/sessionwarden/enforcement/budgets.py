"""How much may happen in an hour: harsh decisions of the deployment, broad denies, alerts of each rule.

Given a decision and the hour, it says whether the decision may act in full, and in which form its alert is
sent. Invariants: a decision takes one unit at most, however often it is delivered; an operator always hears
of what was done to a user, a client or an address. Alerts are bounded because strangers can cause findings at
will, and two thousand messages hide the one that matters. Denies of networks are bounded because a /48 is
65,536 sources, and every authorizer reads all that are denied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sessionwarden.model.decision import Decision
from sessionwarden.model.finding import BROAD_SCOPES
from sessionwarden.model.policy import Policy
from sessionwarden.ports import ControlStore

MS_PER_HOUR = 3_600_000

AlertForm = Literal["alert", "grouped", "notice", "none"]
"""`grouped`: what was done is told some minutes later, in one message with other acts of the rule. `notice`:
nothing was done, this decision's alert is held back, and its message is the one that says so for the rule's
hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """The hourly limits of a policy, spent through the control table."""

    control: ControlStore
    policy: Policy

    def may_enforce(self, decision: Decision, *, hour: int) -> bool:
        """Whether the decision may act in full. A deny of one session always may.

        Denies of sessions stay outside, so that an attacker who sacrifices accounts to spend the limit still
        loses every session that a rule catches. Clients and networks have limits of their own: a stranger can
        have addresses denied, and must not thereby spare a user or a machine.
        """
        if not _harsh(decision):
            return True
        if decision.scope in BROAD_SCOPES:
            budget, limit = f"polled#{decision.scope}", self.policy.broad_denies_per_hour
        else:
            budget, limit = "enforcements", self.policy.enforcements_per_hour
        return self.control.spend(budget=budget, hour=hour, decision_id=decision.id, limit=limit)

    def alert_form(self, decision: Decision, *, rule: str, hour: int) -> AlertForm:
        """In which form operators hear of the decision. Alerts of harsh ones are bounded by their own limit;
        those of reduced ones are not, since it was spent before.
        """
        if decision.enforced and _harsh(decision) and decision.reduced is None:
            return "alert"
        limit = self.policy.alerts_per_hour
        if self.control.spend(budget=f"alerts#{rule}", hour=hour, decision_id=decision.id, limit=limit):
            return "alert"
        if decision.enforced:
            return "grouped"
        # a limit of one: the decision that takes it sends the notice, and sends it again after a crash
        if self.control.spend(budget=f"notices#{rule}", hour=hour, decision_id=decision.id, limit=1):
            return "notice"
        return "none"


def _harsh(decision: Decision) -> bool:
    """Whether it does more than deny a single session."""
    return decision.scope != "session" or not {"sign_out", "disable_user"}.isdisjoint(decision.actions)
