"""Principals that are never acted upon, by sub, username, group or app client.

Matching is exact. In a pool with case-sensitive usernames `ADMIN` and `admin` are two people, and a
looser match would let a stranger sign up for immunity. A username is unique within one pool only, so
where several pools are watched, a sub is the safer entry.
"""

from __future__ import annotations

from sessionwarden.model.finding import Finding
from sessionwarden.ruleset.compiled import Protected


def is_protected(finding: Finding, protected: Protected) -> bool:
    """Whether anything that the finding knows of its principal is on the list."""
    return (
        finding.user in protected.users
        or finding.username in protected.usernames
        or finding.client in protected.clients
        or not set(protected.groups).isdisjoint(finding.groups or ())
    )


def lacks_facts(finding: Finding, protected: Protected) -> bool:
    """Whether the list asks for a name or for groups that the finding does not carry.

    Access logs carry neither, since both are text that a client may have chosen; such a finding says
    nothing about who is protected until the user pool was asked.
    """
    return bool(
        (protected.usernames and finding.username is None) or (protected.groups and finding.groups is None)
    )
