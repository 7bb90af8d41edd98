"""YAML text in, plain data with the position of every key out.

An operator's file becomes one `Document` per `---` document, whose `position` turns the path of a
validation error into line and column. Invariant: what a person reads is what is loaded, so a
duplicate key, an alias (nested aliases can explode) and a tag other than YAML's own are refused. All
diagnostics of a file are reported at once; only a syntax error hides what follows it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import yaml

from sessionwarden.errors import Diagnostic, InputFileError

Path = tuple[str | int, ...]

MAX_BYTES = 1_000_000
MAX_DEPTH = 40

_YAML = "tag:yaml.org,2002:"
_SCALAR_TAGS = frozenset(_YAML + name for name in ("str", "int", "float", "bool", "null", "timestamp"))
_ALIAS = "an alias, already reported"


class Position(NamedTuple):
    """Line and column, both from 1."""

    line: int
    column: int


class Document(NamedTuple):
    """One YAML document: its data, and where each key path stands in `file`.

    `broken` holds the paths whose values could not be read and are therefore `None`. They are reported
    already, so later checks say nothing about them.
    """

    file: str
    data: Any
    positions: dict[Path, Position]
    broken: frozenset[Path] = frozenset()

    def position(self, path: Path) -> Position:
        """The position of `path`, or of its nearest parent that exists."""
        while path not in self.positions and path:
            path = path[:-1]
        return self.positions.get(path, Position(1, 1))

    def diagnostic(self, path: Path, message: str, hint: str = "") -> Diagnostic:
        """A diagnostic at `path` of this document."""
        return Diagnostic(self.file, *self.position(path), format_path(path), message, hint)


def format_path(path: Path) -> str:
    """A path as people write it: `correlation.rules[2]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def load_documents(text: str, *, file: str) -> list[Document]:
    """Every document of `text`; empty ones are left out.

    Raises `InputFileError` with every duplicate key, alias and foreign tag, or the syntax error.
    """
    documents, diagnostics = read_documents(text, file=file)
    if diagnostics:
        raise InputFileError(diagnostics)
    return documents


def read_documents(text: str, *, file: str) -> tuple[list[Document], list[Diagnostic]]:
    """As `load_documents`, but what can be read is returned beside the diagnostics.

    For a caller that has more to check and reports everything in one run.
    """
    diagnostics: list[Diagnostic] = []
    documents: list[Document] = []
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        return [], [Diagnostic(file, 0, 0, "", f"larger than {MAX_BYTES:,} bytes")]
    loader = None
    try:
        loader = _Loader(text, file, diagnostics)
        while loader.check_node():
            builder = _Builder(file, loader, diagnostics)
            node = loader.get_node()
            data = None if node is None else builder.build(node, ())
            if data is not None:
                documents.append(Document(file, data, builder.positions, frozenset(builder.broken)))
    except yaml.YAMLError as error:
        diagnostics.append(_syntax_diagnostic(error, text, file))
    except RecursionError:
        diagnostics.append(Diagnostic(file, 0, 0, "", "nested too deeply"))
    finally:
        if loader is not None:
            loader.dispose()
    return documents, diagnostics


class _Loader(yaml.SafeLoader):
    """Composes every alias as a scalar of its own, so that nested aliases cannot explode."""

    def __init__(self, text: str, file: str, diagnostics: list[Diagnostic]) -> None:
        self._file = file
        self._diagnostics = diagnostics
        self._depth = 0
        super().__init__(text)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if not self.check_event(yaml.AliasEvent):
            return self._compose_deeper(parent, index)
        event: yaml.AliasEvent = self.get_event()  # type: ignore[no-untyped-call]
        node = yaml.ScalarNode(_ALIAS, "", event.start_mark, event.end_mark)  # type: ignore[arg-type]
        message = f"alias *{event.anchor} is not allowed"
        self._diagnostics.append(Diagnostic(self._file, *_position(node), "", message, "write it out"))
        return node

    def _compose_deeper(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        # stop here, not when all is composed: the parser takes quadratic time for nested brackets
        if self._depth > MAX_DEPTH:
            raise RecursionError
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Builder:
    """Turns the nodes of one document into data, noting positions and diagnostics on the way."""

    def __init__(self, file: str, loader: yaml.SafeLoader, diagnostics: list[Diagnostic]) -> None:
        self.positions: dict[Path, Position] = {}
        self.broken: set[Path] = set()
        self._file = file
        self._loader = loader
        self._diagnostics = diagnostics

    def build(self, node: yaml.Node, path: Path) -> Any:
        self.positions.setdefault(path, _position(node))
        if node.tag == _ALIAS:
            self.broken.add(path)
            return None
        if isinstance(node, yaml.MappingNode) and node.tag == _YAML + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _YAML + "seq":
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALAR_TAGS:
            return self._scalar(node, path)
        tag = node.tag.replace(_YAML, "!!")
        return self._refuse(node, path, f"tag {tag} is not allowed", "leave the tag out")

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == _YAML + "merge":
                self._diagnostics.append(
                    self._diagnostic(key_node, path, "a key must be plain text", "write the keys out")
                )
                continue
            if key_node.tag == _ALIAS:
                continue
            here = (*path, key_node.value)
            if key_node.value in data:
                message = f"duplicate key, first on line {self.positions[here].line}"
                self._diagnostics.append(self._diagnostic(key_node, here, message))
                continue
            self.positions[here] = _position(key_node)
            data[key_node.value] = self.build(value_node, here)
        return data

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        try:
            node.value.encode()  # an escape can write half a character, which no JSON can carry
            return self._loader.construct_object(node, deep=True)
        except UnicodeEncodeError:
            return self._refuse(node, path, "holds half a character", "write the character itself")
        except (yaml.YAMLError, ValueError, OverflowError, LookupError):
            return self._refuse(
                node, path, f"not a valid {node.tag.rpartition(':')[2]}", "quote it if it is text"
            )

    def _refuse(self, node: yaml.Node, path: Path, message: str, hint: str) -> None:
        self.broken.add(path)
        self._diagnostics.append(self._diagnostic(node, path, message, hint))

    def _diagnostic(self, node: yaml.Node, path: Path, message: str, hint: str = "") -> Diagnostic:
        return Diagnostic(self._file, *_position(node), format_path(path), message, hint)


def _position(node: yaml.Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)


def _syntax_diagnostic(error: yaml.YAMLError, text: str, file: str) -> Diagnostic:
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return Diagnostic(
            file, line, column, "", f"not YAML: character U+{error.character:04X} is not allowed"
        )
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    if mark is None:
        return Diagnostic(file, 0, 0, "", f"not YAML: {problem}")
    return Diagnostic(file, mark.line + 1, mark.column + 1, "", f"not YAML: {problem}")
