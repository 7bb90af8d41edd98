"""How much may happen in an hour: harsh decisions of the deployment, broad denies, alerts of each rule.

Enters: a decision and the hour. Leaves: whether it may act in full, and what may be said of it. Invariants:
a decision takes one unit at most, however often it is delivered; whoever is signed out or disabled is
always told of. Why alerts are bounded: strangers can cause findings at will, and two thousand messages
hide the one that matters as well as none would. Why denies of networks are: a /48 is 65,536 sources, and
every authorizer reads all that are denied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sessionwarden.model.decision import Decision
from sessionwarden.model.finding import BROAD_SCOPES
from sessionwarden.ports import ControlStore

MS_PER_HOUR = 3_600_000
Telling = Literal["alert", "notice", "silence"]
"""`notice`: this decision's alert is held back, and it is the one that says so for the rule's hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """The hourly limits of a policy, spent through the control table."""

    control: ControlStore
    enforcements: int
    broad: int
    alerts: int

    def may_enforce(self, decision: Decision, *, hour: int) -> bool:
        """Whether the decision may act in full. A session's deny always may.

        Session denies stay outside, so that an attacker who sacrifices accounts to empty the budget
        still loses every session that a rule catches. Clients and networks have budgets of their own:
        a stranger can have addresses denied, and must not thereby spare a user or a machine.
        """
        if not _harsh(decision):
            return True
        if decision.scope in BROAD_SCOPES:
            return self.control.spend(
                budget=f"polled#{decision.scope}", hour=hour, decision_id=decision.id, limit=self.broad
            )
        return self.control.spend(
            budget="enforcements", hour=hour, decision_id=decision.id, limit=self.enforcements
        )

    def telling(self, decision: Decision, *, rule: str, hour: int) -> Telling:
        """How people learn of the decision. Harsh ones are bounded by their own budget."""
        if acts(decision) and _harsh(decision):
            return "alert"
        if self.control.spend(budget=f"alerts#{rule}", hour=hour, decision_id=decision.id, limit=self.alerts):
            return "alert"
        # a budget of one: whoever takes it sends the notice, and sends it again after a crash
        if self.control.spend(budget=f"notices#{rule}", hour=hour, decision_id=decision.id, limit=1):
            return "notice"
        return "silence"


def acts(decision: Decision) -> bool:
    """Whether anything is to be done to anybody."""
    return not decision.simulated and "deny" in decision.actions


def _harsh(decision: Decision) -> bool:
    """All but the deny of a single session."""
    return decision.scope != "session" or not {"sign_out", "disable_user"}.isdisjoint(decision.actions)
