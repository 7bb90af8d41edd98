"""Linked drafts in, compiled rules out.

Here a rule gets its group key from every rule it refers to, its scope, its response and the name of
its window. Invariants: a key's field that has the name of an event field holds that very field,
whichever rule an event came by; a rule whose finding can be undone only alerts.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from sessionwarden.correlations.bounds import LOWER
from sessionwarden.correlations.registry import type_of
from sessionwarden.correlations.sampling import sampling_rate, why_never_sampled
from sessionwarden.documents.check import quoted
from sessionwarden.documents.yaml import Path
from sessionwarden.errors import RulesetError
from sessionwarden.model.finding import Response, Scope
from sessionwarden.model.rules import SINGLE_EVENT, CompiledRule, Inner, Selection
from sessionwarden.ruleset.compiler.correlation_section import Correlation
from sessionwarden.ruleset.compiler.group_keys import key_fields
from sessionwarden.ruleset.compiler.linking import Links
from sessionwarden.ruleset.compiler.response_section import (
    Defaults,
    check_acknowledged,
    choose_scope,
    resolve,
)
from sessionwarden.ruleset.compiler.sampling import doubt_in_words
from sessionwarden.ruleset.compiler.sigma_document import RuleDraft
from sessionwarden.ruleset.compiler.size import MAX_VALUES_OF_SET, Weights
from sessionwarden.ruleset.dangers.dangers import Dangers
from sessionwarden.ruleset.matching.predicates import compile_expression, too_deep
from sessionwarden.ruleset.window_fingerprint import window_digest

DEFAULT_SCOPE: Scope = "source_ip"
"""Of a rule that fires on single events: the address is the one principal every event has."""


def assemble(drafts: Sequence[RuleDraft], links: Links, defaults: Defaults) -> list[CompiledRule]:
    """Every rule that the engine evaluates, by id; what is wrong is in the drafts' checks."""
    assembler = _Assembler(links, defaults)
    compiled = [(draft, rule) for draft in drafts if (rule := assembler.rule(draft)) is not None]
    # judged by what rules match, so only where nothing is wrong with them
    if not any(draft.check.diagnostics for draft in drafts[:1]):
        _check_dangers(compiled)
    return sorted((rule for _, rule in compiled), key=lambda rule: rule.id)


def _check_dangers(compiled: Sequence[tuple[RuleDraft, CompiledRule]]) -> None:
    dangers = Dangers({rule.id: rule for _, rule in compiled})
    for draft, rule in compiled:
        check_acknowledged(draft.requested, dangers.of(rule), rule.response.mode, draft.check)


