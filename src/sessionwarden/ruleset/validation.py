"""The gate for compiled rules: a rule set that the engine must not run is refused, whatever compiled it.

Enters: a decoded rule set. Leaves: nothing, or `RulesetError`. `load_ruleset` asks it, and nothing else does:
what has been loaded can be evaluated for every event, and what is guaranteed of findings holds for it. Here
stands, without YAML, all that safety rests on: which fields may be a group key, that a finding names its
principal, that a finding which can be undone only alerts, that every number is within what a window holds,
and that chains of rules end. Leaves out: expressions, which `predicates.compile_expression` checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import NoReturn

from sessionwarden.correlations.bounds import go_together
from sessionwarden.correlations.correlation_type import PERCENTILES
from sessionwarden.correlations.registry import TYPES, type_of
from sessionwarden.correlations.sampling import MAX_SAMPLED_EVENTS, sampling_rate, why_never_sampled
from sessionwarden.correlations.time_grid import MAX_TIMESPAN_MS
from sessionwarden.errors import RulesetError
from sessionwarden.model.deny import MAX_BROAD_DENY_SECONDS
from sessionwarden.model.event import DERIVED_FIELDS, FIELDS, GROUPABLE_FIELDS, UNGROUPABLE_FIELDS
from sessionwarden.model.finding import BROAD_SCOPES
from sessionwarden.model.rules import CompiledRule
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.limits import ALIAS, MAX_PATTERNS, MAX_RULES, count_patterns, inner_rules_first
from sessionwarden.ruleset.vocabulary import SCOPE_ACTIONS
from sessionwarden.ruleset.window_fingerprint import window_digest

NAMED_FIELDS = FIELDS | DERIVED_FIELDS
"""A key that is called by one of these names holds that field."""


def refuse_unsafe(ruleset: CompiledRuleset) -> None:
    """Raise `RulesetError` for the first rule that must not run."""
    by_id = {rule.id: rule for rule in ruleset.rules}
    for rule in ruleset.rules:
        if rule.is_correlation and rule.kind not in TYPES:
            _refuse(rule, f"is of the unknown type {rule.kind}")
    if len(by_id) != len(ruleset.rules):
        raise RulesetError("two rules have the same id")
    for rule in ruleset.rules:
        _refuse_key(rule)
        _refuse_members(rule, by_id)
        _refuse_condition(rule)
    _refuse_rates(ruleset.rules)
    final: dict[str, bool] = {}
    for rule in inner_rules_first(ruleset.rules):
        above = not rule.is_correlation or type_of(rule).is_final(rule.bounds)
        below = all(final[one.rule] for one in rule.inner)
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
    aliases = [name for name in names if name not in NAMED_FIELDS]
    if not names or len(set(names)) < len(names) or not UNGROUPABLE_FIELDS.isdisjoint(names):
        _refuse(rule, f"cannot be grouped by {', '.join(names) or 'nothing'}")
    if not all(map(ALIAS.fullmatch, aliases)) or (aliases and not rule.is_correlation):
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
        if inner is None or not inner.is_correlation:
            raise RulesetError(f"rule {rule.id} builds on {one.rule}, which is no correlation of this set")
        _refuse_fields(rule, one.fields, frozenset(inner.group_by))
        if rule.value_field is not None and rule.value_field not in inner.group_by:
            _refuse(rule, f"counts {rule.value_field}, which {inner.id} does not have")
    if rule.inner and rule.is_correlation and not type_of(rule).counts_matches:
        _refuse(rule, "measures rules, which have no quantities")
    if not rule.is_correlation and (rule.inner or not rule.emits):
        _refuse(rule, "is of single events and builds on others or serves them")


def _member_names(rule: CompiledRule) -> list[str]:
    return [selection.rule for selection in rule.selections] + [inner.rule for inner in rule.inner]


def _refuse_fields(rule: CompiledRule, fields: Sequence[str], given: frozenset[str]) -> None:
    taken = tuple(fields) or rule.group_by
    if len(taken) != len(rule.group_by) or not given.issuperset(taken):
        _refuse(rule, f"cannot take its key from {', '.join(taken)}")
    for name, field in zip(rule.group_by, taken, strict=True):
        if (
            name in NAMED_FIELDS and name != field
        ):  # else a finding's `user` could be a text that anyone wrote
            _refuse(rule, f"calls {field} {name}")


def _refuse_condition(rule: CompiledRule) -> None:
    if not rule.is_correlation:
        _refuse_condition_of_single_events(rule)
        return
    correlation = type_of(rule)
    if not 0 < rule.timespan_ms <= MAX_TIMESPAN_MS:
        _refuse(rule, "has no usable threshold or timespan")
    _refuse_bounds(rule)
    judged: Set[str | None] = set(correlation.value_fields) or {None}
    if rule.value_field not in judged:
        _refuse(rule, f"counts values of {rule.value_field}")
    if rule.percentile not in (PERCENTILES if correlation.needs_percentile else (None,)):
        _refuse(rule, f"has the percentile {rule.percentile}")
    members = set(_member_names(rule))
    complete = len(rule.steps) == len(members) > 1 and members == set(rule.steps)
    if not complete if correlation.has_steps else rule.steps:
        _refuse(rule, f"has the steps {', '.join(rule.steps) or 'of nothing'}")


def _refuse_condition_of_single_events(rule: CompiledRule) -> None:
    if rule.timespan_ms or rule.bounds:
        _refuse(rule, "has no usable threshold or timespan")
    if rule.value_field is not None or rule.percentile is not None or rule.steps:
        _refuse(rule, "judges single events, and has a value field, a percentile or steps")


def _refuse_bounds(rule: CompiledRule) -> None:
    correlation = type_of(rule)
    if correlation.has_steps:
        usable = not rule.bounds
    else:
        usable = go_together([operator for operator, _ in rule.bounds])
    largest = correlation.largest_bound(of_matches=bool(rule.inner))
    if rule.sampled_one_in != 1:
        largest = MAX_SAMPLED_EVENTS
    for operator, bound in rule.bounds:
        least, most = correlation.least_and_most(operator, largest) if usable else (1, 0)
        usable = usable and least <= bound <= most
    if not usable:
        _refuse(rule, "has no usable threshold or timespan")


def _refuse_rates(rules: Sequence[CompiledRule]) -> None:
    """A rate that the compiler would not choose could match on one event, or on none of a million."""
    serving = {inner.rule for rule in rules for inner in rule.inner}
    for rule in rules:
        if rule.sampled_one_in == 1:
            continue
        exact = why_never_sampled(rule, serves=rule.id in serving) is not None
        if exact or rule.sampled_one_in != sampling_rate(rule.threshold):
            _refuse(rule, f"looks at one event in {rule.sampled_one_in}")


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
