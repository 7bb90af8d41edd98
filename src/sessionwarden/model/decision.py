"""What is to be done about a finding, or what an operator ordered, and what was then done.

A `Decision` is recorded once, before anything is done; every later delivery of the same finding reads it
back, so that a retry can never move `not_before` and end a newer session.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from sessionwarden.model.finding import Action, Level, Scope

Withheld = Literal[
    "observe",
    "protected",
    "stale",
    "budget",
    "stopped",
    "covered",
    "no_principal",
    "unknown_pool",
    "shared_client",
]
"""Why a decision was not carried out (`simulated`): rule or deployment in `observe`, a protected principal,
abuse too long ago, the hourly limit, the kill switch, an act that has answered for the same events already, a
finding that names no principal that can be denied, one of a pool that is not watched, or an app client that
serves people."""

Reduced = Literal["budget"]
"""Why a decision does less than its rule asks for: the hourly limit left only the denies of sessions."""

Outcome = Literal["done", "failed", "skipped"]
"""How an action ended. All three are final; an action that may still succeed has no result yet."""


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to act upon, with which actions, and for how long. Times are epoch seconds, `created_at` epoch ms.

    `id` is the finding's id, or `manual-<uuid>` for an operator's order. `value` is the value of the scope: a
    sub, an origin_jti, an app client's id, an address (a CIDR block once it is denied). `not_before`,
    `deny_until` and `session` are those of the deny entry; `expires_at` is when that entry may be forgotten.
    `created_by` is the operator. `series` is the finding's, `covered_by` the decision that answered for it.
    `narrowed`: one session did it, so it alone is denied. `repeats`: how often the principal had been acted
    upon within a day, for which the deny is wider and longer. `more_sessions` are denied beside `session`.
    """

    id: str
    created_at: int
    origin: Literal["rule", "operator"]
    scope: Scope
    value: str
    actions: tuple[Action, ...]
    simulated: bool
    withheld: Withheld | None = None
    reduced: Reduced | None = None

    rule: str | None = None
    title: str | None = None
    level: Level | None = None
    reason: str | None = None
    created_by: str | None = None

    pool: str | None = None
    user: str | None = None
    username: str | None = None
    not_before: int | None = None
    deny_until: int | None = None
    session: str | None = None
    expires_at: int | None = None
    series: str | None = None
    covered_by: str | None = None
    narrowed: bool = False
    repeats: int = 0
    more_sessions: tuple[str, ...] = ()

    @property
    def enforced(self) -> bool:
        """Whether anything is to be done to a principal: the decision denies, and is not simulated."""
        return not self.simulated and "deny" in self.actions


class ActionResult(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one action ended. `time` is epoch ms; `detail` is an error code or empty."""

    action: Action
    outcome: Outcome
    time: int
    detail: str = ""


class Enforcement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was done for a decision, with each action's result.

    `time` is the newest result's, or the decision's own while there is none, in epoch ms.
    `lifted_at` is epoch seconds, like the tombstone's in the denylist. `attempted`: actions that may
    have happened even if they have no result, or another one, because of a crash.
    """

    decision: Decision
    results: tuple[ActionResult, ...]
    time: int
    attempted: tuple[Action, ...] = ()
    lifted_at: int | None = None
    lifted_by: str | None = None
