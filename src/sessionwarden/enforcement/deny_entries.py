"""The deny entries of a decision, as enforcement writes them and a lift marks them.

They lie under the user's principal or, for the scopes `client` and `source_ip`, among the broad denies that
authorizers poll. Invariant: the same decision always has the same entries, so that writing them twice is
writing them once.
"""

from __future__ import annotations

from sessionwarden.model.decision import Decision
from sessionwarden.model.deny import BroadDeny, DenyEntry
from sessionwarden.model.principal import principal


def user_of(decision: Decision) -> tuple[str, str]:
    """Pool and sub of an enforced decision; policy enforces none that names no user of a pool."""
    assert decision.pool is not None
    assert decision.user is not None
    return decision.pool, decision.user


def principal_of(decision: Decision) -> str:
    """The denylist's partition key for the user of an enforced decision."""
    return principal(*user_of(decision))


def entries_of(decision: Decision) -> tuple[DenyEntry, ...]:
    """The decision's entries under its user, of whom it denies all or some sessions.

    A decision has one; each session beside the first has one more, whose id ends in a number.
    """
    assert decision.expires_at is not None
    first = DenyEntry(
        decision_id=decision.id,
        expires_at=decision.expires_at,
        not_before=decision.not_before,
        deny_until=decision.deny_until,
        session=decision.session,
    )
    more = (
        first._replace(decision_id=f"{decision.id}.{number}", session=session)
        for number, session in enumerate(decision.more_sessions, start=2)
    )
    return (first, *more)


def broad_entry_of(decision: Decision) -> BroadDeny:
    """The decision's entry among the broad denies: a client, or a network."""
    assert decision.deny_until is not None
    if decision.scope == "source_ip":
        return BroadDeny(decision.id, decision.deny_until, network=decision.value)
    assert decision.pool is not None
    return BroadDeny(decision.id, decision.deny_until, client=principal(decision.pool, decision.value))
