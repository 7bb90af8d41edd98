"""Compiled rules that the engine must not run are refused, whoever compiled them.

Enters: a decoded rule set. Leaves: nothing, or `RulesetError`. Here stands again, without YAML, all that
safety rests on: who may be a group key, that a finding names its principal, that what can be undone only
alerts, that every number is within what a window holds, that rules which build on each other come to an
end. Leaves out: expressions, which `predicates.compile_expression` checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from sessionwarden.errors import RulesetError
from sessionwarden.model.deny import MAX_BROAD_DENY_SECONDS
from sessionwarden.model.event import FIELDS, LIST_FIELDS, UNGROUPABLE_FIELDS
from sessionwarden.model.finding import BROAD_SCOPES
from sessionwarden.ruleset.compiled import CompiledRule, CompiledRuleset, Kind
from sessionwarden.ruleset.compiler.sampling import SAMPLED_THRESHOLD, sampling_rate, why_never_sampled
from sessionwarden.ruleset.limits import (
    ALIAS,
    COUNTS,
    MAX_CHAIN,
    MAX_PATTERNS,
    MAX_RULES,
    NUMBER_FIELDS,
    NUMBER_KINDS,
    PERCENTILES,
    TEMPORAL,
    count_patterns,
    go_together,
    is_final,
    largest_bound,
    least_and_most,
)
from sessionwarden.ruleset.vocabulary import SCOPE_ACTIONS
from sessionwarden.ruleset.window_fingerprint import window_digest

GROUPABLE_FIELDS = FIELDS - UNGROUPABLE_FIELDS
VALUE_FIELDS: dict[Kind, frozenset[str]] = {
    "value_count": FIELDS - LIST_FIELDS,
    **dict.fromkeys(NUMBER_KINDS, NUMBER_FIELDS),
}


def refuse_unsafe(ruleset: CompiledRuleset) -> None:
    """Raise `RulesetError` for the first rule that must not run."""
    by_id = {rule.id: rule for rule in ruleset.rules}
    if len(by_id) != len(ruleset.rules):
        raise RulesetError("two rules have the same id")
    for rule in ruleset.rules:
        _refuse_key(rule)
        _refuse_members(rule, by_id)
        _refuse_condition(rule)
    _refuse_rates(ruleset.rules)
    final: dict[str, bool] = {}
    for rule in _from_below(ruleset.rules):
        above, below = is_final(rule.kind, rule.bounds), all(final[one.rule] for one in rule.inner)
        if not above and not below:
            _refuse(rule, "can be undone by what can be undone itself")
        final[rule.id] = above and below
        _refuse_actions(rule, final=final[rule.id])
    _refuse_false_windows(ruleset.rules, by_id)
    if (patterns := count_patterns(ruleset.rules)) > MAX_PATTERNS:
        raise RulesetError(f"{patterns} regular expressions, more than {MAX_PATTERNS}")


def _refuse(rule: CompiledRule, why: str) -> NoReturn:
    raise RulesetError(f"rule {rule.id} {why}")


def _refuse_key(rule: CompiledRule) -> None:
    names = rule.group_by
    aliases = [name for name in names if name not in FIELDS]
    if not names or len(set(names)) < len(names) or not UNGROUPABLE_FIELDS.isdisjoint(names):
        _refuse(rule, f"cannot be grouped by {', '.join(names) or 'nothing'}")
    if not all(map(ALIAS.fullmatch, aliases)) or (aliases and rule.kind == "event"):
        _refuse(rule, f"cannot be grouped by {', '.join(names)}")
    if rule.response.scope not in names:
        _refuse(rule, f"does not group by its scope, {rule.response.scope}")


def _refuse_members(rule: CompiledRule, by_id: Mapping[str, CompiledRule]) -> None:
    members = _member_names(rule)
    if not members:
        _refuse(rule, "selects nothing")
    if len(set(members)) < len(members):
        _refuse(rule, "has two members of one name")
    if max(len(rule.inner), len(rule.steps)) > MAX_RULES:
        _refuse(rule, f"takes more than {MAX_RULES} rules")
    for selection in rule.selections:
        _refuse_fields(rule, selection.fields, GROUPABLE_FIELDS)
    for one in rule.inner:
        inner = by_id.get(one.rule)
        if inner is None or inner.kind == "event":
            raise RulesetError(f"rule {rule.id} builds on {one.rule}, which is no correlation of this set")
        _refuse_fields(rule, one.fields, frozenset(inner.group_by))
        if rule.value_field is not None and rule.value_field not in inner.group_by:
            _refuse(rule, f"counts {rule.value_field}, which {inner.id} does not have")
    if rule.inner and rule.kind in NUMBER_KINDS:
        _refuse(rule, "measures rules, which have no quantities")
    if rule.kind == "event" and (rule.inner or not rule.emits):
        _refuse(rule, "is of single events and builds on others or serves them")


def _member_names(rule: CompiledRule) -> list[str]:
    return [selection.rule for selection in rule.selections] + [inner.rule for inner in rule.inner]


def _refuse_fields(rule: CompiledRule, fields: Sequence[str], given: frozenset[str]) -> None:
    taken = tuple(fields) or rule.group_by
    if len(taken) != len(rule.group_by) or not given.issuperset(taken):
        _refuse(rule, f"cannot take its key from {', '.join(taken)}")
    for name, field in zip(rule.group_by, taken, strict=True):
        if name in FIELDS and name != field:  # else a finding's `user` could be a text that anyone wrote
            _refuse(rule, f"calls {field} {name}")


def _refuse_condition(rule: CompiledRule) -> None:
    if (rule.timespan_ms > 0) == (rule.kind == "event"):
        _refuse(rule, "has no usable threshold or timespan")
    _refuse_bounds(rule)
    if rule.value_field not in VALUE_FIELDS.get(rule.kind, {None}):
        _refuse(rule, f"counts values of {rule.value_field}")
    if rule.percentile not in (PERCENTILES if rule.kind == "value_percentile" else (None,)):
        _refuse(rule, f"has the percentile {rule.percentile}")
    members = set(_member_names(rule))
    in_order = len(rule.steps) == len(members) > 1 and members == set(rule.steps)
    if not in_order if rule.kind in TEMPORAL else rule.steps:
        _refuse(rule, f"has the steps {', '.join(rule.steps) or 'of nothing'}")


def _refuse_bounds(rule: CompiledRule) -> None:
    if rule.kind == "event" or rule.kind in TEMPORAL:
        usable = not rule.bounds
    else:
        usable = go_together([operator for operator, _ in rule.bounds])
    # a firing can be in a set as often as a value can
    kind = "value_count" if rule.inner and rule.kind in COUNTS else rule.kind
    largest = largest_bound(kind) if rule.sampled_one_in == 1 else SAMPLED_THRESHOLD
    for operator, bound in rule.bounds:
        least, most = least_and_most(operator, kind, largest) if usable else (1, 0)
        usable = usable and least <= bound <= most
    if not usable:
        _refuse(rule, "has no usable threshold or timespan")


def _refuse_rates(rules: Sequence[CompiledRule]) -> None:
    """A rate of somebody's own would fire on a single event, or on none of a million."""
    serving = {inner.rule for rule in rules for inner in rule.inner}
    for rule in rules:
        if rule.sampled_one_in == 1:
            continue
        exact = why_never_sampled(rule, serves=rule.id in serving) is not None
        if exact or rule.sampled_one_in != sampling_rate(rule.threshold):
            _refuse(rule, f"looks at one event in {rule.sampled_one_in}")


