"""What limits all enforcement of a deployment: who is never acted upon, and how much may happen in an hour.

The half of `policy.yml` that only a deployment changes. Its other half, the defaults of rules, goes into each
rule's response when the rules are compiled. `policy.compiled` reads and writes the file `policy.json`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

REPEAT_DENY_SECONDS = (15 * 60, 3600, 4 * 3600, 24 * 3600)
RepeatDenies = Annotated[tuple[Annotated[int, msgspec.Meta(ge=1)], ...], msgspec.Meta(min_length=1)]
HourlyLimit = Annotated[int, msgspec.Meta(ge=1)]


class Protected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Principals that are never acted upon. Addresses are CIDR blocks without host bits."""

    users: tuple[str, ...] = ()
    usernames: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    source_ips: tuple[str, ...] = ()


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits that hold for every rule of a deployment.

    `enforcements_per_hour` counts decisions of the whole deployment that concern a user, or do more than
    deny one session. `alerts_per_hour` counts the alerts of each rule by itself, apart from those of such
    decisions. `broad_denies_per_hour` counts denies of clients and denies of networks, each by themselves.
    `repeat_deny_seconds`: for how long new sign-ins of a user are refused after the second act within a day,
    the third, and so on; the last holds for all that follow.
    """

    protected: Protected
    enforcements_per_hour: HourlyLimit
    alerts_per_hour: HourlyLimit
    broad_denies_per_hour: HourlyLimit
    repeat_deny_seconds: RepeatDenies = REPEAT_DENY_SECONDS
