"""Compares two rule sets: rules by id, and in each changed rule the fields that differ.

It compares compiled rule sets, so that comments, order and the names of files make no difference. Invariant:
of two sets of one format, there is no difference if and only if the digests are equal. It also says what a
list of fields does not: whether a rule begins to count anew, and whether a rule that acted may do less.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from sessionwarden.model.rules import CompiledRule
from sessionwarden.ruleset.compiled import CompiledRuleset

ABSENT = None
"""A field that one of the two does not have. No field that is present is null."""


class FieldChange(NamedTuple):
    """One field, by its path in dots, as JSON would hold it."""

    path: str
    before: Any
    after: Any


class RuleChange(NamedTuple):
    """A rule that both sets have. `counts_anew` if what it counts changed: its windows start empty."""

    rule: CompiledRule
    fields: tuple[FieldChange, ...]
    counts_anew: bool


class Weakened(NamedTuple):
    """A rule that acted upon people, and what it no longer does. It may be gone."""

    rule: CompiledRule
    reasons: tuple[str, ...]


class Differences(NamedTuple):
    """Rules are in order of their ids.

    `weakened` names again those rules that a reader must not overlook: what they stopped until now, they
    might no longer stop.
    """

    added: tuple[CompiledRule, ...]
    removed: tuple[CompiledRule, ...]
    changed: tuple[RuleChange, ...]
    weakened: tuple[Weakened, ...]

    @property
    def none(self) -> bool:
        """Whether the two hold the same rules."""
        return not any(self)


def differences(before: CompiledRuleset, after: CompiledRuleset) -> Differences:
    """What `after` has that `before` has not, and the other way around."""
    old = {rule.id: rule for rule in before.rules}
    new = {rule.id: rule for rule in after.rules}
    return Differences(
        added=tuple(new[name] for name in sorted(new.keys() - old.keys())),
        removed=tuple(old[name] for name in sorted(old.keys() - new.keys())),
        changed=tuple(
            _rule_change(old[name], new[name])
            for name in sorted(old.keys() & new.keys())
            if old[name] != new[name]
        ),
        weakened=tuple(
            Weakened(old[name], reasons)
            for name in sorted(old)
            if _enforces(old[name]) and (reasons := _weaknesses(old[name], new.get(name)))
        ),
    )


def _enforces(rule: CompiledRule) -> bool:
    return rule.emits and rule.response.mode == "enforce" and set(rule.response.actions) != {"alert"}


def _weaknesses(before: CompiledRule, after: CompiledRule | None) -> tuple[str, ...]:
    """Why a rule that acted may do less, in words. One line in a filter can silence it: that counts."""
    if after is None or not after.emits:
        return ("is gone",)
    old, new = before.response, after.response
    lost = [action for action in old.actions if action not in new.actions]
    said = {
        "only observes": new.mode != "enforce",
        f"no longer does {', '.join(lost)}": bool(lost),
        "acts on another scope": old.scope != new.scope,
        "counts other events, keys or times": before.window != after.window
        or _counted(before) != _counted(after),
        "has another threshold": before.bounds != after.bounds or before.percentile != after.percentile,
    }
    return tuple(words for words, applies in said.items() if applies)


def _counted(rule: CompiledRule) -> tuple[object, ...]:
    return rule.kind, rule.selections, rule.group_by, rule.value_field, rule.steps, rule.inner


def _rule_change(before: CompiledRule, after: CompiledRule) -> RuleChange:
    return RuleChange(
        rule=after, fields=_field_changes(before, after), counts_anew=before.window != after.window
    )


def _field_changes(before: CompiledRule, after: CompiledRule) -> tuple[FieldChange, ...]:
    old, new = _flat(msgspec.to_builtins(before)), _flat(msgspec.to_builtins(after))
    return tuple(
        FieldChange(path, old.get(path, ABSENT), new.get(path, ABSENT))
        for path in sorted(old.keys() | new.keys())
        # the digest of what is counted: `counts_anew` says it in words
        if path != "window" and old.get(path, ABSENT) != new.get(path, ABSENT)
    )


def _flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Maps within maps by paths; lists stay whole, since the order of selections means nothing to people."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
