"""Compiled bytes in, a checked rule set out: all of `ruleset` that a Lambda needs besides predicates.

Invariant: what is loaded is what was compiled. The format version, every type, the digest and the
rules that safety rests on (who may be a group key, thresholds of at least one) are checked again,
for the bytes came through a store and a network. Leaves out: expressions, which
`predicates.compile_expression` checks when the engine builds its functions.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from sessionwarden.errors import RulesetError
from sessionwarden.model.deny import MAX_POLLED_SECONDS
from sessionwarden.model.event import FIELDS, UNGROUPABLE_FIELDS
from sessionwarden.model.finding import POLLED_SCOPES
from sessionwarden.ruleset.compiled import CompiledRule, CompiledRuleset, Policy

FORMAT: Final = 1

_decoder = msgspec.json.Decoder(CompiledRuleset, strict=True)


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no white space: equal values give equal bytes."""
    return msgspec.json.encode(value, order="sorted")


def digest_of(ruleset: CompiledRuleset) -> str:
    """SHA-256, in hex, over the canonical JSON of the rule set without its digest."""
    content = msgspec.to_builtins(ruleset)
    del content["digest"]
    return hashlib.sha256(canonical_json(content)).hexdigest()


def policy_digest(policy: Policy) -> str:
    """SHA-256, in hex, of what a deployment alone decides: who is protected, how much may happen."""
    return hashlib.sha256(canonical_json(policy)).hexdigest()


def load_ruleset(data: bytes) -> CompiledRuleset:
    """The rule set that `compile.dump_ruleset` wrote.

    Raises `RulesetError` if the bytes are not a rule set of this format version, are damaged, or
    hold a rule that the engine must not run.
    """
    try:
        ruleset = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RulesetError(f"not a compiled rule set of format {FORMAT}: {error}") from error
    if ruleset.digest != digest_of(ruleset):
        raise RulesetError("the rule set's digest does not match its content")
    ids = [rule.id for rule in ruleset.rules]
    if len(set(ids)) != len(ids):
        raise RulesetError("two rules have the same id")
    for rule in ruleset.rules:
        _refuse_unsafe(rule)
    return ruleset


def _refuse_unsafe(rule: CompiledRule) -> None:
    group_by = frozenset(rule.group_by)
    if not group_by or not group_by <= FIELDS - UNGROUPABLE_FIELDS:
        raise RulesetError(f"rule {rule.id} cannot be grouped by {', '.join(rule.group_by) or 'nothing'}")
    if rule.response.scope not in group_by:
        raise RulesetError(f"rule {rule.id} does not group by its scope, {rule.response.scope}")
    if rule.threshold < 1 or (rule.timespan_ms > 0) == (rule.kind == "event"):
        raise RulesetError(f"rule {rule.id} has no usable threshold or timespan")
    if (rule.value_field in FIELDS) != (rule.kind == "value_count"):
        raise RulesetError(f"rule {rule.id} counts values of {rule.value_field}")
    if not rule.selections:
        raise RulesetError(f"rule {rule.id} selects nothing")
    if rule.response.scope in POLLED_SCOPES and set(rule.response.actions) != {"alert"}:
        _refuse_unsafe_polled(rule, group_by)


def _refuse_unsafe_polled(rule: CompiledRule, group_by: frozenset[str]) -> None:
    response = rule.response
    if not {"deny", "alert"}.issuperset(response.actions):
        raise RulesetError(f"rule {rule.id} does to a {response.scope} what only a user can suffer")
    if not 1 <= (response.deny_seconds or 0) <= MAX_POLLED_SECONDS:
        raise RulesetError(f"rule {rule.id} denies a {response.scope} without an end")
    if response.scope == "client" and "pool" not in group_by:
        raise RulesetError(f"rule {rule.id} denies a client whose pool it does not know")
