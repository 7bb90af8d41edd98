"""The compiled form of a rule set: what is published, and all that a Lambda ever loads.

Enters: versioned JSON written by `compile`. Leaves: immutable rules whose expressions are data;
`predicates` turns an expression into a function of an event. No YAML and no pySigma here.
Invariant: the same rules give the same bytes, so `digest` names a rule set.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from sessionwarden.model.event import Category
from sessionwarden.model.finding import Level, Response

Kind = Literal["event", "event_count", "value_count"]


class Selection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One Sigma detection: which events of `category` match. `expression` is for `predicates`."""

    rule: str
    category: Category
    expression: Any


class CompiledRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule that can emit findings.

    An event is a member if any selection matches and every `group_by` field is present. Kind
    `event` emits on each member; `event_count` when a half-open interval `(t - timespan_ms, t]`
    holds `threshold` members of one group key; `value_count` when it holds `threshold` distinct
    values of `value_field`. `window` is the digest of selections, group-by, timespan and value
    field: rules that only differ in threshold or response share their windows.
    """

    id: str
    title: str
    level: Level
    kind: Kind
    selections: tuple[Selection, ...]
    group_by: tuple[str, ...]
    response: Response
    window: str
    timespan_ms: int = 0
    threshold: int = 1
    value_field: str | None = None


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
    `polled_denies_per_hour` for clients and for networks, each by themselves.
    """

    protected: Protected
    enforcements_per_hour: int
    alerts_per_hour: int
    polled_denies_per_hour: int


class CompiledRuleset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a deployment runs on. `digest` is SHA-256 over the canonical JSON of the rest."""

    format: Literal[1]
    digest: str
    rules: tuple[CompiledRule, ...]
    policy: Policy
