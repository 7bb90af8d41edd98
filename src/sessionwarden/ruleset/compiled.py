"""The compiled form of a rule set: what is published, and what a Lambda loads.

Enters: versioned JSON written by the compiler. Leaves: immutable rules (`model.rules`) and the policy beside
them. Invariant: the same rules give the same bytes, so `digest` names a rule set.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from sessionwarden.model.rules import CompiledRule


class Protected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Principals that are never acted upon. Addresses are CIDR blocks without host bits."""

    users: tuple[str, ...] = ()
    usernames: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    source_ips: tuple[str, ...] = ()


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`rules/policy.yml` after checking, less the defaults that went into each rule's response.

    `enforcements_per_hour` holds for the deployment, `alerts_per_hour` for each rule by itself,
    `broad_denies_per_hour` for clients and for networks, each by themselves.
    """

    protected: Protected
    enforcements_per_hour: int
    alerts_per_hour: int
    broad_denies_per_hour: int


class CompiledRuleset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a deployment runs on. `digest` is SHA-256 over the canonical JSON of the rest."""

    format: Literal[1]
    digest: str
    rules: tuple[CompiledRule, ...]
    policy: Policy