class _Assembler:
    def __init__(self, links: Links, defaults: Defaults) -> None:
        self._links = links
        self._defaults = defaults
        self._done: dict[int, CompiledRule | None] = {}
        self._selections: dict[int, Selection | None] = {}
        self._parts: dict[int, str | None] = {}
        self._weights = Weights()
        self._values = 0
        self._serving = {id(target) for targets in links.targets.values() for target in targets}

    def rule(self, draft: RuleDraft) -> CompiledRule | None:
        """The rule of a draft; `None` if it has none of its own, or a mistake."""
        if id(draft) not in self._done:
            self._done[id(draft)] = self._assemble(draft)
        return self._done[id(draft)]

    def _assemble(self, draft: RuleDraft) -> CompiledRule | None:
        silent = id(draft) in self._links.silent
        if draft.id is None and not silent and not (self._links.unclear and draft.names):
            _refuse_nameless(draft)
        if draft.correlation is not None:
            return self._correlation(draft, emits=not silent)
        selection = self._selection(draft)
        return None if silent else self._single_events(draft, selection)

    def _single_events(self, draft: RuleDraft, selection: Selection | None) -> CompiledRule | None:
        scope = draft.requested.scope or DEFAULT_SCOPE
        response = self._response(draft, scope, 0, None)
        _refuse_client_without_pool(draft, response, (scope,), ("response",))
        if draft.id is None or selection is None or not self._fits(draft, [selection]):
            return None
        rule = CompiledRule(
            id=draft.id,
            title=draft.title,
            level=draft.level,
            kind=SINGLE_EVENT,
            selections=(selection,),
            group_by=(scope,),
            response=response,
            window="",
        )
        return msgspec.structs.replace(rule, window=window_digest(rule, {}))

    def _correlation(self, draft: RuleDraft, *, emits: bool) -> CompiledRule | None:
        part = draft.correlation
        if part is None or part.group_by is None:
            return None
        scope = choose_scope(draft.requested, part.group_by, draft.check, ())
        if scope is None:
            return None
        undoable = self._undoable(draft)
        response = self._response(draft, scope, part.timespan_seconds or 0, undoable, emits=emits)
        _refuse_client_without_pool(draft, response, part.group_by, ("correlation", "group-by"))
        name = draft.id or (draft.names[0][0] if draft.names else None)
        targets = self._links.targets.get(id(draft))
        if part.correlation is None or targets is None or name is None:
            return None
        fields = key_fields(draft, targets)
        members = [self._member(target, own) for target, own in zip(targets, fields or (), strict=False)]
        if fields is None or None in members:
            return None
        selections = [member for member in members if isinstance(member, Selection)]
        inner = [member for member in members if isinstance(member, Inner)]
        if not self._fits(draft, selections):
            return None
        steps = [member.rule for member in members if member is not None]
        correlation = part.correlation
        if inner:
            _check_reach(draft, correlation)
        rule = CompiledRule(
            id=name,
            title=draft.title,
            level=draft.level,
            kind=correlation.type.name,
            selections=tuple(sorted(selections, key=lambda selection: selection.rule)),
            group_by=correlation.group_by,
            response=response,
            window="",
            timespan_ms=correlation.timespan_seconds * 1000,
            bounds=correlation.bounds,
            value_field=correlation.value_field,
            percentile=correlation.percentile,
            steps=_steps(correlation, steps),
            inner=tuple(sorted(inner, key=lambda one: one.rule)),
            emits=emits,
        )
        below = {found.id: found for target in targets if (found := self.rule(target))}
        rule = self._sampled(draft, rule)
        return msgspec.structs.replace(rule, window=window_digest(rule, below))

    def _sampled(self, draft: RuleDraft, rule: CompiledRule) -> CompiledRule:
        """The rule with its rate. A note tells the rule's author."""
        path = ("correlation", "condition")
        why = why_never_sampled(rule, serves=id(draft) in self._serving)
        if why is not None:
            # the bounds were read before it was known whether a part of the events would be enough
            most = type_of(rule).largest_bound(of_matches=False)
            if not rule.inner and any(bound > most for _, bound in rule.bounds):
                draft.check.refuse(path, f"must be at most {most} here, where no event is left out: {why}")
            return rule
        rule = msgspec.structs.replace(rule, sampled_one_in=sampling_rate(rule.threshold))
        if rule.sampled_one_in > 1:
            draft.check.note(path, doubt_in_words(rule))
        return rule

    def _member(self, target: RuleDraft, fields: tuple[str, ...]) -> Selection | Inner | None:
        if target.correlation is not None:
            rule = self.rule(target)
            return None if rule is None else Inner(rule=rule.id, fields=fields)
        selection = self._selection(target)
        return None if selection is None else msgspec.structs.replace(selection, fields=fields)

    def _selection(self, draft: RuleDraft) -> Selection | None:
        if id(draft) not in self._selections:
            self._selections[id(draft)] = self._select(draft)
        return self._selections[id(draft)]

    def _select(self, draft: RuleDraft) -> Selection | None:
        if draft.category is None or draft.expression is None or not draft.names:
            return None
        filters = self._links.filters.get(id(draft), ())
        expression = ["and", draft.expression, *filters] if filters else draft.expression
        if self._weights.of(expression) > MAX_VALUES_OF_SET:
            draft.check.refuse(("detection",), "too large with its filters")
            return None
        if too_deep(expression):
            draft.check.refuse(("detection", "condition"), "nested too deeply")
            return None
        if not draft.check.diagnostics:  # else a part of it may be missing
            try:
                compile_expression(expression)
            except RulesetError as error:
                draft.check.refuse(("detection",), f"cannot be run: {error}")
                return None
        return Selection(rule=draft.id or draft.names[0][0], category=draft.category, expression=expression)

    def _fits(self, draft: RuleDraft, selections: Sequence[Selection]) -> bool:
        """Whether the set is still of a bearable size with these as parts of one more rule."""
        self._values += sum(self._weights.of(selection.expression) for selection in selections)
        if self._values > MAX_VALUES_OF_SET:
            message = f"with this rule the set holds more than {MAX_VALUES_OF_SET:,} tests and values"
            draft.check.refuse((), message, "a list counts for each rule that it becomes part of")
        return self._values <= MAX_VALUES_OF_SET

    def _response(
        self, draft: RuleDraft, scope: Scope, seconds: int, undoable: str | None, *, emits: bool = True
    ) -> Response:
        # a silent rule does nothing, so notes about what it would do only disturb
        check = draft.check if emits else draft.check._replace(notes=None)
        return resolve(
            draft.requested,
            scope,
            self._defaults,
            timespan_seconds=seconds,
            undoable=undoable,
            check=check,
            path=(),
        )

    def _undoable(self, draft: RuleDraft) -> str | None:
        """The part of a rule, or of one that it builds on, whose finding a late event can undo."""
        if id(draft) not in self._parts:
            self._parts[id(draft)] = self._find_undoable(draft)
        return self._parts[id(draft)]

    def _find_undoable(self, draft: RuleDraft) -> str | None:
        if draft.correlation is None or draft.correlation.correlation is None:
            return None
        correlation = draft.correlation.correlation
        own = None if correlation.type.is_final(correlation.bounds) else _undoable_part(correlation)
        for target in self._links.targets.get(id(draft), ()):
            part = self._undoable(target)
            if part is not None and own is not None:
                why = f"{own} cannot judge {quoted(target.title)}, which {part} can undo itself"
                draft.check.refuse(("correlation", "condition"), why, "use gt or gte alone")
            if part is not None:
                return f"{part} of {quoted(target.title)}"
        return own


