"""The rules of some files, compiled, beside the documents that they were written in.

Enters: the paths of rules. Leaves: compiled rules, and for each the YAML around it (description,
references, the names of its detections), which the compiled form leaves out. Invariant: what a rule
does is only ever read from the compiled form; the YAML adds words to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sessionwarden.authoring.words import line
from sessionwarden.documents.check import Check, nearest
from sessionwarden.documents.yaml import Document
from sessionwarden.errors import Diagnostic, WrongArgumentError
from sessionwarden.model.policy import Policy
from sessionwarden.model.rules import CompiledRule
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.compiler.compile import check_rules
from sessionwarden.ruleset.compiler.detection_section import compile_definition
from sessionwarden.ruleset.matching.explain import Names, named

SERVES_OTHERS = "serves other rules"


@dataclass(frozen=True, slots=True)
class Source:
    """The document of one rule."""

    document: Document

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.document.data
        return data

    @property
    def file(self) -> Path:
        return Path(self.document.file)

    @property
    def line(self) -> int:
        return min((position.line for position in self.document.positions.values()), default=1)

    @property
    def title(self) -> str:
        return str(self.data.get("title", ""))

    @property
    def words(self) -> tuple[str, ...]:
        """What the rule can be called: its id and its name."""
        return tuple(str(self.data[key]) for key in ("id", "name") if key in self.data)

    def detections(self) -> Names:
        """Its detections' names by the expressions that they compile to."""
        check = Check(self.document, [])
        category = self.data.get("logsource", {}).get("category")
        return named(
            {
                name: compile_definition(definition, category, check, ("detection", name))
                for name, definition in self.data.get("detection", {}).items()
                if name != "condition"
            }
        )


@dataclass(frozen=True)
class Catalog:
    """A rule set with its policy and its sources, in the order of the files, and notes for its authors."""

    ruleset: CompiledRuleset
    policy: Policy
    sources: tuple[Source, ...]
    notes: tuple[Diagnostic, ...]

    def compiled(self, source: Source) -> CompiledRule | None:
        """The compiled rule of a document; `None` if it only serves correlations."""
        return next((self._rules[word] for word in map(str.lower, source.words) if word in self._rules), None)

    def source(self, word: str) -> Source | None:
        """The document of a rule by its id, name or title, or by the name of the file that it emits from."""
        return self._by_word.get(word.lower())

    def find(self, word: str) -> Source:
        """As `source`. Raises `WrongArgumentError`, with the nearest name, if there is none."""
        found = self.source(word)
        if found is not None:
            return found
        near = nearest(word.lower(), self._by_word)
        hint = near if near.startswith("did you mean") else "`sessionwarden rules list` shows them all"
        raise WrongArgumentError(f"no rule is called {line(word)!r} ({line(hint)})")

    @cached_property
    def names(self) -> Mapping[str, str]:
        """For each word a rule is called by, the one that says most: its name, or its title."""
        return {
            word: str(source.data.get("name") or source.title)
            for source in self.sources
            for word in source.words
        }

    @cached_property
    def _rules(self) -> Mapping[str, CompiledRule]:
        return {rule.id.lower(): rule for rule in self.ruleset.rules}

    @cached_property
    def _by_word(self) -> Mapping[str, Source]:
        # from the last, so that of two rules with one title the first is found
        return {
            source.file.stem.lower(): source
            for source in reversed(self.sources)
            if (rule := self.compiled(source)) is not None and rule.emits
        } | {
            word.lower(): source
            for source in reversed(self.sources)
            for word in (source.title, *source.words)
        }


def read_catalog(paths: Sequence[Path], policy: Path | None = None) -> Catalog:
    """The rules of `paths`. Raises `InputFileError` with every mistake, as `compile_rules` does."""
    checked = check_rules(paths, policy)
    return Catalog(checked.ruleset, checked.policy, tuple(map(Source, checked.documents)), checked.notes)
