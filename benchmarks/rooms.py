"""How large the code is, room by room, and how deep one has to read: what a newcomer has to understand.

Lines of code are lines without blanks, comments and docstrings (strings under constants count as docstrings).
A folder's modules are those that lie in it directly, without `__init__.py`. The longest chain is the largest
number of modules of a room that import one another in a row; of a circle each counts.

Run as `python -m benchmarks.rooms`; `--source` names another checkout's `src`, to compare.
"""

from __future__ import annotations

import argparse
import ast
import io
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import grimp
import networkx

PACKAGE = "sessionwarden"
NOT_CODE = frozenset(
    {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
)


class Room(NamedTuple):
    """A folder directly under the package; the package's own modules are a room, too.

    `largest_folder` and `largest_folder_modules` are of the fullest folder at whatever depth.
    """

    name: str
    modules: int
    code_lines: int
    longest_chain: int
    largest_folder: str
    largest_folder_modules: int


def main() -> None:
    """Print the rooms as a table, and the whole below them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", type=Path, default=Path("src"), help="the folder that holds the package")
    source: Path = parser.parse_args().source.resolve()
    imports = imports_of(source)
    rooms = measured(source, imports)
    print(f"{'room':<14}{'modules':>8}{'lines':>8}{'chain':>7}  fullest folder")
    for room in rooms:
        folder = f"{room.largest_folder} {room.largest_folder_modules}"
        print(f"{room.name:<14}{room.modules:>8}{room.code_lines:>8,}{room.longest_chain:>7}  {folder}")
    modules, lines = sum(room.modules for room in rooms), sum(room.code_lines for room in rooms)
    print(f"{'all':<14}{modules:>8}{lines:>8,}{len(longest_chain(imports)):>7}")
    print("\nthe longest chain of imports:\n  " + "\n  ".join(longest_chain(imports)))
    for circle in circles(imports):
        print(f"imported in a circle: {', '.join(sorted(circle))}")


def measured(source: Path, imports: networkx.DiGraph) -> list[Room]:
    """Every room of the package below `source`, with the graph that `imports_of` makes of it."""
    rooms: dict[str, list[Path]] = {}
    for file in sorted((source / PACKAGE).rglob("*.py")):
        inside = file.relative_to(source / PACKAGE)
        rooms.setdefault(inside.parts[0] if len(inside.parts) > 1 else ".", []).append(file)
    return [
        _room(name, files, _chain_within(imports, name), source / PACKAGE) for name, files in rooms.items()
    ]


def modules_by_folder(source: Path) -> Counter[str]:
    """How many modules lie in each folder of the package."""
    files = (file for file in (source / PACKAGE).rglob("*.py") if file.name != "__init__.py")
    return Counter(file.parent.relative_to(source / PACKAGE).as_posix() for file in files)


def code_lines(text: str) -> int:
    """Lines of a module without blanks, comments and docstrings."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NOT_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - set(_docstring_lines(ast.parse(text))))


def imports_of(source: Path) -> networkx.DiGraph:
    """The graph of modules: an edge for each import. Only one `source` in a process."""
    if str(source) not in sys.path:
        sys.path.insert(0, str(source))
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    imports: networkx.DiGraph = networkx.DiGraph()
    for module in graph.modules:
        imports.add_node(module)
        imports.add_edges_from((module, other) for other in graph.find_modules_directly_imported_by(module))
    return imports


def circles(imports: networkx.DiGraph) -> list[set[str]]:
    """Groups of modules that import each other, directly or not."""
    return [group for group in networkx.strongly_connected_components(imports) if len(group) > 1]


def longest_chain(imports: networkx.DiGraph) -> list[str]:
    """The modules of the longest chain of imports, those of a circle all at its place."""
    groups = networkx.condensation(imports)
    members: Mapping[int, set[str]] = groups.nodes(data="members")
    for _, into, edge in groups.edges(data=True):
        edge["weight"] = len(members[into])
    return [name for group in networkx.dag_longest_path(groups) for name in sorted(members[group])]


def _chain_within(imports: networkx.DiGraph, room: str) -> int:
    prefix = f"{PACKAGE}.{room}"
    inside = [name for name in imports if name == prefix or name.startswith(f"{prefix}.")]
    return len(longest_chain(imports.subgraph(inside))) if inside else 1


def _room(name: str, files: list[Path], chain: int, package: Path) -> Room:
    folders = Counter(
        file.parent.relative_to(package).as_posix() for file in files if file.name != "__init__.py"
    )
    folder, count = folders.most_common(1)[0] if folders else (name, 0)
    return Room(
        name=name,
        modules=sum(folders.values()),
        code_lines=sum(code_lines(file.read_text("utf-8")) for file in files),
        longest_chain=chain,
        largest_folder=folder,
        largest_folder_modules=count,
    )


def _docstring_lines(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)


if __name__ == "__main__":
    main()
