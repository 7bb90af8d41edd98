"""A rule, an event and what came before it in, the whole reason of the rule's answer out.

Enters: a catalog, an event, the events of a log before it. Leaves: for each rule which selections matched
and which test failed, the group key, where the window stands, whether a finding is raised, and what policy
would make of one. Invariant: whether it fires is the engine's answer, and what is done is the policy's; the
rest is there to explain them. Assumes a deployment that enforces in the event's own user pool.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from sessionwarden.adapters.memory.windows import NO_LIMIT, MemoryWindowStore
from sessionwarden.authoring.catalog import Catalog
from sessionwarden.authoring.window_progress import Held, held, members_by_key, membership
from sessionwarden.correlations.sampling import sample_of
from sessionwarden.correlations.values import GroupKey
from sessionwarden.detection.acceptance import is_our_refusal
from sessionwarden.detection.windows.group_key import shown_key
from sessionwarden.model.decision import Decision
from sessionwarden.model.event import Category, Event
from sessionwarden.model.finding import Finding
from sessionwarden.model.rules import CompiledRule, Selection
from sessionwarden.policy.decide import decide, needs_user_facts
from sessionwarden.policy.deployment import Deployment
from sessionwarden.replay.replayer import Replayer
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.matching.explain import Node, explain_expression

BATCH = 10_000


class SelectionAnswer(NamedTuple):
    """What one selection of a rule makes of the event; no `tree` if it is for another source."""

    name: str
    category: Category
    tree: Node | None
    missing: tuple[str, ...]

    @property
    def matched(self) -> bool:
        return self.tree is not None and self.tree.matched


class KeyAnswer(NamedTuple):
    """A group key that the event counts for, and what follows from that. `missing` are steps by name."""

    key: dict[str, str]
    held: Held
    missing: tuple[str, ...]
    fires: bool
    matched_before: bool
    decision: Decision
    asks_pool: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAnswer:
    """What one rule makes of the event. `inner` are the rules whose matches it counts instead.

    `left_out` if it counts a sample of its events, and this one is not in it.
    """

    rule: CompiledRule
    selections: tuple[SelectionAnswer, ...]
    keys: tuple[KeyAnswer, ...]
    refused_by_us: bool
    left_out: bool
    inner: tuple[str, ...]

    @property
    def concerns(self) -> bool:
        """Whether any selection takes events of this source."""
        return any(selection.tree is not None for selection in self.selections)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a log says before an event: what can still be in a window, and the engine's findings.

    `before` are those of the log, `now` those that the event then raises.
    """

    event: Event
    recent: tuple[Event, ...]
    before: tuple[Finding, ...]
    now: tuple[Finding, ...]


def look_back(ruleset: CompiledRuleset, log: Iterable[Event], event: Event) -> Past:
    """The past of `event`: those of the log up to its time, itself left out."""
    longest_ms = max(rule.timespan_ms for rule in ruleset.rules)
    replayer = Replayer(ruleset, MemoryWindowStore(member_limit=NO_LIMIT))
    earlier = (
        one for one in log if one.time <= event.time and (one.source, one.id) != (event.source, event.id)
    )
    recent: list[Event] = []
    before: list[Finding] = []
    while block := list(islice(earlier, BATCH)):
        recent += [one for one in block if one.time > event.time - longest_ms]
        before += replayer.feed(block)
    return Past(event=event, recent=tuple(recent), before=tuple(before), now=replayer.feed([event]))


def explain_rule(catalog: Catalog, rule: CompiledRule, past: Past) -> RuleAnswer:
    """What `rule` makes of the event of `past`."""
    event = past.event
    selections = tuple(_selection_answer(catalog, rule, one, event) for one in rule.selections)
    sample = sample_of(rule)
    return RuleAnswer(
        rule=rule,
        selections=selections,
        keys=tuple(_key_answers(catalog, rule, past)),
        refused_by_us=is_our_refusal(event),
        left_out=any(one.matched for one in selections) and sample is not None and not sample(event),
        inner=tuple(catalog.names.get(inner.rule, inner.rule) for inner in rule.inner),
    )


def _selection_answer(
    catalog: Catalog, rule: CompiledRule, selection: Selection, event: Event
) -> SelectionAnswer:
    source = catalog.source(selection.rule)
    name = catalog.names.get(selection.rule, selection.rule)
    if selection.category != event.source:
        return SelectionAnswer(name, selection.category, None, ())
    names = None if source is None else source.detections()
    tree = explain_expression(selection.expression, event, names)
    needed = [*(selection.fields or rule.group_by), *([rule.value_field] if rule.value_field else [])]
    missing = tuple(field for field in needed if getattr(event, field) is None)
    return SelectionAnswer(name, selection.category, tree, missing)


def _key_answers(catalog: Catalog, rule: CompiledRule, past: Past) -> Iterable[KeyAnswer]:
    event = past.event
    keys = membership(rule)(event)
    members = members_by_key(rule, (*past.recent, event)) if keys else {}
    for key in keys:
        shown = shown_key(rule.group_by, key)
        raised = _of(past.now, rule, shown)
        finding = raised or _as_if_found(catalog, rule, event, key)
        deployment = _enforcing(catalog, finding)
        standing = held(rule, members[key], until=event.time)
        yield KeyAnswer(
            key=shown,
            held=standing,
            missing=tuple(catalog.names.get(step, step) for step in standing.missing),
            fires=raised is not None,
            matched_before=_of(past.before, rule, shown) is not None,
            decision=decide(finding, deployment, now_ms=event.time),
            asks_pool=needs_user_facts(finding, deployment),
        )


def _of(findings: Iterable[Finding], rule: CompiledRule, key: dict[str, str]) -> Finding | None:
    return next((one for one in findings if one.rule == rule.id and one.key == key), None)


def _enforcing(catalog: Catalog, finding: Finding) -> Deployment:
    pools = () if finding.pool is None else (finding.pool,)
    return Deployment(mode="enforce", pools=pools, policy=catalog.policy)


def _as_if_found(catalog: Catalog, rule: CompiledRule, event: Event, key: GroupKey) -> Finding:
    """The finding that this event would raise, had enough come before it."""
    return Finding(
        id="none",
        rule=rule.id,
        title=rule.title,
        level=rule.level,
        ruleset_digest=catalog.ruleset.digest,
        response=rule.response,
        key=shown_key(rule.group_by, key),
        time=event.time,
        first_time=event.time,
        count=0,
        events=(event.id,),
        pool=event.pool,
        user=event.user,
        username=event.username,
        session=event.session,
        client=event.client,
        identity=event.identity,
        groups=event.groups,
        source_ip=event.source_ip,
        api_id=event.api_id,
        route=event.route,
    )
