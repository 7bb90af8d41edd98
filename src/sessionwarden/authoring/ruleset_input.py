"""Reads a rule set as rule authors name it: rule files and folders, or one compiled set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sessionwarden.errors import Diagnostic, InputFileError, RulesetError
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.compiler.compile import compile_rules
from sessionwarden.ruleset.load import load_ruleset


def read_ruleset(paths: Sequence[Path], policy: Path | None) -> CompiledRuleset:
    """Rules compiled from files and folders, or one compiled set by its name in `.json`.

    Raises `InputFileError`.
    """
    if len(paths) != 1 or paths[0].suffix != ".json":
        return compile_rules(paths, policy)
    try:
        return load_ruleset(paths[0].read_bytes())
    except RulesetError as error:
        raise InputFileError([Diagnostic(str(paths[0]), 0, 0, "", str(error))]) from error