def _check_reach(draft: RuleDraft, correlation: Correlation) -> None:
    """A match can be in a set once for each bucket, as a value can, and so as many can be told apart."""
    most = correlation.type.largest_bound(of_matches=True)
    for _, bound in correlation.bounds:
        if bound > most:
            path = ("correlation", "condition")
            draft.check.refuse(path, f"correlations can be counted up to {most}, not to {bound}")


def _undoable_part(correlation: Correlation) -> str:
    if not correlation.type.grows:
        return correlation.type.name
    return next(operator for operator, _ in correlation.bounds if operator not in LOWER)


def _steps(correlation: Correlation, members: Sequence[str]) -> tuple[str, ...]:
    if not correlation.type.has_steps:
        return ()
    return tuple(members) if correlation.type.in_order else tuple(sorted(members))


def _refuse_client_without_pool(
    draft: RuleDraft, response: Response, group_by: tuple[str, ...], place: Path
) -> None:
    """A client's id is only known within its pool, and a deny names both."""
    if response.scope == "client" and "deny" in response.actions and "pool" not in group_by:
        draft.check.refuse(place, "a deny of a client needs its pool", "count by client and pool")


def _refuse_nameless(draft: RuleDraft) -> None:
    if ("id",) not in draft.check.document.positions:
        draft.check.refuse((), "id is missing", "a UUID, which findings and decisions will name")
