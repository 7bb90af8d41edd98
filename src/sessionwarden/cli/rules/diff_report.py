"""Shows how two rule sets differ, and whom one would touch, on a terminal or as JSON.

Invariant: a rule's texts come from a file that another person may have written, or from what is published, so
they are made printable before they reach a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sessionwarden.model.rules import CompiledRule
from sessionwarden.printable import printable
from sessionwarden.replay.impact import Impact
from sessionwarden.ruleset.diff import Differences, FieldChange

TEXT_LIMIT = 120


def as_json(found: Differences) -> dict[str, Any]:
    """Ids and titles of rules that came and went; of changed ones every field, before and after."""
    return {
        "added": [_named(rule) for rule in found.added],
        "removed": [_named(rule) for rule in found.removed],
        "changed": [
            _named(change.rule)
            | {"counts_anew": change.counts_anew, "fields": [field._asdict() for field in change.fields]}
            for change in found.changed
        ],
        "weakened": [_named(one.rule) | {"reasons": one.reasons} for one in found.weakened],
    }


def as_lines(found: Differences) -> Iterator[str]:
    """A line for a rule, and one for each of its fields that changed."""
    if found.none:
        yield "No difference."
    for rule in found.added:
        yield f"+ {_title(rule)} ({rule.response.mode}: {', '.join(rule.response.actions)})"
    for rule in found.removed:
        yield f"- {_title(rule)}"
    for change in found.changed:
        yield f"~ {_title(change.rule)}"
        yield from map(_field, change.fields)
        if change.counts_anew:
            yield "    counts anew: what its windows hold now is not counted on"
    for one in found.weakened:
        yield f"! acted until now: {_title(one.rule)}: {'; '.join(one.reasons)}"


def impact_lines(impact: Impact, titles: dict[str, str]) -> Iterator[str]:
    """What a replay says of a rule set."""
    yield f"users in the log     {impact.users_seen:,}"
    yield f"would be touched     {impact.users_touched:,} ({impact.share:.2%})"
    yield f"if all enforced      {impact.users_touched + impact.users_observed:,}"
    if impact.others:
        yield f"and, with their users: {impact.others:,} clients, networks or identities"
    for rule, count in impact.findings.items():
        users = impact.users_by_rule.get(rule)
        who = f", {users:,} users" if users is not None else ", alert only"
        yield f"    {printable(titles.get(rule, rule), limit=TEXT_LIMIT)}: {count:,} findings{who}"


def _named(rule: CompiledRule) -> dict[str, Any]:
    return {"id": rule.id, "title": rule.title}


def _title(rule: CompiledRule) -> str:
    return f"{printable(rule.id, limit=TEXT_LIMIT)}  {printable(rule.title, limit=TEXT_LIMIT)}"


def _field(change: FieldChange) -> str:
    return f"    {change.path}: {_value(change.before)} → {_value(change.after)}"


def _value(value: Any) -> str:
    return "none" if value is None else printable(json.dumps(value), limit=TEXT_LIMIT)
