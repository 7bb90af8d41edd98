"""Undoes a decision: every part of it that can be undone, and nothing of any other decision.

The record is marked, a tombstone is left in the denylist, and the account is enabled if this decision
disabled it. New sign-ins work at once, while tokens from before the cut-off stay dead unless they are revived
by name. A sign-out in Cognito is final. A client or a network is let in with all its tokens, when the
authorizers have polled again. Invariants: lifting twice is lifting once; no redelivered finding puts the deny
back; at no moment is a deny written that was not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from sessionwarden.enforcement.acted import Acted
from sessionwarden.enforcement.deny_entries import broad_entry_of, entries_of, principal_of, user_of
from sessionwarden.model.decision import Decision, Enforcement
from sessionwarden.model.deny import BroadDeny, DenyEntry
from sessionwarden.model.finding import BROAD_SCOPES
from sessionwarden.ports import DecisionStore, DenylistStore, UserPool

Account = Literal["untouched", "enabled", "still_disabled"]
"""`still_disabled`: another decision that stands has disabled the account too."""


class Lifted(NamedTuple):
    """What was undone. `denied` is false for a decision that never denied anything."""

    decision: Decision
    denied: bool
    account: Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """The stores that undoing needs."""

    decisions: DecisionStore
    denylist: DenylistStore
    acted: Acted
    users: UserPool

    def lift(self, decision_id: str, *, lifted_at: int, by: str, revive_tokens: bool) -> Lifted | None:
        """Undo the decision at `lifted_at` (epoch seconds); `None` if there is no such decision.

        The record is marked first: from then on `enforce` skips every action that it has not done yet.
        Raises `StoreError` or `UserPoolError` half-way; calling again goes on.
        """
        if not self.decisions.lift(decision_id, lifted_at=lifted_at, by=by):
            return None
        # read after the mark: an action that began before it has left its attempt by now
        known = self.decisions.get(decision_id)
        if known is None:
            return None
        decision = known.decision
        if not decision.enforced:
            return Lifted(decision, denied=False, account="untouched")
        self.acted.lifted(decision, lifted_at_ms=lifted_at * 1000)
        if decision.scope in BROAD_SCOPES:
            self._lift_broad(broad_entry_of(decision), lifted_at=lifted_at)
            return Lifted(decision, denied=True, account="untouched")
        for entry in entries_of(decision):
            self._lift_entry(principal_of(decision), entry, lifted_at=lifted_at, revive_tokens=revive_tokens)
        return Lifted(decision, denied=True, account=self._enable_account(known))

    def _lift_entry(self, principal: str, entry: DenyEntry, *, lifted_at: int, revive_tokens: bool) -> None:
        # if enforcement has not come to its deny yet, it must find this tombstone in its place
        self.denylist.put(principal, entry._replace(lifted_at=lifted_at, tokens_revived=revive_tokens))
        self.denylist.lift(principal, entry.decision_id, lifted_at=lifted_at, revive_tokens=revive_tokens)

    def _lift_broad(self, entry: BroadDeny, *, lifted_at: int) -> None:
        self.denylist.put_broad(entry._replace(lifted_at=lifted_at))
        self.denylist.lift_broad(entry, lifted_at=lifted_at)

    def _enable_account(self, known: Enforcement) -> Account:
        decision = known.decision
        if not _disables(known):
            return "untouched"
        if self._disabled_by_another(decision):
            return "still_disabled"
        self.users.enable(*user_of(decision))
        return "enabled"

    def _disabled_by_another(self, decision: Decision) -> bool:
        for entry in self.denylist.entries(principal_of(decision)):
            if entry.decision_id == decision.id or entry.lifted_at is not None:
                continue
            other = self.decisions.get(entry.decision_id)
            if other is not None and other.lifted_at is None and _disables(other):
                return True
        return False


def _disables(known: Enforcement) -> bool:
    """Whether the account was disabled, or may have been by an action that crashed half-way."""
    failed = any(result.action == "disable_user" and result.outcome == "failed" for result in known.results)
    return "disable_user" in known.attempted and not failed
