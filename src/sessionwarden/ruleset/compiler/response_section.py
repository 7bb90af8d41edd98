"""Reads a rule's `response` key and completes it with the policy's defaults.

Invariants: a rule that would act upon everybody, or for good, says so itself (`ruleset.dangers`); the scope's
value is always part of the group key, so that a finding names exactly one principal; an action is accepted
only where it can be carried out; a deny of a client or an address has an end; actions are in the order in
which they are carried out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from sessionwarden.documents.check import Check
from sessionwarden.documents.durations import duration_seconds
from sessionwarden.documents.yaml import Path
from sessionwarden.model.deny import MAX_BROAD_DENY_SECONDS
from sessionwarden.model.finding import BROAD_SCOPES, Action, Mode, Response, Scope
from sessionwarden.ruleset.dangers.dangers import ACKNOWLEDGEABLE, Danger
from sessionwarden.ruleset.vocabulary import ACTIONS, SCOPE_ACTIONS, SCOPES

KEYS = frozenset({"scope", "mode", "actions", "duration", "cooldown", "acknowledge"})
MODES = frozenset({"observe", "enforce"})


class Defaults(NamedTuple):
    """What holds for a rule that does not say otherwise."""

    mode: Mode
    cooldown_seconds: int
    actions: Mapping[Scope, tuple[Action, ...]]
    durations: Mapping[Scope, int]
    """Seconds that a client or an address is denied for."""


class RequestedResponse(NamedTuple):
    """A checked `response` key; `None` where it says nothing."""

    scope: Scope | None = None
    mode: Mode | None = None
    actions: tuple[tuple[Action, Path], ...] | None = None
    deny_seconds: int | None = None
    cooldown_seconds: int | None = None
    acknowledged: Mapping[str, Path] = MappingProxyType({})


def read_response(section: dict[str, Any], check: Check, path: Path) -> RequestedResponse:
    """What the `response` key says; `check` holds the mistakes."""
    check.keys(section, KEYS, path)
    scope = check.one_of(section["scope"], SCOPES, (*path, "scope")) if "scope" in section else None
    mode = check.one_of(section["mode"], MODES, (*path, "mode")) if "mode" in section else None
    actions = _read_actions(section["actions"], check, (*path, "actions")) if "actions" in section else None
    return RequestedResponse(
        scope=scope if scope in SCOPES else None,
        mode=cast("Mode | None", mode if mode in MODES else None),
        actions=actions,
        deny_seconds=_duration(section, "duration", check, path),
        cooldown_seconds=_duration(section, "cooldown", check, path),
        acknowledged=_read_acknowledged(section, check, (*path, "acknowledge")),
    )


def _read_acknowledged(section: dict[str, Any], check: Check, path: Path) -> Mapping[str, Path]:
    if "acknowledge" not in section:
        return {}
    words = check.texts(section["acknowledge"], path)
    if section["acknowledge"] == []:
        check.refuse(path, "must not be empty", "leave it out if there is nothing to acknowledge")
    return {word: here for word, here in words.items() if check.one_of(word, ACKNOWLEDGEABLE, here)}


def _read_actions(value: Any, check: Check, path: Path) -> tuple[tuple[Action, Path], ...] | None:
    """The actions of a list, each with its place; `None` if there was a mistake."""
    before = len(check.diagnostics)
    names = check.texts(value, path)
    if value == []:
        check.refuse(path, "must not be empty", "alert alone is the least")
    places: list[tuple[Action, Path]] = []
    for name, here in names.items():
        if check.one_of(name, ACTIONS, here) in ACTIONS:
            places.append((cast("Action", name), here))
    return tuple(places) if len(check.diagnostics) == before else None


def why_not_done(action: Action, scope: Scope) -> tuple[str, str] | None:
    """Message and hint if `action` cannot be done about `scope`; `None` if it can."""
    if action in SCOPE_ACTIONS[scope]:
        return None
    if action in ("sign_out", "disable_user"):
        return f"{action} needs scope user, not {scope}", ""
    return f"{action} is not supported for scope {scope}", "another scope, or alert alone"


def why_too_long(seconds: int, scope: Scope) -> tuple[str, str] | None:
    """Message and hint if a client or an address may not be denied for so long; `None` if it may."""
    if seconds <= MAX_BROAD_DENY_SECONDS:
        return None
    hours = MAX_BROAD_DENY_SECONDS // 3600
    return f"a {scope} is denied for {hours}h at most", "a new finding denies it again"


def choose_scope(
    requested: RequestedResponse, group_by: tuple[str, ...], check: Check, path: Path
) -> Scope | None:
    """The scope of a correlation: as asked, else the narrowest principal of its group-by."""
    given = ", ".join(group_by)
    if requested.scope is not None and requested.scope not in group_by:
        hint = f"add {requested.scope} to the group-by"
        check.refuse(
            (*path, "response", "scope"), f"scope {requested.scope} is not in the group-by ({given})", hint
        )
        return None
    scope = requested.scope or next((scope for scope in SCOPES if scope in group_by), None)
    if scope is None:
        place = (*path, "correlation", "group-by")
        check.refuse(place, f"no principal is named by {given}", f"add one of {', '.join(SCOPES)}")
    return scope


def resolve(
    requested: RequestedResponse,
    scope: Scope,
    defaults: Defaults,
    *,
    timespan_seconds: int,
    undoable: str | None,
    check: Check,
    path: Path,
) -> Response:
    """The response of a rule with `scope`; `check` holds what cannot be done.

    `undoable` is the part of the rule whose finding a late event can still undo, if there is one. Then
    it may only alert: what was done to a person cannot depend on the order in which events arrive.
    """
    here = (*path, "response")
    if requested.actions is not None:
        for action, place in requested.actions:
            if not_done := why_not_done(action, scope):
                check.refuse(place, *not_done)
        chosen = {action for action, _ in requested.actions}
    else:
        chosen = set(defaults.actions[scope])
    if undoable is not None and chosen != {"alert"}:
        _leave_alert_alone(requested, undoable, check, (*path, "correlation", "condition"))
        chosen = {"alert"}
    deny_seconds = requested.deny_seconds
    if deny_seconds is not None and ("deny" not in chosen or scope == "session"):
        why = (
            "a session's deny lasts as long as the session"
            if scope == "session"
            else "it says how long to deny"
        )
        check.refuse((*here, "duration"), "duration needs the action deny, and no scope session", why)
    if scope in BROAD_SCOPES and "deny" in chosen:
        deny_seconds = deny_seconds or defaults.durations[scope]
        if too_long := why_too_long(deny_seconds, scope):
            check.refuse((*here, "duration"), *too_long)
    # twice the timespan: in a shorter period every member still matters for the next, so writes never pause
    cooldown = requested.cooldown_seconds or max(defaults.cooldown_seconds, 2 * timespan_seconds)
    return Response(
        scope=scope,
        mode=requested.mode or defaults.mode,
        actions=tuple(action for action in ACTIONS if action in chosen),
        deny_seconds=deny_seconds,
        cooldown_ms=cooldown * 1000,
    )


def check_acknowledged(
    requested: RequestedResponse, dangers: Iterable[Danger], mode: Mode, check: Check
) -> None:
    """Refuse dangers that the `response` key does not acknowledge; note those that it does, or needlessly."""
    found = {danger.word: danger.effect for danger in dangers}
    for word, effect in found.items():
        if word in requested.acknowledged:
            check.note(requested.acknowledged[word], f"acknowledged: {effect}")
            continue
        place: Path = ("response", "mode")  # or, if the policy says it, the nearest that is there
        hint = f"narrow the rule, let it observe, or add acknowledge: [{word}] to its response"
        check.refuse(place, effect, hint)
    for word, place in requested.acknowledged.items():
        if mode == "enforce" and word not in found:
            check.note(place, f"{word} was not found: nothing needs to be acknowledged", "leave it out")


def _leave_alert_alone(requested: RequestedResponse, undoable: str, check: Check, path: Path) -> None:
    why = f"a late event can undo what {undoable} finds"
    if requested.actions is None:
        check.note(path, f"{why}: this rule only alerts", "write actions: [alert] to say so")
    for action, place in requested.actions or ():
        if action != "alert":
            check.refuse(place, f"{action} is not supported here, for {why}", "alert alone")


def _duration(section: dict[str, Any], key: str, check: Check, path: Path) -> int | None:
    return duration_seconds(section[key], check, (*path, key)) if key in section else None
