"""YAML text in, plain data with the place of every key out.

Enters: an operator's file. Leaves: one `Document` per `---` document, whose `place` turns the path
of a validation error into line and column. Invariant: what a person reads is what is loaded: a
duplicate key, an alias (which can also explode) and a tag other than YAML's own are mistakes. All
mistakes of a file are reported at once; only a syntax error hides what follows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from sessionwarden.errors import InputFileError, Mistake

Path = tuple[str | int, ...]

MAX_BYTES = 1_000_000
MAX_DEPTH = 40


class Place(NamedTuple):
    """Line and column, both from 1."""

    line: int
    column: int


class Document(NamedTuple):
    """One YAML document: its data, and where each key path stands in `file`."""

    file: str
    data: Any
    places: dict[Path, Place]

    def place(self, path: Path) -> Place:
        """The place of `path`, or of its nearest parent that exists."""
        while path not in self.places and path:
            path = path[:-1]
        return self.places.get(path, Place(1, 1))

    def mistake(self, path: Path, message: str, hint: str = "") -> Mistake:
        """A mistake at `path` of this document."""
        return Mistake(self.file, *self.place(path), format_path(path), message, hint)


def format_path(path: Path) -> str:
    """A path as people write it: `correlation.rules[2]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def load_documents(text: str, *, file: str) -> list[Document]:
    """Every document of `text`; empty ones are left out.

    Raises `InputFileError` with all duplicate keys, aliases and foreign tags, or the syntax error.
    """
    if len(text) > MAX_BYTES:
        raise InputFileError([Mistake(file, 0, 0, "", f"larger than {MAX_BYTES:,} bytes")])
    mistakes: list[Mistake] = []
    documents = []
    try:
        for node, loader in _compose(text, file, mistakes):
            places: dict[Path, Place] = {}
            data = _build(node, (), places, _Context(file, loader, mistakes))
            if data is not None:
                documents.append(Document(file, data, places))
    except yaml.YAMLError as error:
        mistakes.append(_syntax_mistake(error, file))
    except RecursionError:
        mistakes.append(Mistake(file, 0, 0, "", "nested too deeply"))
    if mistakes:
        raise InputFileError(mistakes)
    return documents


class _Context(NamedTuple):
    file: str
    loader: yaml.SafeLoader
    mistakes: list[Mistake]

    def add(self, node: yaml.Node, path: Path, message: str, hint: str = "") -> None:
        place = _place(node)
        self.mistakes.append(Mistake(self.file, *place, format_path(path), message, hint))


def _compose(text: str, file: str, mistakes: list[Mistake]) -> Iterator[tuple[yaml.Node, yaml.SafeLoader]]:
    loader = yaml.SafeLoader(text)
    try:
        # aliases are found here, before composing: a composed alias is only the same node again
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                place = Place(event.start_mark.line + 1, event.start_mark.column + 1)
                mistakes.append(Mistake(file, *place, "", f"alias *{event.anchor} is not allowed", "write it out"))
        if mistakes:
            return
        while loader.check_node():
            yield loader.get_node(), loader
    finally:
        loader.dispose()


def _build(node: yaml.Node, path: Path, places: dict[Path, Place], context: _Context) -> Any:
    if len(path) > MAX_DEPTH:
        raise RecursionError
    places.setdefault(path, _place(node))
    if isinstance(node, yaml.MappingNode):
        return _build_mapping(node, path, places, context)
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*path, index), places, context) for index, item in enumerate(node.value)]
    if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.endswith((":binary", ":python")):
        context.add(node, path, f"tag {node.tag} is not allowed")
        return None
    try:
        return context.loader.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError, OverflowError):
        context.add(node, path, f"not a valid {node.tag.rpartition(':')[2]}")
        return None


def _build_mapping(
    node: yaml.MappingNode, path: Path, places: dict[Path, Place], context: _Context
) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
        if key is None or key_node.tag == "tag:yaml.org,2002:merge":
            context.add(key_node, path, "a key must be plain text")
            continue
        here = (*path, key)
        if key in data:
            first = places[here]
            context.add(key_node, here, f"duplicate key, first on line {first.line}")
            continue
        places[here] = _place(key_node)
        data[key] = _build(value_node, here, places, context)
    return data


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def _syntax_mistake(error: yaml.YAMLError, file: str) -> Mistake:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    if mark is None:
        return Mistake(file, 0, 0, "", f"not YAML: {problem}")
    return Mistake(file, mark.line + 1, mark.column + 1, "", f"not YAML: {problem}")
