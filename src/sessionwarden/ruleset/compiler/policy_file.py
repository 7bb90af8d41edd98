"""Reads `policy.yml`: the defaults of every rule, and the limits of all enforcement.

The defaults become part of each rule's response; the limits become a `Policy`, which is deployed apart from
the rules. Without a file rules observe, and each scope has the mildest actions that end its abuse. Invariant:
a policy is checked as strictly as a rule, since a misspelt `protected` would protect no principal.
"""

from __future__ import annotations

from ipaddress import IPv6Network, ip_network
from typing import Any, NamedTuple, cast

from sessionwarden.documents.check import Check, quoted
from sessionwarden.documents.durations import duration_seconds
from sessionwarden.documents.yaml import Path
from sessionwarden.model.finding import BROAD_SCOPES, Action, Mode, Scope
from sessionwarden.model.policy import Policy, Protected
from sessionwarden.ruleset.compiler.response_section import (
    MODES,
    Defaults,
    check_actions,
    check_broad_seconds,
    read_actions,
)
from sessionwarden.ruleset.vocabulary import ACTIONS, SCOPES

PROTECTED_NAMES = ("users", "usernames", "groups", "clients")

BUILT_IN_ACTIONS: dict[Scope, tuple[Action, ...]] = {
    "session": ("deny", "alert"),
    "user": ("deny", "sign_out", "alert"),
    "client": ("alert",),
    "identity": ("alert",),
    "source_ip": ("alert",),
}
BUILT_IN_COOLDOWN_SECONDS = 15 * 60
BUILT_IN_DURATIONS: dict[Scope, int] = {"client": 3600, "source_ip": 15 * 60}
"""Seconds. Many people may share an address, or another person may have it soon; a machine that misbehaves is
repaired within the hour."""
BUILT_IN_LIMITS = {"enforcements_per_hour": 20, "alerts_per_hour": 60, "broad_denies_per_hour": 20}
MAX_LIMITS = {"broad_denies_per_hour": 40}
WHY_MAX_LIMIT = "every authorizer reads a day's denies, every few seconds"
ADVICE = {
    "enforcements_per_hour": "to act on nobody, deploy in observe",
    "alerts_per_hour": "to be told nothing, leave alert out of the actions",
    "broad_denies_per_hour": "to deny no client and no address, let their rules alert alone",
}


class PolicyFile(NamedTuple):
    """What `policy.yml` says, with the built-in defaults where it says nothing."""

    defaults: Defaults
    policy: Policy


BUILT_IN = PolicyFile(
    Defaults("observe", BUILT_IN_COOLDOWN_SECONDS, BUILT_IN_ACTIONS, BUILT_IN_DURATIONS),
    Policy(protected=Protected(), **BUILT_IN_LIMITS),
)


def read_policy(check: Check) -> PolicyFile:
    """The policy of a document; mistakes are added to `check`."""
    data = check.typed(check.document.data, dict, ())
    if data is None:
        return BUILT_IN
    check.keys(data, ("defaults", "protected", "limits"), ())
    defaults = _read_defaults(check.section(data, "defaults", ()) or {}, check, ("defaults",))
    protected = _read_protected(check.section(data, "protected", ()) or {}, check, ("protected",))
    limits = _read_limits(check.section(data, "limits", ()) or {}, check, ("limits",))
    return PolicyFile(defaults, Policy(protected=protected, **limits))


def _read_defaults(section: dict[str, Any], check: Check, path: Path) -> Defaults:
    check.keys(section, ("mode", "cooldown", "actions", "durations"), path)
    mode = check.one_of(section["mode"], MODES, (*path, "mode")) if "mode" in section else None
    cooldown = None
    if "cooldown" in section:
        cooldown = duration_seconds(section["cooldown"], check, (*path, "cooldown"))
    actions = _read_scope_actions(check.section(section, "actions", path) or {}, check, (*path, "actions"))
    durations = _read_durations(check.section(section, "durations", path) or {}, check, (*path, "durations"))
    return Defaults(
        cast("Mode", mode or "observe"), cooldown or BUILT_IN_COOLDOWN_SECONDS, actions, durations
    )


def _read_durations(section: dict[str, Any], check: Check, path: Path) -> dict[Scope, int]:
    check.keys(section, BROAD_SCOPES, path)
    chosen = dict(BUILT_IN_DURATIONS)
    for scope in BROAD_SCOPES & section.keys():
        seconds = duration_seconds(section[scope], check, (*path, scope))
        if seconds is not None:
            check_broad_seconds(seconds, scope, check, (*path, scope))
            chosen[scope] = seconds
    return chosen


def _read_scope_actions(section: dict[str, Any], check: Check, path: Path) -> dict[Scope, tuple[Action, ...]]:
    check.keys(section, SCOPES, path)
    chosen = dict(BUILT_IN_ACTIONS)
    for scope in SCOPES:
        if scope not in section:
            continue
        actions = read_actions(section[scope], check, (*path, scope))
        if actions is not None:
            check_actions(actions, scope, check)
            named = {action for action, _ in actions}
            chosen[scope] = tuple(action for action in ACTIONS if action in named)
    return chosen


def _read_protected(section: dict[str, Any], check: Check, path: Path) -> Protected:
    check.keys(section, (*PROTECTED_NAMES, "source_ips"), path)
    names = {
        key: tuple(sorted(check.texts(section[key], (*path, key))))
        for key in PROTECTED_NAMES
        if key in section
    }
    return Protected(**names, source_ips=_read_networks(section, check, (*path, "source_ips")))


def _read_networks(section: dict[str, Any], check: Check, path: Path) -> tuple[str, ...]:
    value = section.get("source_ips", [])
    networks: list[str] = []
    for text in check.texts(value, path):
        here = (*path, value.index(text))
        try:
            network = ip_network(text)
        except ValueError as error:
            # a guess at what was meant could leave half of it unprotected
            check.refuse(here, f"{quoted(text)} is not an address or a CIDR block", _why_no_network(error))
            continue
        if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped:
            check.refuse(here, f"{quoted(text)} is an IPv4 address in IPv6", "write it as IPv4")
            continue
        networks.append(str(network))
    return tuple(sorted(set(networks)))


def _why_no_network(error: ValueError) -> str:
    return "it has host bits set" if "host bits" in str(error) else "like 203.0.113.0/24"


def _read_limits(section: dict[str, Any], check: Check, path: Path) -> dict[str, int]:
    check.keys(section, tuple(BUILT_IN_LIMITS), path)
    limits = dict(BUILT_IN_LIMITS)
    for key in BUILT_IN_LIMITS:
        limit: int | None = check.option(section, key, int, path)
        if limit is None:
            continue
        if limit < 1:
            check.refuse((*path, key), f"must be at least 1, not {limit}", ADVICE[key])
            continue
        if limit > MAX_LIMITS.get(key, limit):
            check.refuse((*path, key), f"must be at most {MAX_LIMITS[key]}, not {limit}", WHY_MAX_LIMIT)
            continue
        limits[key] = limit
    return limits
