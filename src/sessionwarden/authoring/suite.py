"""The rules of some paths with the cases beside them, or every mistake in both.

Enters: files and folders. Leaves: for each rule that emits findings its cases, perhaps none. Invariant:
cases that would test nothing are mistakes with their place: no rule file beside them, a rule that does
not exist or is silent, a key that no finding of the rule can have. Leaves out: running them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sessionwarden.authoring.cases import Case, CaseFile, lacking_kinds, load_cases
from sessionwarden.authoring.cases_document import Kind
from sessionwarden.authoring.catalog import Catalog, Source, read_catalog
from sessionwarden.documents.check import Check, nearest, quoted
from sessionwarden.errors import Diagnostic, InputFileError
from sessionwarden.model.rules import CompiledRule
from sessionwarden.ruleset.compiler.files import CASES_SUFFIXES


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCases:
    """One rule with its cases, each with the file that holds it."""

    rule: CompiledRule
    source: Source
    cases: tuple[tuple[CaseFile, Case], ...]

    @property
    def lacking(self) -> tuple[Kind, ...]:
        """The kinds of cases that the rule still needs."""
        return lacking_kinds(case for _, case in self.cases)


@dataclass(frozen=True, slots=True)
class Suite:
    """Rules with their cases, in the order of the files."""

    catalog: Catalog
    rules: tuple[RuleCases, ...]


def read_suite(paths: Sequence[Path], policy: Path | None = None) -> Suite:
    """The rules and cases of `paths`. Raises `InputFileError` with the mistakes of both."""
    files = cases_files(paths)
    diagnostics = [
        Diagnostic(
            str(file), 0, 0, "", "no rule stands beside these cases", f"expected {_rule_names(file)[0].name}"
        )
        for file in files
        if rule_file(file) is None
    ]
    case_files = []
    for file in files:
        try:
            case_files.append(load_cases(file))
        except InputFileError as error:
            diagnostics += error.diagnostics
    try:
        catalog = read_catalog(_rule_paths(paths), policy)
    except InputFileError as error:
        raise InputFileError([*diagnostics, *error.diagnostics]) from error
    for case_file in case_files:
        diagnostics += _diagnostics_against_rules(case_file, catalog)
    if diagnostics:
        raise InputFileError(diagnostics)
    return Suite(catalog, tuple(_suites(catalog, case_files)))


def cases_files(paths: Sequence[Path]) -> list[Path]:
    """Every cases file under `paths`, or beside a rule file of `paths`; each once, in a fixed order."""
    found: dict[Path, Path] = {}
    for path in paths:
        for file in _cases_of(path):
            found.setdefault(file.resolve(), file)
    return sorted(found.values())


def is_cases_file(path: Path) -> bool:
    """Whether the name says that the file holds cases."""
    return path.name.endswith(CASES_SUFFIXES)


def rule_file(cases_file: Path) -> Path | None:
    """The rule file beside a cases file, if there is one."""
    return next((path for path in _rule_names(cases_file) if path.is_file()), None)


def _rule_names(cases_file: Path) -> tuple[Path, ...]:
    return tuple(
        cases_file.with_name(cases_file.name.removesuffix(suffix) + Path(suffix).suffix)
        for suffix in CASES_SUFFIXES
        if cases_file.name.endswith(suffix)
    )


def _cases_of(path: Path) -> list[Path]:
    if path.is_dir():
        return [
            file
            for file in path.rglob("*")
            if is_cases_file(file)
            and file.is_file()
            and not any(part.startswith(".") for part in file.relative_to(path).parts)
        ]
    if is_cases_file(path):
        return [path]
    beside = [path.with_name(path.stem + suffix) for suffix in CASES_SUFFIXES]
    return [file for file in beside if file.is_file()]


def _rule_paths(paths: Sequence[Path]) -> list[Path]:
    """`paths`, where a cases file stands for its rule."""
    return [rule_file(path) or path if is_cases_file(path) else path for path in paths]


def _diagnostics_against_rules(case_file: CaseFile, catalog: Catalog) -> list[Diagnostic]:
    document = case_file.document
    source = catalog.source(case_file.rule)
    rule = None if source is None else catalog.compiled(source)
    if source is None:
        ids = [rule.id for rule in catalog.ruleset.rules]
        hint = nearest(case_file.rule, ids)
        hint = hint if hint.startswith("did you mean") else "the id of the rule beside these cases"
        return [document.diagnostic(("rule",), f"no rule has the id {quoted(case_file.rule)}", hint)]
    if rule is None or not rule.emits:
        return [document.diagnostic(("rule",), "this rule emits no findings, it only serves others")]
    beside = rule_file(Path(case_file.file))
    if beside is not None and beside.resolve() != source.file.resolve():
        message = f"this rule stands in {source.file}, not beside these cases"
        return [
            document.diagnostic(("rule",), message, f"move them to {source.file.stem}{CASES_SUFFIXES[0]}")
        ]
    check = Check(document, [])
    for number, case in enumerate(case_file.cases):
        for key in case.expectation.keys:
            if set(key) != set(rule.group_by):
                message = f"no finding of this rule has the key {', '.join(sorted(key))}"
                check.refuse(
                    ("cases", number, "expect"), message, f"its group-by is {', '.join(rule.group_by)}"
                )
    return check.diagnostics


def _suites(catalog: Catalog, case_files: Sequence[CaseFile]) -> list[RuleCases]:
    found = []
    for source in catalog.sources:
        rule = catalog.compiled(source)
        if rule is not None and rule.emits:
            words = {word.lower() for word in source.words}
            cases = [(file, case) for file in case_files if file.rule.lower() in words for case in file.cases]
            found.append(RuleCases(rule=rule, source=source, cases=tuple(cases)))
    return found
