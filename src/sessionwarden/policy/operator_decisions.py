"""Makes the decision that an operator orders by hand.

The brakes that guard against a rule's mistake (modes, protected principals, hourly limits) do not bind an
operator. The decision has the origin `operator`; it is recorded, carried out and lifted like any other. The
kill switch still holds; the caller reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sessionwarden.model.decision import Decision
from sessionwarden.model.deny import CLOCK_SKEW_SECONDS
from sessionwarden.model.finding import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class UserOrder:
    """Which user an operator wants denied.

    With a `session`, only that one; else every token of `user` whose sign-in is not newer than the decision,
    and for `deny_seconds`, if given, new sign-ins too.
    """

    pool: str
    user: str
    reason: str
    by: str
    sign_out: bool
    session: str | None = None
    deny_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BroadOrder:
    """Which app client (an id in `pool`) or network (a CIDR block, no pool) an operator wants denied."""

    scope: Literal["client", "source_ip"]
    value: str
    deny_seconds: int
    reason: str
    by: str
    pool: str | None = None


def decide_user_order(
    order: UserOrder, *, decision_id: str, now_ms: int, session_lifetime_seconds: int
) -> Decision:
    """The decision for an order about a user. `now_ms` is epoch milliseconds."""
    now_s = now_ms // 1000
    actions: tuple[Action, ...] = ("deny", "sign_out") if order.sign_out else ("deny",)
    whole_user = order.session is None
    return Decision(
        id=decision_id,
        created_at=now_ms,
        origin="operator",
        scope="user" if whole_user else "session",
        value=order.user if order.session is None else order.session,
        actions=actions,
        simulated=False,
        reason=order.reason,
        created_by=order.by,
        pool=order.pool,
        user=order.user,
        not_before=now_s + CLOCK_SKEW_SECONDS if whole_user else None,
        deny_until=None if order.deny_seconds is None else now_s + order.deny_seconds,
        session=order.session,
        expires_at=now_s + max(session_lifetime_seconds, order.deny_seconds or 0),
    )


def decide_broad_order(order: BroadOrder, *, decision_id: str, now_ms: int) -> Decision:
    """The decision for an order about a client or a network. `now_ms` is epoch milliseconds."""
    until = now_ms // 1000 + order.deny_seconds
    return Decision(
        id=decision_id,
        created_at=now_ms,
        origin="operator",
        scope=order.scope,
        value=order.value,
        actions=("deny",),
        simulated=False,
        reason=order.reason,
        created_by=order.by,
        pool=order.pool,
        deny_until=until,
        expires_at=until,
    )
