"""Makes small mistakes in a module's source: the mutants that tests should kill.

A mutation replaces one span of the text, so that a survivor can be shown as a diff. Left alone are what runs
nothing (docstrings, annotations) and texts for people, which tests should not repeat.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_FUNCTIONS = {"max": "min", "min": "max", "all": "any", "any": "all"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One mistake: `text` instead of the characters from `start` to `end` of the module at `path`."""

    path: str
    line: int
    start: int
    end: int
    text: str
    was: str
    """The line as it stands, without indentation."""
    becomes: str
    """The line with the mistake; of several lines, the first."""

    def apply(self, source: str) -> str:
        """The module's source with the mistake in it."""
        return source[: self.start] + self.text + source[self.end :]

    def draw(self, seed: int) -> bytes:
        """Its place in the sample. A change elsewhere in the code leaves it as it is."""
        return sha256(f"{seed}\n{self.path}\n{self.was}\n{self.becomes}".encode()).digest()


def mutations_of(path: str, source: str) -> list[Mutation]:
    """Every mutation of `source`, in the order of the text."""
    tree = ast.parse(source)
    starts = [0]
    for text in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(text))
    found: dict[tuple[int, int, str], Mutation] = {}
    for node, text in _replacements(tree):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        if source[start:end] == text:
            continue
        line_start, line_end = starts[node.lineno - 1], starts[node.lineno]
        mutated = source[line_start:start] + text + source[end : max(end, line_end)]
        found[start, end, text] = Mutation(
            path=path,
            line=node.lineno,
            start=start,
            end=end,
            text=text,
            was=source[line_start:line_end].strip(),
            becomes=mutated.splitlines()[0].strip(),
        )
    return sorted(found.values(), key=lambda mutation: (mutation.start, mutation.end, mutation.text))


def _replacements(tree: ast.Module) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    for node in _running(tree):
        if isinstance(node, ast.expr):
            for other in _expressions(node):
                yield node, f"({ast.unparse(other)})"
        elif isinstance(node, ast.stmt):
            for statement in _statements(node):
                yield node, ast.unparse(statement)


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run and that a test could tell apart."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        children = value if isinstance(value, list) else [value]
        for child in children:
            if isinstance(child, ast.AST) and not _passive(child):
                yield from _running(child)


def _passive(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
        return True
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        # types of Python and of pydantic that are written as values
        return node.value.id in ("Literal", "Annotated", "Mapping", "Callable", "dict", "tuple", "list")
    return isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom)


def _expressions(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Compare():
            yield from _comparisons(node)
        case ast.BoolOp():
            yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
            for place in range(len(node.values)):
                kept = [value for index, value in enumerate(node.values) if index != place]
                yield kept[0] if len(kept) == 1 else _with(node, values=kept)
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.BinOp() if type(node.op) in _OPERATORS:
            yield _with(node, op=_OPERATORS[type(node.op)]())
        case ast.IfExp():
            yield node.body
            yield node.orelse
        case ast.Constant():
            yield from _constants(node)
        case ast.Call():
            yield from _calls(node)
        case _:
            return


def _comparisons(node: ast.Compare) -> Iterator[ast.expr]:
    for place, operator in enumerate(node.ops):
        operators = list(node.ops)
        operators[place] = _COMPARISONS[type(operator)]()
        yield _with(node, ops=operators)
    if len(node.ops) == 1 and isinstance(node.comparators[0], ast.Constant):
        # whether something is there is often taken for whether it is true: zero and "" are there, too
        if isinstance(node.ops[0], ast.IsNot):
            yield node.left
        elif isinstance(node.ops[0], ast.Is) and node.comparators[0].value is None:
            yield ast.UnaryOp(ast.Not(), node.left)


def _constants(node: ast.Constant) -> Iterator[ast.expr]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int):
        yield ast.Constant(value + 1)
    elif isinstance(value, str) and not (" " in value.strip() or len(value) > 40):
        yield ast.Constant(value + "x")


def _calls(node: ast.Call) -> Iterator[ast.expr]:
    if isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
        yield _with(node, func=ast.Name(_FUNCTIONS[node.func.id]))
    if isinstance(node.func, ast.Attribute) and node.func.attr in ("lower", "strip", "rstrip", "lstrip"):
        yield node.func.value


def _statements(node: ast.stmt) -> Iterator[ast.stmt]:
    match node:
        case ast.Raise() | ast.Delete() | ast.AugAssign():
            yield ast.Pass()
        case ast.Expr(value=ast.Call()):
            yield ast.Pass()
        case ast.Return() if node.value is not None and not _is_none(node.value):
            yield ast.Return(ast.Constant(None))
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()
        case _:
            return


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _with(node: ast.expr, **fields: object) -> ast.expr:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed
