"""Protects principals from every action, by sub, username, group or app client, and networks from denies.

Matching is exact. In a pool with case-sensitive usernames `ADMIN` and `admin` are two people, and a looser
match would let an attacker sign up for immunity. A username is unique within one pool only, so where several
pools are watched, a sub is the safer entry. A protected network only guards against denies of addresses: its
users are many, and an attacker who reaches it must not be immune.
"""

from __future__ import annotations

from ipaddress import ip_network

from sessionwarden.model.finding import Finding
from sessionwarden.model.policy import Protected
from sessionwarden.policy.networks import Network, never_denied, overlaps


def is_protected(finding: Finding, protected: Protected) -> bool:
    """Whether anything that the finding knows of its principal is on the list."""
    return (
        finding.user in protected.users
        or finding.username in protected.usernames
        or finding.client in protected.clients
        or not set(protected.groups).isdisjoint(finding.groups or ())
    )


def is_protected_network(network: Network, protected: Protected) -> bool:
    """Whether any of its addresses is on the list, or is one that may never be denied."""
    return never_denied(network) or overlaps(network, map(ip_network, protected.source_ips))


def lacks_facts(finding: Finding, protected: Protected) -> bool:
    """Whether the list asks for a name or for groups that the finding does not carry.

    Access logs carry neither, since both are text that a client may have chosen. Until the user pool was
    asked, such a finding does not say whether its user is protected.
    """
    return bool(
        (protected.usernames and finding.username is None) or (protected.groups and finding.groups is None)
    )
