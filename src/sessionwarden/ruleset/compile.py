"""Rule files in, a compiled rule set out, or every mistake of all files at once.

YAML is read by `files`, each document is checked by `rulefile`, and here the rules meet: ids and
names are unique, references resolve, responses get the policy's defaults. Invariant: the result
depends on what the rules say, not on the names or the order of the files, so the same rules give
the same bytes. Runs on the machine of whoever publishes rules, never in a Lambda.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from sessionwarden.errors import InputFileError, Mistake
from sessionwarden.model.finding import Response, Scope
from sessionwarden.ruleset import files
from sessionwarden.ruleset.checking import Check, quoted
from sessionwarden.ruleset.compiled import CompiledRule, CompiledRuleset, Selection
from sessionwarden.ruleset.load import FORMAT, canonical_json, digest_of
from sessionwarden.ruleset.policyfile import BUILT_IN, PolicyFile, read_policy
from sessionwarden.ruleset.responses import Defaults, choose_scope, resolve
from sessionwarden.ruleset.rulefile import RuleDraft, read_rule
from sessionwarden.ruleset.vocabulary import nearest
from sessionwarden.yamldoc import Path as Place

DEFAULT_SCOPE: Scope = "source_ip"
"""Of a rule that fires on single events: the address is the one principal every event has."""

WINDOW_DIGEST_CHARACTERS = 16


def compile_rules(paths: Sequence[Path], policy: Path | None = None) -> CompiledRuleset:
    """The rule set of the files and folders `paths`.

    `policy` defaults to the `policy.yml` in a folder of `paths`, then to the built-in defaults.
    Raises `InputFileError` with every mistake of every file.
    """
    policy_path = policy or files.policy_file(paths)
    policy_file, mistakes = _read_policy_file(policy_path)
    rule_files = [file for file in files.rule_files(paths) if file.name not in files.POLICY_NAMES]
    documents, unread = files.read_files(rule_files)
    mistakes += unread
    drafts = [draft for document in documents if (draft := read_rule(Check(document, mistakes)))]
    if not drafts and not mistakes:
        mistakes.append(Mistake(", ".join(map(str, paths)) or "no path", 0, 0, "", "no rules found"))
    rules = _Rules(drafts, complete=not unread)
    compiled = rules.compile(policy_file.defaults)
    if mistakes:
        raise InputFileError(mistakes)
    ruleset = CompiledRuleset(format=FORMAT, digest="", rules=tuple(compiled), policy=policy_file.policy)
    return msgspec.structs.replace(ruleset, digest=digest_of(ruleset))


def dump_ruleset(ruleset: CompiledRuleset) -> bytes:
    """The canonical bytes of a rule set, which `load.load_ruleset` reads."""
    return canonical_json(ruleset)


def window_digest(
    selections: Iterable[Selection], group_by: Sequence[str], timespan_ms: int, value_field: str | None
) -> str:
    """What a window counts, in 16 hex digits: the same count under another title is the same window."""
    tests = sorted({canonical_json([selection.category, selection.expression]) for selection in selections})
    content = [[test.decode() for test in tests], list(group_by), timespan_ms, value_field]
    return hashlib.sha256(canonical_json(content)).hexdigest()[:WINDOW_DIGEST_CHARACTERS]


def _read_policy_file(path: Path | None) -> tuple[PolicyFile, list[Mistake]]:
    if path is None:
        return BUILT_IN, []
    documents, mistakes = files.read_files([path])
    if len(documents) > 1:
        mistakes.append(documents[1].mistake((), "a policy is one document"))
    if not documents:
        return BUILT_IN, mistakes
    return read_policy(Check(documents[0], mistakes)), mistakes


class _Usage:
    """How correlations use the other rules.

    `unclear` if some reference could not be resolved: a rule that nobody refers to may be meant.
    """

    def __init__(self) -> None:
        self.referenced: set[int] = set()
        self.generated: set[int] = set()
        self.unclear = False

    def silences(self, draft: RuleDraft) -> bool:
        """Whether the rule only serves correlations and emits nothing itself."""
        return id(draft) in self.referenced - self.generated


class _Rules:
    """All drafts of a rule set, by the words they can be referred to with.

    `complete` is false if a file could not be read: a rule that seems unknown may be in there.
    """

    def __init__(self, drafts: Sequence[RuleDraft], *, complete: bool) -> None:
        self._drafts = drafts
        self._complete = complete
        self._by_name: dict[str, list[RuleDraft]] = {}
        for draft in drafts:
            for name, path in draft.names:
                same = self._by_name.setdefault(name.lower(), [])
                if same and same[0] is not draft:
                    draft.check.refuse(path, f"{quoted(name)} is taken by {_place_of(name, same[0])}")
                same.append(draft)

    def compile(self, defaults: Defaults) -> list[CompiledRule]:
        """Every rule that emits findings, by id; what is wrong is in the drafts' checks."""
        usage = self._resolve_references()
        compiled = []
        for draft in self._drafts:
            if usage.silences(draft):
                continue
            if draft.id is None and not (usage.unclear and draft.names):
                _refuse_nameless(draft)
            rule = self._compile(draft, defaults)
            if rule is not None:
                compiled.append(rule)
        return sorted(compiled, key=lambda rule: rule.id)

    def _resolve_references(self) -> _Usage:
        usage = _Usage()
        for draft in self._drafts:
            if draft.correlation is None:
                continue
            usage.unclear |= not draft.correlation.rules
            for name, path in draft.correlation.rules:
                targets = self._by_name.get(name.lower(), [])
                usage.unclear |= not targets
                if not targets and self._complete:
                    draft.check.refuse(path, f"no rule is named {quoted(name)}", nearest(name, self._names()))
                elif any(target.correlation is not None for target in targets):
                    draft.check.refuse(path, "a correlation of correlations is not supported")
                usage.referenced |= set(map(id, targets))
                if draft.correlation.generate:
                    usage.generated |= set(map(id, targets))
        return usage

    def _names(self) -> list[str]:
        return [name for draft in self._drafts if draft.correlation is None for name, _ in draft.names]

    def _compile(self, draft: RuleDraft, defaults: Defaults) -> CompiledRule | None:
        if draft.correlation is not None:
            return self._compile_correlation(draft, defaults)
        scope = draft.wish.scope or DEFAULT_SCOPE
        response = resolve(draft.wish, scope, defaults, timespan_seconds=0, check=draft.check, path=())
        _refuse_client_without_pool(draft, response, (scope,), ("response",))
        if draft.id is None or draft.category is None or draft.expression is None:
            return None
        selections = (_selection(draft),)
        return CompiledRule(
            id=draft.id,
            title=draft.title,
            level=draft.level,
            kind="event",
            selections=selections,
            group_by=(scope,),
            response=response,
            window=window_digest(selections, (scope,), 0, None),
        )

    def _compile_correlation(self, draft: RuleDraft, defaults: Defaults) -> CompiledRule | None:
        part = draft.correlation
        if part is None or part.group_by is None:
            return None
        scope = choose_scope(draft.wish, part.group_by, draft.check, ())
        if scope is None:
            return None
        seconds = part.timespan_seconds or 0
        response = resolve(draft.wish, scope, defaults, timespan_seconds=seconds, check=draft.check, path=())
        _refuse_client_without_pool(draft, response, part.group_by, ("correlation", "group-by"))
        correlation = part.correlation
        if draft.id is None or correlation is None:
            return None
        targets = [target for name, _ in part.rules for target in self._by_name.get(name.lower(), [])]
        usable = [target for target in targets if target.expression is not None and target.category]
        if len(usable) < len(part.rules):
            return None
        selections = tuple(sorted(map(_selection, usable), key=lambda selection: selection.rule))
        timespan_ms = correlation.timespan_seconds * 1000
        return CompiledRule(
            id=draft.id,
            title=draft.title,
            level=draft.level,
            kind=correlation.kind,
            selections=selections,
            group_by=correlation.group_by,
            response=response,
            window=window_digest(selections, correlation.group_by, timespan_ms, correlation.value_field),
            timespan_ms=timespan_ms,
            bounds=(("gte", correlation.threshold),),
            value_field=correlation.value_field,
        )


def _place_of(name: str, draft: RuleDraft) -> str:
    path = next(path for other, path in draft.names if other.lower() == name.lower())
    document = draft.check.document
    return f"{document.file}:{document.place(path).line}"


def _refuse_nameless(draft: RuleDraft) -> None:
    if ("id",) not in draft.check.document.places:
        draft.check.refuse((), "id is missing", "a UUID, which findings and decisions will name")


def _refuse_client_without_pool(
    draft: RuleDraft, response: Response, group_by: tuple[str, ...], place: Place
) -> None:
    """A client's id is only known within its pool, and a deny names both."""
    if response.scope == "client" and "deny" in response.actions and "pool" not in group_by:
        draft.check.refuse(place, "a deny of a client needs its pool", "count by client and pool")


def _selection(draft: RuleDraft) -> Selection:
    assert draft.category is not None
    return Selection(rule=draft.id or draft.names[0][0], category=draft.category, expression=draft.expression)
