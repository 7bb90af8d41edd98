"""Two rule sets in, what changed between them out: rules by id, and in each the fields that differ.

Enters: compiled rule sets, so that comments, order and the names of files make no difference. Leaves: plain
values for people or JSON. Invariant: there is no difference if and only if the digests are equal. It also
says what a list of fields does not: whether a rule begins to count anew, and what only a deployment changes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from sessionwarden.ruleset.compiled import CompiledRule, CompiledRuleset, Policy

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


class Differences(NamedTuple):
    """Rules are in order of their ids. `policy` is what publishing alone does not change."""

    added: tuple[CompiledRule, ...]
    removed: tuple[CompiledRule, ...]
    changed: tuple[RuleChange, ...]
    policy: tuple[FieldChange, ...]

    @property
    def none(self) -> bool:
        """Whether the two are the same rule set."""
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
        policy=_field_changes(before.policy, after.policy),
    )


def _rule_change(before: CompiledRule, after: CompiledRule) -> RuleChange:
    return RuleChange(
        rule=after, fields=_field_changes(before, after), counts_anew=before.window != after.window
    )


def _field_changes(before: CompiledRule | Policy, after: CompiledRule | Policy) -> tuple[FieldChange, ...]:
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
