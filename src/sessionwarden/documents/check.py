"""One document under check: collects mistakes instead of stopping at the first.

Enters: a `yamldoc.Document`. Leaves: values of the type asked for, or `None` with a mistake noted
at their place. Invariant: every mistake has a path of the document; a value that could not even be
read is reported once, by yamldoc, and never again here.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from sessionwarden.documents.yaml import Document, Path
from sessionwarden.errors import Diagnostic
from sessionwarden.ruleset.vocabulary import nearest

MAX_MESSAGE_CHARACTERS = 200

_NAMES = {str: "text", int: "a whole number", bool: "true or false", list: "a list", dict: "a map"}


class Check(NamedTuple):
    """A document and the mistakes found in it so far.

    `notes` are what its author should know though nothing is wrong; `None` if nobody reads them.
    """

    document: Document
    diagnostics: list[Diagnostic]
    notes: list[Diagnostic] | None = None

    def refuse(self, path: Path, message: str, hint: str = "") -> None:
        """Note a mistake at `path`."""
        if any(path[: len(broken)] == broken for broken in self.document.broken):
            return
        self.diagnostics.append(self.document.diagnostic(path, shown(message, MAX_MESSAGE_CHARACTERS), hint))

    def note(self, path: Path, message: str, hint: str = "") -> None:
        """Note at `path` what is worth knowing, and no mistake."""
        if self.notes is not None:
            self.notes.append(self.document.diagnostic(path, shown(message, MAX_MESSAGE_CHARACTERS), hint))

    def typed(self, value: Any, kind: type, path: Path) -> Any:
        """`value` if it is of exactly that type (true is no number), or `None` and a mistake."""
        if type(value) is kind:
            return value
        self.refuse(path, f"must be {_NAMES[kind]}, not {describe(value)}", quote_hint(value, kind))
        return None

    def section(self, parent: dict[str, Any], key: str, path: Path) -> dict[str, Any] | None:
        """The map under `key` of `parent`; `None` if absent, or if it is not a map (a mistake)."""
        if key not in parent:
            return None
        section: dict[str, Any] | None = self.typed(parent[key], dict, (*path, key))
        return section

    def option(self, parent: dict[str, Any], key: str, kind: type, path: Path) -> Any:
        """The value under `key`; `None` if absent, or if it is not of that type (a mistake)."""
        if key not in parent:
            return None
        return self.typed(parent[key], kind, (*path, key))

    def keys(
        self, section: dict[str, Any], known: Collection[str], path: Path, unsupported: Collection[str] = ()
    ) -> None:
        """Refuse every key that is not known; say so if it is Sigma's but not supported."""
        for key in section:
            if key in unsupported:
                self.refuse((*path, key), f"{key} is not supported")
            elif key not in known:
                self.refuse((*path, key), "unknown key", nearest(key, known))

    def one_of(self, value: Any, known: Collection[str], path: Path) -> str | None:
        """`value` if it is one of the known words, or `None` and a mistake."""
        text: str | None = self.typed(value, str, path)
        if text is None or text in known:
            return text
        self.refuse(path, f"unknown value {quoted(text)}", nearest(text, known))
        return None

    def texts(self, value: Any, path: Path) -> list[str]:
        """The non-empty texts of a list, less those that are not texts or repeated (mistakes)."""
        found: list[str] = []
        for index, item in enumerate(self.typed(value, list, path) or ()):
            here = (*path, index)
            text = self.typed(item, str, here)
            if text == "":
                self.refuse(here, "must not be empty")
            elif text in found:
                self.refuse(here, f"{quoted(text)} is listed twice")
            elif text is not None:
                found.append(text)
        return found


def describe(value: Any) -> str:
    """A value's type, as people say it."""
    if value is None:
        return "nothing"
    if isinstance(value, float):
        return f"the fraction {value}"
    return _NAMES.get(type(value), f"a {type(value).__name__}")


def quoted(text: str) -> str:
    """Text of a file in a message: in quotes, short, without control characters."""
    return f"'{shown(text, 76)}'"


def shown(text: str, limit: int) -> str:
    """Text that may come from a hostile file, fit for a terminal."""
    plain = "".join(character if character.isprintable() else "?" for character in text)
    return plain if len(plain) <= limit else plain[: limit - 3] + "..."


def quote_hint(value: Any, kind: type) -> str:
    """YAML reads `no`, `2024-01-01` and `1e3` as something other than text; say how to keep text."""
    if kind is not str or value is None or isinstance(value, list | dict):
        return ""
    return "quote it if it is text"
