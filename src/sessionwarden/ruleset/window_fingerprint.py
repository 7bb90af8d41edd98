"""What a rule counts, as a name: rules that count the same share the sets they count with.

Enters: a compiled rule with those it builds on. Leaves: 16 hex digits. Invariant: two rules have the
same name only if the same events make the same members of both; titles, bounds and responses do not
matter, unless bounds are so high that a part of the events is looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from sessionwarden.correlations.registry import type_of
from sessionwarden.model.rules import CompiledRule, Inner, Selection

WINDOW_DIGEST_CHARACTERS = 16


def window_digest(rule: CompiledRule, inner: Mapping[str, CompiledRule]) -> str:
    """The digest of what `rule` counts; `inner` are the rules it builds on, by id."""
    members = {selection.rule: _selected(selection) for selection in rule.selections}
    members |= {one.rule: _matched(one, inner[one.rule]) for one in rule.inner}
    if rule.is_correlation and type_of(rule).in_order:
        tests = [members[step] for step in rule.steps]
    else:
        tests = sorted(set(members.values()))
    counted = [rule.kind, rule.timespan_ms, rule.value_field, rule.percentile, list(rule.group_by)]
    if rule.sampled_one_in > 1:
        counted.append(rule.sampled_one_in)
    content = _encode([counted, [test.decode() for test in tests]])
    return hashlib.sha256(content).hexdigest()[:WINDOW_DIGEST_CHARACTERS]


def _selected(selection: Selection) -> bytes:
    return _encode([selection.category, selection.expression, list(selection.fields)])


def _matched(inner: Inner, rule: CompiledRule) -> bytes:
    # an inner rule matches by its own window and bounds; its cooldown is part of names that are in use
    content: list[Any] = [rule.id, rule.window, list(rule.bounds), rule.response.cooldown_ms]
    return _encode([*content, list(inner.fields)])


def _encode(value: Any) -> bytes:
    return msgspec.json.encode(value, order="sorted")
