"""`policy.yml` in, the defaults of every rule and the limits of all enforcement out.

Without a file the same defaults hold: rules observe, and each scope gets the mildest actions that
end its abuse. Invariant: a policy is checked as strictly as a rule, since a misspelt `protected`
would protect nobody.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from sessionwarden.model.finding import Action, Mode, Scope
from sessionwarden.ruleset.checking import Check
from sessionwarden.ruleset.compiled import Policy, Protected
from sessionwarden.ruleset.durations import duration_seconds
from sessionwarden.ruleset.responses import MODES, Defaults, check_actions, read_actions
from sessionwarden.ruleset.vocabulary import ACTIONS, SCOPES
from sessionwarden.yamldoc import Path

PROTECTED_KEYS = ("users", "usernames", "groups", "clients")

BUILT_IN_ACTIONS: dict[Scope, tuple[Action, ...]] = {
    "session": ("deny", "alert"),
    "user": ("deny", "sign_out", "alert"),
    "client": ("alert",),
    "identity": ("alert",),
    "source_ip": ("alert",),
}
BUILT_IN_COOLDOWN_SECONDS = 15 * 60
BUILT_IN_LIMITS = {"enforcements_per_hour": 20, "alerts_per_hour": 60}
ADVICE = {
    "enforcements_per_hour": "to act on nobody, deploy in observe",
    "alerts_per_hour": "to be told nothing, leave alert out of the actions",
}


class PolicyFile(NamedTuple):
    """What `policy.yml` says, with the built-in defaults where it says nothing."""

    defaults: Defaults
    policy: Policy


BUILT_IN = PolicyFile(
    Defaults("observe", BUILT_IN_COOLDOWN_SECONDS, BUILT_IN_ACTIONS),
    Policy(protected=Protected(), **BUILT_IN_LIMITS),
)


def read_policy(check: Check) -> PolicyFile:
    """The policy of a document; `check` holds the mistakes."""
    data = check.typed(check.document.data, dict, ())
    if data is None:
        return BUILT_IN
    check.keys(data, ("defaults", "protected", "limits"), ())
    defaults = _read_defaults(check.section(data, "defaults", ()) or {}, check, ("defaults",))
    protected = _read_protected(check.section(data, "protected", ()) or {}, check, ("protected",))
    limits = _read_limits(check.section(data, "limits", ()) or {}, check, ("limits",))
    return PolicyFile(defaults, Policy(protected=protected, **limits))


def _read_defaults(section: dict[str, Any], check: Check, path: Path) -> Defaults:
    check.keys(section, ("mode", "cooldown", "actions"), path)
    mode = check.one_of(section["mode"], MODES, (*path, "mode")) if "mode" in section else None
    cooldown = None
    if "cooldown" in section:
        cooldown = duration_seconds(section["cooldown"], check, (*path, "cooldown"))
    actions = _read_scope_actions(check.section(section, "actions", path) or {}, check, (*path, "actions"))
    return Defaults(cast("Mode", mode or "observe"), cooldown or BUILT_IN_COOLDOWN_SECONDS, actions)


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
    check.keys(section, PROTECTED_KEYS, path)
    names = {
        key: tuple(sorted(check.texts(section[key], (*path, key))))
        for key in PROTECTED_KEYS
        if key in section
    }
    return Protected(**names)


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
        limits[key] = limit
    return limits
