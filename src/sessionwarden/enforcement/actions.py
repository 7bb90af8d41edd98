"""Carries out a recorded decision, one action after the other, until all are done or must be retried.

    record ── deny ── sign out ── disable ── (alert, event: see `enforcer`)
              │       │           └ lifted meanwhile? enable again
              └───────┴─ before each: lifted? stopped? done already?

Invariants: the denylist is written first, since it alone ends a session at once, while Cognito's admin
calls share a small quota. An action whose result is noted is not repeated; a crash between an action and
its note repeats it, and every action may be repeated. A lift wins over an action, whichever comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from msgspec.structs import replace

from sessionwarden.enforcement.acted import Acted
from sessionwarden.enforcement.deny_entries import broad_entry_of, entries_of, principal_of, user_of
from sessionwarden.errors import UserPoolError
from sessionwarden.model.decision import ActionResult, Decision, Enforcement, Outcome
from sessionwarden.model.finding import BROAD_SCOPES, Action
from sessionwarden.ports import Clock, ControlStore, DecisionStore, DenylistStore, UserPool

ORDER: tuple[Action, ...] = ("deny", "sign_out", "disable_user")
"""The order in which actions are carried out; `alert` follows them, in `enforcer`."""


class Pending(NamedTuple):
    """An action that Cognito did not accept now and may accept later."""

    action: Action
    error: UserPoolError


class Progress(NamedTuple):
    """How far a decision has come. With nothing pending, all its actions have a result."""

    enforcement: Enforcement
    pending: tuple[Pending, ...]


def with_result(enforcement: Enforcement, result: ActionResult) -> Enforcement:
    """The enforcement with one more result."""
    return replace(enforcement, results=(*enforcement.results, result), time=result.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """Everything that can be done to a user, a client or an address, through ports."""

    decisions: DecisionStore
    denylist: DenylistStore
    control: ControlStore
    acted: Acted
    users: UserPool
    clock: Clock

    def carry_out(self, known: Enforcement) -> Progress:
        """Carry out the actions of the recorded decision that have no result yet.

        Raises `StoreError` if a store does not answer: while the kill switch cannot be read, nothing is
        done. A call that Cognito refuses for good is a `failed` result; one that can be retried is pending,
        and does not hold up the actions after it.
        """
        if known.decision.simulated:
            return Progress(known, ())
        pending = []
        for action in _open_actions(known):
            try:
                result = self._carry_out(action, known.decision)
            except UserPoolError as error:
                if error.retryable:
                    pending.append(Pending(action, error))
                    continue
                result = self._result(action, "failed", error.code)
            self.decisions.note(known.decision.id, result)
            known = with_result(known, result)
        return Progress(known, tuple(pending))

    def _carry_out(self, action: Action, decision: Decision) -> ActionResult:
        if self._lifted(decision.id):
            return self._result(action, "skipped", "lifted")
        if self.control.stopped():
            if action == "deny":
                self.acted.withheld(decision)
            return self._result(action, "skipped", "stopped")
        if action == "deny":
            return self._deny(decision)
        if action == "sign_out":
            self.users.sign_out(*user_of(decision))
        else:
            self._disable(decision)
        return self._result(action, "done")

    def _deny(self, decision: Decision) -> ActionResult:
        """Write the deny; the result has the time at which it was in force."""
        if decision.scope in BROAD_SCOPES:
            self.denylist.put_broad(broad_entry_of(decision))
        else:
            for entry in entries_of(decision):
                self.denylist.put(principal_of(decision), entry)
        result = self._result("deny", "done")
        self.acted.done(decision, now_ms=result.time)
        return result

    def _disable(self, decision: Decision) -> None:
        """Disable the account, unless a lift overtook us between the check and the call."""
        self.decisions.attempt(decision.id, "disable_user")
        self.users.disable(*user_of(decision))
        if self._lifted(decision.id):
            self.users.enable(*user_of(decision))

    def _lifted(self, decision_id: str) -> bool:
        recorded = self.decisions.get(decision_id)
        return recorded is not None and recorded.lifted_at is not None

    def _result(self, action: Action, outcome: Outcome, detail: str = "") -> ActionResult:
        return ActionResult(action=action, outcome=outcome, time=self.clock(), detail=detail)


def _open_actions(known: Enforcement) -> Sequence[Action]:
    closed = {result.action for result in known.results}
    return [action for action in ORDER if action in known.decision.actions and action not in closed]
