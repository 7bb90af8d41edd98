"""Deny entries, token claims and the verdict on them: the values that the authorizer compares.

They are named tuples, because the authorizer must not pay for importing dataclasses or msgspec on a cold
start.
"""

from __future__ import annotations

from typing import NamedTuple

CLOCK_SKEW_SECONDS = 10
"""By how much a pool's clock may be ahead of ours. A token from further ahead is not valid yet, and a cut-off
reaches as far: a session that was opened before it must not survive because its clock is fast. AWS keeps its
clocks within milliseconds, so this costs people who sign in again some seconds, and no more."""


class DenyEntry(NamedTuple):
    """The entry of one decision in the denylist. Times are epoch seconds.

    `not_before`: tokens whose `auth_time` is at or before it are refused. `deny_until`: every token is
    refused until then. `session`: tokens with that `origin_jti` are refused. `expires_at`: from then on the
    entry has no effect, even if the table's TTL has not removed it yet. `lifted_at`: an operator has undone
    the decision; `not_before` (without the skew in it) and `session` still refuse old tokens unless
    `tokens_revived`.
    """

    decision_id: str
    expires_at: int
    not_before: int | None = None
    deny_until: int | None = None
    session: str | None = None
    lifted_at: int | None = None
    tokens_revived: bool = False


MAX_BROAD_DENY_SECONDS = 86_400
"""The longest deny of a client or a network: one day. No access token lives longer, so a client that an
operator deletes in Cognito meanwhile stays out; and an address may soon belong to another customer."""


class BroadDeny(NamedTuple):
    """A broad deny: one app client (`<pool>#<client id>`) or one network (CIDR), refused until a time.

    Times are epoch seconds. `lifted_at`: an operator has undone the decision, and the entry has no effect.
    """

    decision_id: str
    deny_until: int
    client: str | None = None
    network: str | None = None
    lifted_at: int | None = None


DENYLIST_REASONS = frozenset(
    {"denied_until", "signed_out", "session_denied", "client_denied", "network_denied"}
)
"""The reasons for which the denylist refuses a token that is otherwise valid."""


class Claims(NamedTuple):
    """The verified claims of a Cognito token. Times are epoch seconds.

    `user` is `None` for a machine token (no username, `sub` equal to `client_id`). `session` is
    `origin_jti`; a token without one (revocation is disabled for its client) cannot be refused by session,
    only by `auth_time`.
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
    """Allow or deny, with the reason for the decision line and the id of the deciding entry's decision."""

    allowed: bool
    reason: str
    decision_id: str | None = None
