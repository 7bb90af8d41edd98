"""The deny entry of a decision, as enforcement writes it and a lift marks it.

It lies under the user's principal or, for the scopes `client` and `source_ip`, among the broad denies that
authorizers poll. Invariant: the same decision always has the same entry, so that writing it twice is writing
it once.
"""

from __future__ import annotations

from sessionwarden.model.decision import Decision
from sessionwarden.model.deny import BroadDeny, DenyEntry
from sessionwarden.model.finding import BROAD_SCOPES
from sessionwarden.model.principal import principal


def user_of(decision: Decision) -> tuple[str, str]:
    """Pool and sub of an enforced decision; policy enforces none that names no user of a pool."""
    assert decision.pool is not None
    assert decision.user is not None
    return decision.pool, decision.user


def principal_of(decision: Decision) -> str:
    """The denylist's partition key for the user of an enforced decision."""
    return principal(*user_of(decision))


def entry_of(decision: Decision) -> DenyEntry | BroadDeny | None:
    """The decision's part of the denylist, or `None` if it denies nothing (simulated, or alert only)."""
    if not decision.enforced:
        return None
    if decision.scope in BROAD_SCOPES:
        return _broad_entry_of(decision)
    assert decision.expires_at is not None
    return DenyEntry(
        decision_id=decision.id,
        expires_at=decision.expires_at,
        not_before=decision.not_before,
        deny_until=decision.deny_until,
        session=decision.session,
    )


def _broad_entry_of(decision: Decision) -> BroadDeny:
    assert decision.deny_until is not None
    if decision.scope == "source_ip":
        return BroadDeny(decision.id, decision.deny_until, network=decision.value)
    assert decision.pool is not None
    return BroadDeny(decision.id, decision.deny_until, client=principal(decision.pool, decision.value))