def _from_below(rules: Sequence[CompiledRule]) -> list[CompiledRule]:
    """The rules in an order in which each comes after those it builds on."""
    ordered: dict[str, CompiledRule] = {}
    for _ in range(MAX_CHAIN):
        ready = [rule for rule in rules if all(one.rule in ordered for one in rule.inner)]
        ordered |= {rule.id: rule for rule in ready}
    for rule in rules:
        if rule.id not in ordered:
            _refuse(rule, f"builds on itself, or on more than {MAX_CHAIN} others in a row")
    return list(ordered.values())


def _refuse_actions(rule: CompiledRule, *, final: bool) -> None:
    response = rule.response
    if not set(response.actions) <= set(SCOPE_ACTIONS[response.scope]):
        _refuse(rule, f"cannot do {', '.join(response.actions)} about a {response.scope}")
    if not final and (response.actions != ("alert",) or response.deny_seconds is not None):
        _refuse(rule, "acts on what a late event can undo")
    if response.scope in BROAD_SCOPES and "deny" in response.actions:
        _refuse_unsafe_broad(rule)


def _refuse_unsafe_broad(rule: CompiledRule) -> None:
    scope = rule.response.scope
    if not 1 <= (rule.response.deny_seconds or 0) <= MAX_BROAD_DENY_SECONDS:
        _refuse(rule, f"denies a {scope} without an end")
    if scope == "client" and "pool" not in rule.group_by:
        _refuse(rule, "denies a client whose pool it does not know")


def _refuse_false_windows(rules: Sequence[CompiledRule], by_id: Mapping[str, CompiledRule]) -> None:
    """Rules of one window are evaluated by the selections of the first: they must count the same."""
    sharing: dict[str, list[CompiledRule]] = {}
    for rule in rules:
        sharing.setdefault(rule.window, []).append(rule)
    for window, readers in sharing.items():
        if len(readers) > 1 and len({window_digest(rule, by_id) for rule in readers}) > 1:
            raise RulesetError(f"rules {', '.join(rule.id for rule in readers)} cannot share {window}")
