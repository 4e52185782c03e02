"""Mutants of the core modules: places where a wrong operator, sign, constant or argument would change a number."""

from __future__ import annotations

import ast
import copy
import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

AREAS: Final = {"stats": 50, "infer": 60, "detector": 25, "model": 45, "physics/kernels.py": 20}
"""Mutants of each part of src/cevnsfit among 200."""

BINARY: Final = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
COMPARED: Final = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
PARTNERS: Final = {
    "min": "max", "minimum": "maximum", "argmin": "argmax", "nanmin": "nanmax", "any": "all", "floor": "ceil", "zeros": "ones",
    "zeros_like": "ones_like", "flatnonzero": "argsort", "sum": "max", "hstack": "vstack",
}  # fmt: skip
PARTNER: Final = {**PARTNERS, **{new: old for old, new in PARTNERS.items() if old not in {"sum", "flatnonzero"}}}
SYMMETRIC: Final = {"min", "max", "minimum", "maximum", "hypot", "array_equal", "allclose", "add", "multiply", "logaddexp", "isinstance"}
TEXTS: Final = {"message", "text", "reason"}
UNSEEN_KEYWORDS: Final = {"strict", "stacklevel", "dtype"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one module.

    Attributes
    ----------
    path
        The module below src/cevnsfit.
    name
        Function, operator and change: what the list of equivalent mutants and the record of survivors call it.
    operator
        Its kind.
    lines
        First and last line of the statement.
    source
        The module with the change.
    """

    path: str
    name: str
    operator: str
    lines: tuple[int, int]
    source: str

    @property
    def order(self) -> str:
        """Its place in the draw: a digest that does not depend on the rest of the module."""
        return hashlib.sha256(f"2026 {self.path} {self.name}".encode()).hexdigest()


def draw(root: Path, number: int) -> list[Mutant]:
    """Return mutants in the shares of the areas; in each, the operators have equal shares as far as they go."""
    chosen = []
    for area, share in AREAS.items():
        place = root / "src/cevnsfit" / area
        files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        kinds: dict[str, list[Mutant]] = defaultdict(list)
        for file in files:
            for mutant in mutants(file.relative_to(root / "src/cevnsfit").as_posix(), file.read_text(encoding="utf-8")):
                kinds[mutant.operator].append(mutant)
        ranked = [
            (rank, mutant.order, mutant) for found in kinds.values() for rank, mutant in enumerate(sorted(found, key=lambda one: one.order))
        ]
        chosen += [mutant for *_, mutant in sorted(ranked, key=lambda entry: entry[:2])[: round(share * number / 200)]]
    return chosen


def mutants(path: str, text: str) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    starts = [0]
    for line in text.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    seen: Counter[str] = Counter()
    found = [(name, change) for name, body in bodies(ast.parse(text)) for change in changes(body)]
    for function, (statement, node, operator, new) in found:
        first, last = (
            starts[line - 1] + column for line, column in ((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset))
        )
        old, changed = text.encode()[first:last], ast.unparse(new)
        if isinstance(new, ast.expr) and not isinstance(new, ast.Constant | ast.Name | ast.Attribute):
            changed = f"({changed})"
        name = f"{function}: {operator}: {' '.join(old.decode().split())[:70]} -> {' '.join(changed.split())[:70]}"
        seen[name] += 1
        source = (text.encode()[:first] + changed.encode() + text.encode()[last:]).decode()
        lines = (statement.lineno, statement.lineno if isinstance(statement, ast.If | ast.While | ast.For) else statement.end_lineno)
        yield Mutant(path, name if seen[name] == 1 else f"{name} ({seen[name]})", operator, lines, source)


def bodies(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield the functions and methods with their names; what runs on import is left alone, as others hold its values."""
    for node in (child for child in ast.iter_child_nodes(tree) if isinstance(child, ast.FunctionDef | ast.ClassDef)):
        if isinstance(node, ast.FunctionDef):
            yield prefix + node.name, node
        else:
            yield from bodies(node, f"{prefix}{node.name}.")


def changes(body: ast.AST) -> Iterator[tuple[ast.stmt, ast.AST, str, ast.AST]]:
    """Yield statement, node, operator and new node, for all that can be changed below `body`."""
    for statement in (child for child in ast.iter_child_nodes(body) if isinstance(child, ast.stmt | ast.excepthandler)):
        if isinstance(statement, ast.FunctionDef):
            yield from changes(statement)
        elif not unseen(statement):
            if isinstance(statement, ast.stmt):
                yield from ((statement, *change) for change in whole(statement))
                for part in expressions(statement):
                    yield from ((statement, *change) for change in inside(part))
            yield from changes(statement)


def unseen(statement: ast.AST) -> bool:
    """Return whether a statement has no number: imports, docstrings, messages, logs, type checking, declarations."""
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.Raise() | ast.Expr(value=ast.Constant()):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in TEXTS or name.startswith("__") or name == "_log"
        case ast.AnnAssign(value=None):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=owner)))):
            return owner in {"_log", "warnings", "logging"}
    return False


