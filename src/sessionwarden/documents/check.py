"""One document under check: collects diagnostics instead of stopping at the first.

For what no model can describe, such as the sections of Sigma: each method returns a value of the type
asked for, or `None` and adds a diagnostic at the value's position. Also here: how values and near misses
are worded in every diagnostic. Invariant: a value that could not even be read is reported once, by
`documents.yaml`, and never again here.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from sessionwarden.documents.yaml import Document, Path, shown, stop_at_too_many
from sessionwarden.errors import Diagnostic

MAX_WORDS_COMPARED = 1000
"""The words may come from the file itself, and each is compared with each mistake."""

_NAMES = {str: "text", int: "a whole number", bool: "true or false", list: "a list", dict: "a map"}


class Check(NamedTuple):
    """A document and the diagnostics found in it so far.

    `notes` collects what the author should know although nothing is wrong; `None` drops notes.
    """

    document: Document
    diagnostics: list[Diagnostic]
    notes: list[Diagnostic] | None = None

    def refuse(self, path: Path, message: str, hint: str = "") -> None:
        """Add a diagnostic at `path`, unless its value could not be read and is reported already.

        Raises `InputFileError` with all of them once there are `yaml.MAX_DIAGNOSTICS`.
        """
        if any(path[: len(broken)] == broken for broken in self.document.broken):
            return
        self.diagnostics.append(self.document.diagnostic(path, message, hint))
        stop_at_too_many(self.diagnostics)

    def note(self, path: Path, message: str, hint: str = "") -> None:
        """Add a note at `path`: worth knowing, and nothing wrong."""
        if self.notes is not None:
            self.notes.append(self.document.diagnostic(path, message, hint))

    def typed(self, value: Any, kind: type, path: Path) -> Any:
        """`value` if it is of exactly that type (true is no number), or `None` and a diagnostic."""
        if type(value) is kind:
            return value
        self.refuse(path, f"must be {_NAMES[kind]}, not {describe(value)}", quote_hint(value, kind))
        return None

    def section(self, parent: dict[str, Any], key: str, path: Path) -> dict[str, Any] | None:
        """The map under `key` of `parent`; `None` if absent, or if it is not a map (a diagnostic)."""
        if key not in parent:
            return None
        section: dict[str, Any] | None = self.typed(parent[key], dict, (*path, key))
        return section

    def option(self, parent: dict[str, Any], key: str, kind: type, path: Path) -> Any:
        """The value under `key`; `None` if absent, or if it is not of that type (a diagnostic)."""
        if key not in parent:
            return None
        return self.typed(parent[key], kind, (*path, key))

    def keys(
        self, section: dict[str, Any], known: Collection[str], path: Path, unsupported: Collection[str] = ()
    ) -> None:
        """Refuse every key that is not known; a key of Sigma's that is `unsupported` is named as such."""
        for key in section:
            if key in unsupported:
                self.refuse((*path, key), f"{key} is not supported")
            elif key not in known:
                self.refuse((*path, key), "unknown key", nearest(key, known))

    def one_of(self, value: Any, known: Collection[str], path: Path) -> str | None:
        """`value` if it is one of the known words; else a diagnostic, and `None` if it is no text at all."""
        text: str | None = self.typed(value, str, path)
        if text is None or text in known:
            return text
        self.refuse(path, f"unknown value {quoted(text)}", nearest(text, known))
        return None

    def texts(self, value: Any, path: Path) -> dict[str, Path]:
        """The non-empty texts of a list, in order, each with its path.

        Those that are no texts, or are repeated, are left out (diagnostics).
        """
        found: dict[str, Path] = {}
        for index, item in enumerate(self.typed(value, list, path) or ()):
            here = (*path, index)
            text = self.typed(item, str, here)
            if text == "":
                self.refuse(here, "must not be empty")
            elif text in found:
                self.refuse(here, f"{quoted(text)} is listed twice")
            elif text is not None:
                found[text] = here
        return found


def describe(value: Any) -> str:
    """The type of a value in plain words: `a list`, `the fraction 2.5`."""
    if value is None:
        return "nothing"
    if isinstance(value, float):
        return f"the fraction {value}"
    return _NAMES.get(type(value), f"a {type(value).__name__}")


def quoted(text: str) -> str:
    """Text of a file in a diagnostic: in quotes, short, without control characters."""
    return f"'{shown(text, 76)}'"


def quote_hint(value: Any, kind: type) -> str:
    """A hint to quote what YAML reads as something other than text: `no`, `2024-01-01`, `1e3`."""
    if kind is not str or value is None or isinstance(value, list | dict):
        return ""
    return "quote it if it is text"


def nearest(name: object, known: Iterable[str]) -> str:
    """A hint that names the nearest known word, or lists them all if none is near; none among too many."""
    words = sorted(set(known))
    if len(words) > MAX_WORDS_COMPARED:
        return ""
    near = difflib.get_close_matches(str(name)[:80], words, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"known: {', '.join(words)}" if words else ""
