"""Compiles rule files and `policy.yml`, or reports every mistake of all files at once.

YAML is read by `files`, each document is checked by `sigma_document`; the rules meet in `linking`, and
`assembly` puts together what a Lambda runs. The policy's defaults become part of each rule's response; who is
protected and how much may happen stays apart, in a `Policy`. Invariant: the result depends on what the rules
say, not on the names or the order of the files, so the same rules have the same bytes. Runs on the machine of
the person who publishes rules, never in a Lambda.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from sessionwarden.documents.check import Check
from sessionwarden.documents.files import read_files
from sessionwarden.documents.yaml import Document
from sessionwarden.errors import Diagnostic, InputFileError
from sessionwarden.model.policy import Policy
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.compiler import files
from sessionwarden.ruleset.compiler.assembly import assemble
from sessionwarden.ruleset.compiler.linking import link
from sessionwarden.ruleset.compiler.policy_file import BUILT_IN, PolicyFile, read_policy
from sessionwarden.ruleset.compiler.sigma_document import FilterDraft, RuleDraft, read_document
from sessionwarden.ruleset.compiler.size import is_of_bearable_size
from sessionwarden.ruleset.limits import MAX_PATTERNS, count_patterns
from sessionwarden.ruleset.load import canonical_json, digest_of


class CheckedRules(NamedTuple):
    """A rule set without mistakes, and what its authors should know all the same, in order of place.

    `policy` is what limits enforcement, and is no part of the rule set. `documents` are those of the rules,
    in the order of the files.
    """

    ruleset: CompiledRuleset
    policy: Policy
    notes: tuple[Diagnostic, ...]
    documents: tuple[Document, ...]


def compile_rules(paths: Sequence[Path], policy: Path | None = None) -> CompiledRuleset:
    """The rule set of the files and folders `paths`, as `check_rules` reads them."""
    return check_rules(paths, policy).ruleset


def check_rules(paths: Sequence[Path], policy: Path | None = None) -> CheckedRules:
    """The rule set of the files and folders `paths`, with notes.

    `policy` defaults to the `policy.yml` in a folder of `paths`, then to the built-in defaults.
    Raises `InputFileError` with every mistake of every file.
    """
    policy_path = policy or files.policy_file(paths)
    policy_file, diagnostics = _read_policy_file(policy_path)
    rule_files = [file for file in files.rule_files(paths) if file.name not in files.POLICY_NAMES]
    documents, unread = read_files(rule_files)
    diagnostics += unread
    notes: list[Diagnostic] = []
    if not is_of_bearable_size(documents, diagnostics):
        raise InputFileError(diagnostics)
    drafts = [read_document(Check(document, diagnostics, notes)) for document in documents]
    rules = [draft for draft in drafts if isinstance(draft, RuleDraft)]
    filters = [draft for draft in drafts if isinstance(draft, FilterDraft)]
    if not rules and not diagnostics:
        diagnostics.append(Diagnostic(_named(paths), 0, 0, "", "no rules found"))
    links = link(rules, filters, complete=not unread)
    compiled = assemble(rules, links, policy_file.defaults)
    if (patterns := count_patterns(compiled)) > MAX_PATTERNS:
        what = f"{patterns:,} regular expressions, more than {MAX_PATTERNS:,}"
        diagnostics.append(
            Diagnostic(_named(paths), 0, 0, "", what, "most can be said with contains or endswith")
        )
    if diagnostics:
        raise InputFileError(diagnostics)
    ruleset = CompiledRuleset(digest="", rules=tuple(compiled))
    ruleset = msgspec.structs.replace(ruleset, digest=digest_of(ruleset))
    documents_of_rules = tuple(rule.check.document for rule in rules)
    return CheckedRules(ruleset, policy_file.policy, tuple(sorted(notes)), documents_of_rules)


def compile_policy(path: Path) -> Policy:
    """What the policy file `path` says of enforcement. Raises `InputFileError` with every mistake of it."""
    policy_file, diagnostics = _read_policy_file(path)
    if diagnostics:
        raise InputFileError(diagnostics)
    return policy_file.policy


def _named(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths)) or "no path"


def dump_ruleset(ruleset: CompiledRuleset) -> bytes:
    """The canonical bytes of a rule set, which `load.load_ruleset` reads."""
    return canonical_json(ruleset)


def _read_policy_file(path: Path | None) -> tuple[PolicyFile, list[Diagnostic]]:
    if path is None:
        return BUILT_IN, []
    documents, diagnostics = read_files([path])
    if len(documents) > 1:
        diagnostics.append(documents[1].diagnostic((), "a policy is one document"))
    if not documents:
        return BUILT_IN, diagnostics
    return read_policy(Check(documents[0], diagnostics)), diagnostics
