"""The deny entry of a decision: the same decision gives the same entry, whoever writes it, whenever.

Enters: a decision. Leaves: an entry under its user's principal, or, for scopes `client` and `source_ip`, the
entry that authorizers poll.
"""

from __future__ import annotations

from sessionwarden.model.decision import Decision
from sessionwarden.model.deny import BroadDeny, DenyEntry
from sessionwarden.model.finding import BROAD_SCOPES
from sessionwarden.model.principal import principal


def user_of(decision: Decision) -> tuple[str, str]:
    """Pool and sub of a decision that acts; policy lets none act that names no user of a pool."""
    assert decision.pool is not None
    assert decision.user is not None
    return decision.pool, decision.user


def principal_of(decision: Decision) -> str:
    """The denylist's partition key for the user of a decision that acts."""
    return principal(*user_of(decision))


def entry_of(decision: Decision) -> DenyEntry | BroadDeny | None:
    """Its part of the denylist, or `None` if it denies nothing (simulated, or alert only)."""
    if decision.simulated or "deny" not in decision.actions:
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
