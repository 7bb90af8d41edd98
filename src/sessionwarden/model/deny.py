"""Deny entries and token claims: the values that meet on every request.

Named tuples, because the authorizer builds them while a client waits and must not pay for the
import of dataclasses or msgspec on a cold start.
"""

from __future__ import annotations

from typing import NamedTuple


class DenyEntry(NamedTuple):
    """One decision's part of the denylist. Times are epoch seconds.

    `not_before`: tokens whose `auth_time` is at or before it are refused. `deny_until`: everything
    is refused until then. `session`: that `origin_jti` is refused. `expires_at`: from then on the
    entry says nothing, whether or not the table's TTL has removed it. `lifted_at`: the operator has
    undone the decision; `not_before` and `session` go on refusing old tokens unless `tokens_revived`.
    """

    decision_id: str
    expires_at: int
    not_before: int | None = None
    deny_until: int | None = None
    session: str | None = None
    lifted_at: int | None = None
    tokens_revived: bool = False


MAX_BROAD_DENY_SECONDS = 86_400
"""A day, the longest deny of a client or a network. No access token lives longer, so a client that is deleted
in Cognito meanwhile stays out; and an address belongs to somebody else tomorrow."""


class BroadDeny(NamedTuple):
    """One denied app client (`<pool>#<client id>`) or network (CIDR), until then. Epoch seconds.

    `lifted_at`: the operator has undone the decision, and the entry says nothing any more.
    """

    decision_id: str
    deny_until: int
    client: str | None = None
    network: str | None = None
    lifted_at: int | None = None


DENYLIST_REASONS = frozenset(
    {"denied_until", "signed_out", "session_denied", "client_denied", "network_denied"}
)
"""Reasons by which the denylist refuses a token that is good otherwise."""


class Claims(NamedTuple):
    """The verified claims of a Cognito token. Times are epoch seconds.

    `user` is `None` for a machine token (no username, `sub` equal to `client_id`). `session` is
    `origin_jti`; a token without one (revocation disabled on the client) cannot be told from others
    of its user, only cut by `auth_time`.
    """

    pool: str
    token_use: str
    sub: str
    client: str
    user: str | None
    username: str | None
    session: str | None
    token: str | None
    auth_time: int
    issued_at: int
    expires_at: int
    scope: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class Verdict(NamedTuple):
    """Allow or deny, with the constant that reaches the decision line and the deciding entry."""

    allowed: bool
    reason: str
    decision_id: str | None = None