def expressions(statement: ast.stmt) -> list[ast.expr]:
    """Return the expressions of a statement itself, without annotations and without the statements in it."""
    fields = ("value", "test", "iter", "targets")
    found = [getattr(statement, name, None) for name in fields]
    return [part for one in found for part in (one if isinstance(one, list) else [one]) if isinstance(part, ast.expr)]


def whole(statement: ast.stmt) -> Iterator[tuple[ast.AST, str, ast.AST]]:
    """Yield the changes of a statement as one."""
    match statement:
        case ast.AugAssign(op=operation) if type(operation) in BINARY:
            yield statement, "deleted", ast.Pass()
            new = copy.deepcopy(statement)
            new.op = BINARY[type(operation)]()
            yield statement, "arithmetic", new
        case ast.Expr(value=ast.Call()) | ast.Assign(targets=[ast.Subscript()]) | ast.Continue():
            yield statement, "deleted", ast.Pass()
        case ast.If(body=[*_, ast.Raise() | ast.Return()]):
            yield statement.test, "guard", ast.Constant(False)
        case ast.Return(value=ast.Call(func=ast.Name(id="bool")) | ast.Compare() | ast.BoolOp()):
            yield statement.value, "returned", ast.UnaryOp(ast.Not(), ast.Call(ast.Name("bool"), [statement.value], []))
        case ast.Return(value=value) if any(
            isinstance(part, ast.JoinedStr | ast.Constant) and is_text(part) for part in ast.walk(value or statement)
        ):
            return
        case ast.Return(value=ast.BinOp() | ast.Call(func=ast.Attribute(value=ast.Name(id="np" | "math" | "special")))):
            yield statement.value, "returned", ast.BinOp(ast.Constant(2), ast.Mult(), statement.value)


def is_text(node: ast.JoinedStr | ast.Constant) -> bool:
    """Return whether a node is text."""
    return isinstance(node, ast.JoinedStr) or isinstance(node.value, str)


def inside(node: ast.AST) -> Iterator[tuple[ast.AST, str, ast.AST]]:
    """Yield the changes of an expression and of all in it."""
    if isinstance(node, ast.JoinedStr):
        return
    yield from single(node)
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.keyword) and child.arg in UNSEEN_KEYWORDS):
            yield from inside(child.value if isinstance(child, ast.keyword) else child)


def single(node: ast.AST) -> Iterator[tuple[ast.AST, str, ast.AST]]:
    """Yield the changes of one node."""
    match node:
        case ast.BinOp(op=operation, left=left) if type(operation) in BINARY and not isinstance(left, ast.JoinedStr):
            yield node, "arithmetic", ast.BinOp(node.left, BINARY[type(operation)](), node.right)
        case ast.Compare(ops=[operation]) if type(operation) in COMPARED:
            yield node, "comparison", ast.Compare(node.left, [COMPARED[type(operation)]()], node.comparators)
        case ast.BoolOp():
            yield node, "logic", ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        case ast.UnaryOp(op=sign, operand=operand) if not isinstance(operand, ast.Constant):
            yield node, "sign" if isinstance(sign, ast.USub) else "logic", operand
        case ast.Constant(value=bool(value) | int(value) | float(value)):
            yield node, "constant", ast.Constant(other(value))
        case ast.Subscript(slice=ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int()))):
            yield node.slice, "index", ast.Constant(0)
        case ast.Call():
            yield from call(node)


def other(value: float) -> float:
    """Return another number of the same type."""
    return not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else 2.0 * value if value else 1.0


def call(node: ast.Call) -> Iterator[tuple[ast.AST, str, ast.AST]]:
    """Yield the changes of a call: the function's partner, its first two arguments exchanged."""
    name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if name in PARTNER:
        new = ast.Name(PARTNER[name]) if isinstance(node.func, ast.Name) else ast.Attribute(node.func.value, PARTNER[name])
        yield node.func, "extremum", new
    if len(node.args) >= 2 and name not in SYMMETRIC and not any(isinstance(one, ast.Starred | ast.Constant) for one in node.args[:2]):
        first, second, *rest = node.args
        if ast.unparse(first) != ast.unparse(second):
            yield node, "transposed", ast.Call(node.func, [second, first, *rest], node.keywords)


def counted(results: Iterable[tuple[str, str]]) -> dict[str, Counter[str]]:
    """Return how many of each outcome there are in each area."""
    table: dict[str, Counter[str]] = {area: Counter() for area in AREAS}
    for path, outcome in results:
        table[next(area for area in AREAS if path.startswith(area))][outcome] += 1
    return table
