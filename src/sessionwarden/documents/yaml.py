"""YAML text in, plain data with the position of every key out.

An operator's file becomes one `Document` per `---` document, whose `position` turns the path of a
validation error into line and column. Invariants: what a person reads is what is loaded, so a duplicate key,
an alias (nested aliases can explode) and a tag other than YAML's own are refused, and scalars are those of
YAML 1.2 (`plain_scalars`); whatever a file holds, reading it takes seconds at most, since values, depth,
lengths and mistakes are counted while it is read. All diagnostics of a file are reported at once; only a
syntax error, or a file beyond these bounds, hides what follows it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import yaml

from sessionwarden.documents.plain_scalars import (
    BOOL,
    FLOAT,
    INT,
    NULL,
    STR,
    YAML,
    ScalarError,
    plain_tag,
    scalar_value,
)
from sessionwarden.errors import Diagnostic, InputFileError

Path = tuple[str | int, ...]

MAX_BYTES = 1_000_000
MAX_DEPTH = 40

MAX_VALUES = 30_000
"""Of keys and values in a file: enough for a list of 25,000 addresses."""

MAX_TEXT_CHARACTERS = 20_000
"""Of one key or value: a whole request line fits, and no report repeats a megabyte."""

MAX_DIAGNOSTICS = 200
"""More than a person mends at once. What follows the last of them is not looked at."""

MAX_MESSAGE_CHARACTERS = 200
MAX_HINT_CHARACTERS = 600

_SCALAR_TAGS = frozenset((STR, INT, FLOAT, BOOL, NULL))
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
        return _diagnostic(self.file, self.position(path), path, message, hint)


def _diagnostic(file: str, position: Position, path: Path, message: str, hint: str = "") -> Diagnostic:
    """A diagnostic whose texts are short and printable, whatever the file says."""
    at, said = (shown(text, MAX_MESSAGE_CHARACTERS) for text in (format_path(path), message))
    return Diagnostic(file, *position, at, said, shown(hint, MAX_HINT_CHARACTERS))


def shown(text: str, limit: int) -> str:
    """Text that may come from a hostile file, safe to print on a terminal."""
    plain = "".join(character if character.isprintable() else "?" for character in text[: limit + 1])
    return plain if len(plain) <= limit else plain[: limit - 3] + "..."


def stop_at_too_many(diagnostics: list[Diagnostic]) -> None:
    """Raise `InputFileError` once there are more mistakes than are worth looking for."""
    if len(diagnostics) >= MAX_DIAGNOSTICS:
        last = diagnostics[-1]
        more = f"{MAX_DIAGNOSTICS} mistakes so far: what follows was not looked at"
        raise InputFileError([*diagnostics, Diagnostic(last.file, last.line, last.column, "", more)])


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

    For a caller that has more to check and reports everything in one run. Raises `InputFileError` only if
    there are `MAX_DIAGNOSTICS`.
    """
    diagnostics: list[Diagnostic] = []
    documents: list[Document] = []
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        return [], [Diagnostic(file, 0, 0, "", f"larger than {MAX_BYTES:,} bytes")]
    loader = None
    try:
        loader = _Loader(text, file, diagnostics)
        while loader.check_node():
            builder = _Builder(file, diagnostics)
            node = loader.get_node()
            data = None if node is None else builder.build(node, ())
            if data is not None:
                documents.append(Document(file, data, builder.positions, frozenset(builder.broken)))
    except yaml.YAMLError as error:
        diagnostics.append(_syntax_diagnostic(error, text, file))
    except _BeyondBoundsError as error:
        diagnostics.append(_diagnostic(file, error.position, (), str(error)))
    except (ValueError, OverflowError, LookupError, RecursionError):
        # PyYAML converts some numbers unseen: of a %YAML directive, or of a \U escape beyond Unicode
        diagnostics.append(_diagnostic(file, _reached(loader), (), "not YAML: cannot be read from here on"))
    finally:
        if loader is not None:
            loader.dispose()
    return documents, diagnostics


def _reached(loader: _Loader | None) -> Position:
    mark = None if loader is None else loader.get_mark()
    return Position(1, 1) if mark is None else Position(mark.line + 1, mark.column + 1)


class _BeyondBoundsError(Exception):
    """The file holds more than is ever read."""

    def __init__(self, message: str, position: Position) -> None:
        self.position = position
        super().__init__(message)


