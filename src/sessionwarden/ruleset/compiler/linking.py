"""Where the documents of a rule set meet: who is named what, who refers to whom, what a filter is for.

Enters: drafts of rules and filters. Leaves: for each correlation the drafts it refers to, for each
detection the filters that apply to it, and which rules only serve others. Invariants: a word names one
rule; no rule refers to itself, through whatever others; chains are at most `MAX_CHAIN` long. What is
wrong is in the drafts' checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sessionwarden.documents.check import nearest, quoted
from sessionwarden.ruleset.compiler.correlation_condition import Reference
from sessionwarden.ruleset.compiler.sigma_document import FilterDraft, RuleDraft
from sessionwarden.ruleset.limits import MAX_CHAIN, MAX_RULES
from sessionwarden.ruleset.load import canonical_json


class Links(NamedTuple):
    """What drafts mean to each other. Drafts are named by their `id()`, for two can say the same.

    `targets` are the rules of each correlation in its order, if all of them could be found. `unclear`
    if some reference could not be resolved: then a rule to which no correlation seems to refer may be meant.
    """

    targets: Mapping[int, tuple[RuleDraft, ...]]
    filters: Mapping[int, tuple[Any, ...]]
    silent: frozenset[int]
    unclear: bool


def link(drafts: Sequence[RuleDraft], filters: Sequence[FilterDraft], *, complete: bool) -> Links:
    """The links between all documents of a rule set.

    `complete` is false if a file could not be read: a rule that seems unknown may be in there.
    """
    words = Words(drafts, filters, complete=complete)
    resolved = {id(draft): _resolve(draft, words) for draft in drafts if draft.correlation is not None}
    referenced, generated = set(), set()
    for draft in drafts:
        if draft.correlation is not None:
            targets = {id(target) for target in resolved[id(draft)] if target is not None}
            referenced |= targets
            generated |= targets if draft.correlation.generate else set()
    found = {
        key: tuple(target for target in targets if target is not None)
        for key, targets in resolved.items()
        if targets and all(target is not None for target in targets)
    }
    return Links(
        targets=_without_endless(drafts, found),
        filters=_apply(filters, drafts, words),
        silent=frozenset((referenced - generated) | words.doubtful),
        unclear=len(found) < len(resolved),
    )


class Words:
    """All drafts of a rule set by the words they can be referred to with.

    `doubtful` are those, by `id()`, that a rule author may mean by a word which another rule has taken.
    """

    def __init__(
        self, drafts: Sequence[RuleDraft], filters: Sequence[FilterDraft], *, complete: bool
    ) -> None:
        self._complete = complete
        self._rules: dict[str, RuleDraft] = {}
        self.doubtful: set[int] = set()
        taken: dict[str, RuleDraft | FilterDraft] = {}
        documents: list[RuleDraft | FilterDraft] = [*drafts, *filters]
        for draft in documents:
            for name, path in draft.names:
                first = taken.setdefault(name.lower(), draft)
                if first is not draft:
                    draft.check.refuse(path, f"{quoted(name)} is taken by {_place_of(name, first)}")
                    self.doubtful.add(id(draft))
                elif isinstance(draft, RuleDraft):
                    self._rules[name.lower()] = draft

    def find(self, reference: Reference, by: RuleDraft | FilterDraft) -> RuleDraft | None:
        """The rule that a document refers to; `None` and a mistake if there is none."""
        name, path = reference
        rule = self.get(name)
        if rule is None and self._complete:
            names = [known for draft in self._rules.values() if draft is not by for known, _ in draft.names]
            by.check.refuse(path, f"no rule is named {quoted(name)}", nearest(name, names))
        return rule

    def get(self, name: str) -> RuleDraft | None:
        """The rule of that name or id."""
        return self._rules.get(name.lower())


def _place_of(name: str, draft: RuleDraft | FilterDraft) -> str:
    path = next(path for other, path in draft.names if other.lower() == name.lower())
    document = draft.check.document
    return f"{document.file}:{document.position(path).line}"


def _resolve(draft: RuleDraft, words: Words) -> tuple[RuleDraft | None, ...]:
    assert draft.correlation is not None
    found: list[RuleDraft | None] = []
    has_steps = draft.correlation.type is not None and draft.correlation.type.has_steps
    built_on = 0
    for name, path in draft.correlation.rules:
        target = words.find((name, path), draft)
        if target is not None and any(target is other for other in found):
            draft.check.refuse(path, f"{quoted(name)} is a rule that is listed already")
        found.append(target)
        built_on += has_steps or (target is not None and target.correlation is not None)
        if built_on == MAX_RULES + 1:
            draft.check.refuse(path, f"one correlation can order or build on {MAX_RULES} rules at most")
    return tuple(found)


def _without_endless(
    drafts: Sequence[RuleDraft], targets: Mapping[int, tuple[RuleDraft, ...]]
) -> dict[int, tuple[RuleDraft, ...]]:
    """`targets` without the correlations whose chains have no end, or one too far; those are mistakes."""
    ending: dict[int, tuple[RuleDraft, ...]] = {}
    for _ in range(MAX_CHAIN):
        ending |= {
            key: own
            for key, own in targets.items()
            if all(target.correlation is None or id(target) in ending for target in own)
        }
    endless = [draft for draft in drafts if id(draft) in targets.keys() - ending.keys()]
    below = {id(draft): _below(draft, targets) for draft in endless}
    circular = {key for key, reached in below.items() if key in reached}
    for draft in endless:
        reached = below[id(draft)]
        if id(draft) in circular:
            _refuse_chain(draft, targets, below, "leads back to this rule")
        elif reached <= targets.keys() - circular:  # else whatever is wrong is said of those below
            _refuse_chain(
                draft, targets, below, f"is one too many: {MAX_CHAIN} correlations may build on each other"
            )
    return ending


def _below(draft: RuleDraft, targets: Mapping[int, tuple[RuleDraft, ...]]) -> set[int]:
    """The correlations that a correlation builds on, itself included if it leads back to itself."""
    reached: set[int] = set()
    waiting = [draft]
    while waiting:
        for target in targets.get(id(waiting.pop()), ()):
            if target.correlation is not None and id(target) not in reached:
                reached.add(id(target))
                waiting.append(target)
    return reached


def _refuse_chain(
    draft: RuleDraft,
    targets: Mapping[int, tuple[RuleDraft, ...]],
    below: Mapping[int, set[int]],
    message: str,
) -> None:
    """Say `message` of the first reference that is part of the chain at fault."""
    assert draft.correlation is not None
    for (name, path), target in zip(draft.correlation.rules, targets[id(draft)], strict=True):
        leads_back = target is draft or id(draft) in below.get(id(target), ())
        if leads_back or (id(draft) not in below[id(draft)] and target.correlation is not None):
            draft.check.refuse(path, f"{quoted(name)} {message}")
            return


def _apply(
    filters: Sequence[FilterDraft], drafts: Sequence[RuleDraft], words: Words
) -> dict[int, tuple[Any, ...]]:
    applied: dict[int, dict[bytes, Any]] = {}
    for one in filters:
        name = canonical_json(one.expression)
        for draft in _filtered(one, drafts, words):
            if one.expression is not None:
                applied.setdefault(id(draft), {})[name] = one.expression
    # in an order of their own: the same rules give the same bytes, whatever their files are called
    return {key: tuple(found[name] for name in sorted(found)) for key, found in applied.items()}


def _filtered(one: FilterDraft, drafts: Sequence[RuleDraft], words: Words) -> list[RuleDraft]:
    if one.rules is None:
        found = [draft for draft in drafts if _covers(one, draft)]
        if not found and one.source is not None:
            one.check.refuse(("filter", "rules"), "no rule has this filter's log source")
        return found
    found = []
    for name, path in one.rules:
        draft = words.find((name, path), one)
        if draft is None or one.source is None:
            continue
        if draft.correlation is not None:
            one.check.refuse(path, f"{quoted(name)} is a correlation", "filter the rules that it refers to")
        elif draft.source is not None and not _covers(one, draft):
            one.check.refuse(path, f"{quoted(name)} has another log source", "it must be as in the filter")
        else:
            found.append(draft)
    return found


def _covers(one: FilterDraft, draft: RuleDraft) -> bool:
    """Whether a rule's log source is a filter's, or narrower."""
    return bool(one.source and draft.source) and (one.source or {}).items() <= (draft.source or {}).items()