class _Loader(yaml.SafeLoader):
    """Composes every alias as a scalar of its own, so that nested aliases cannot explode, and counts values.

    It stops at the first value too many, not when all is composed: PyYAML reads 20,000 values a second.
    """

    def __init__(self, text: str, file: str, diagnostics: list[Diagnostic]) -> None:
        self._file = file
        self._diagnostics = diagnostics
        self._depth = 0
        self._values = 0
        super().__init__(text)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._values += 1
        if self._values > MAX_VALUES:
            raise _BeyondBoundsError(f"more than {MAX_VALUES:,} keys and values", self._next())
        if not self.check_event(yaml.AliasEvent):
            return self._compose_deeper(parent, index)
        event: yaml.AliasEvent = self.get_event()  # type: ignore[no-untyped-call]
        node = yaml.ScalarNode(_ALIAS, "", event.start_mark, event.end_mark)  # type: ignore[arg-type]
        message = f"alias *{shown(str(event.anchor), 76)} is not allowed"
        self._diagnostics.append(_diagnostic(self._file, _position(node), (), message, "write it out"))
        stop_at_too_many(self._diagnostics)
        return node

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        if kind is yaml.ScalarNode and implicit[0]:
            return plain_tag(value)
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        return tag

    def _compose_deeper(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        # the parser takes quadratic time for nested brackets
        if self._depth > MAX_DEPTH:
            raise _BeyondBoundsError("nested too deeply", self._next())
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _next(self) -> Position:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        return Position(mark.line + 1, mark.column + 1)


class _Builder:
    """Turns the nodes of one document into data, noting positions and diagnostics on the way."""

    def __init__(self, file: str, diagnostics: list[Diagnostic]) -> None:
        self.positions: dict[Path, Position] = {}
        self.broken: set[Path] = set()
        self._file = file
        self._diagnostics = diagnostics

    def build(self, node: yaml.Node, path: Path) -> Any:
        self.positions.setdefault(path, _position(node))
        if node.tag == _ALIAS:
            self.broken.add(path)
            return None
        if isinstance(node, yaml.MappingNode) and node.tag == YAML + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == YAML + "seq":
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALAR_TAGS:
            return self._scalar(node, path)
        return self._refuse(node, path, _foreign(node.tag), "leave the tag out")

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _ALIAS:
                continue
            if not self._is_key(key_node, path):
                continue
            here = (*path, key_node.value)
            if key_node.value in data:
                self._report(key_node, here, f"duplicate key, first on line {self.positions[here].line}")
                continue
            self.positions[here] = _position(key_node)
            data[key_node.value] = self.build(value_node, here)
        return data

    def _is_key(self, node: yaml.Node, path: Path) -> bool:
        if not isinstance(node, yaml.ScalarNode) or (node.value == "<<" and node.style is None):
            # other readers of YAML would merge what stands behind <<
            self._report(node, path, "a key must be plain text", "write the keys out")
        elif node.tag not in _SCALAR_TAGS:
            self._report(node, path, _foreign(node.tag), "leave the tag out")
        elif len(node.value) > MAX_TEXT_CHARACTERS:
            self._report(node, path, f"a key has at most {MAX_TEXT_CHARACTERS:,} characters")
        elif not _is_whole(node.value):
            self._report(node, path, "holds half a character", "write the character itself")
        else:
            return True
        return False

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        if len(node.value) > MAX_TEXT_CHARACTERS:
            return self._refuse(node, path, f"longer than {MAX_TEXT_CHARACTERS:,} characters", "")
        if not _is_whole(node.value):
            return self._refuse(node, path, "holds half a character", "write the character itself")
        try:
            return scalar_value(node.tag, node.value)
        except ScalarError as error:
            return self._refuse(node, path, str(error), error.hint)

    def _refuse(self, node: yaml.Node, path: Path, message: str, hint: str) -> None:
        self.broken.add(path)
        self._report(node, path, message, hint)

    def _report(self, node: yaml.Node, path: Path, message: str, hint: str = "") -> None:
        self._diagnostics.append(_diagnostic(self._file, _position(node), path, message, hint))
        stop_at_too_many(self._diagnostics)


def _foreign(tag: str) -> str:
    return f"tag {shown(tag.replace(YAML, '!!'), 76)} is not allowed"


def _is_whole(text: str) -> bool:
    """Whether no escape wrote half a character, which no JSON can carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _position(node: yaml.Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)


def _syntax_diagnostic(error: yaml.YAMLError, text: str, file: str) -> Diagnostic:
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        position = Position(before.count("\n") + 1, len(before) - before.rfind("\n"))
        return _diagnostic(file, position, (), f"not YAML: character U+{error.character:04X} is not allowed")
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    position = Position(0, 0) if mark is None else Position(mark.line + 1, mark.column + 1)
    return _diagnostic(file, position, (), f"not YAML: {problem}")
