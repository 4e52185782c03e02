"""Small changes of files that keep what a file is: fields, cells, rows, lines, bytes."""

from __future__ import annotations

import copy
import io
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st
from ruamel.yaml import YAML

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

VALUES: Final[tuple[Any, ...]] = (
    *(
        None,
        True,
        False,
        "",
        "x",
        "nan",
        "../x",
        "/etc/passwd",
        "$\\frac$",
        "a\x1b[31mb\x07",
        "=1+1",
        "<b>",
        "\u202e",
        "é" * 40,
        "long " * 2000,
    ),
    *(0, 1, -1, 2, 0.5, -0.5, 1e-300, 1e300, -1e300, 10**30, math.nan, math.inf, -math.inf, 1e6, 123456789),
    *("10 m", "10 keVee", "10 keVnr", "5 %", "-3 %", "150 %", "1e400", "0x10", "1 / us", "3 PE/keVee", "20m", "1_000", "1,5", "2026-01-01"),
    *([], {}, [1, 2], [[1, 2], [3]], {"a": 1}, ["x"], [0, 0], [3, 2, 1]),
)
"""What takes the place of a field."""

CELLS: Final = (
    "",
    "nan",
    "inf",
    "-1",
    "0",
    "1e400",
    "1e300",
    "-1e300",
    "x",
    "1,5",
    "0x10",
    '"1"',
    "1 ",
    "٣",
    "1_0",
    "None",
    "1e-320",
    "é",
    "=1+1",
    "\x00",
)
"""What takes the place of a cell."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change: its kind, where it is made (counted around), and what is put there."""

    kind: int
    place: int
    value: int


STEPS: Final = st.lists(st.builds(Step, st.integers(0, 99), st.integers(0, 9999), st.integers(0, 999)), min_size=1, max_size=3)
"""Some changes, one after the other."""


def changed_tree(tree: Any, steps: Sequence[Step]) -> Any:
    """Return nested values with some changes."""
    tree = copy.deepcopy(tree)
    for step in steps:
        places = list(_places(tree))
        if places:
            parent, key = places[step.place % len(places)]
            _TREE[step.kind % len(_TREE)](tree, parent, key, step.value)
    return tree


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield node, key
        yield from _places(node[key])


def _put(_: Any, parent: Any, key: Any, value: int) -> None:
    parent[key] = copy.deepcopy(VALUES[value % len(VALUES)])


def _delete(_: Any, parent: Any, key: Any, _value: int) -> None:
    del parent[key]


def _double(_: Any, parent: Any, key: Any, value: int) -> None:
    if isinstance(parent, list):
        parent.insert(value % (len(parent) + 1), copy.deepcopy(parent[key]))
    else:
        parent[f"{key}_{value}"] = copy.deepcopy(parent[key])


def _rename(_: Any, parent: Any, key: Any, value: int) -> None:
    if isinstance(parent, dict):
        names = ("x", key[:-1], key.upper(), f"{key} ", "kind", "table", "é", f"{key}.{key}", "\x1b[1m", "")
        parent[names[value % len(names)]] = parent.pop(key)


def _exchange(tree: Any, parent: Any, key: Any, value: int) -> None:
    places = list(_places(tree))
    other, name = places[value % len(places)]
    parent[key] = copy.deepcopy(other[name])


def _scale(_: Any, parent: Any, key: Any, value: int) -> None:
    factor = (10.0, -1.0, 1e-3, 1e6, 1e-12, 1e15, 0.0, 1.0000001)[value % 8]
    if isinstance(parent[key], int | float):
        parent[key] *= factor
    elif isinstance(parent[key], str):
        number, _, unit = parent[key].partition(" ")
        try:
            parent[key] = f"{float(number) * factor:g} {unit}"
        except ValueError:
            parent[key] = f"{parent[key]} {unit}"


def _wrap(_: Any, parent: Any, key: Any, value: int) -> None:
    parent[key] = ([parent[key]], {"value": parent[key]}, str(parent[key]), [parent[key], parent[key]])[value % 4]


_TREE: Final = (_put, _put, _put, _delete, _double, _rename, _exchange, _scale, _scale, _wrap)


def yaml_text(tree: Any) -> str:
    """Return nested values as YAML."""
    stream = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = None
    writer.width = 10**6
    writer.dump(tree, stream)
    return stream.getvalue()


def changed_yaml(text: str, steps: Sequence[Step]) -> bytes:
    """Return YAML with some changes of its values, or of its text."""
    if steps[0].kind < 15:
        return changed_text(text, steps)
    return yaml_text(changed_tree(YAML(typ="safe", pure=True).load(text), steps)).encode()


def changed_json(text: str, steps: Sequence[Step]) -> bytes:
    """Return JSON with some changes of its values, or of its text."""
    if steps[0].kind < 10:
        return changed_text(text, steps)
    return json.dumps(changed_tree(json.loads(text), steps)).encode()


def changed_csv(text: str, steps: Sequence[Step]) -> bytes:
    """Return a table with some changes of its cells, rows, columns and header, or of its text."""
    if steps[0].kind < 15:
        return changed_text(text, steps)
    rows = [line.split(",") for line in text.splitlines()]
    for step in steps:
        rows = [row for row in rows if row]
        if rows:
            row = step.place % len(rows)
            _CSV[step.kind % len(_CSV)](rows, row, step)
    return ("\n".join(",".join(row) for row in rows) + "\n").encode()


def _cell(rows: list[list[str]], row: int, step: Step) -> None:
    rows[row][step.value % len(rows[row])] = CELLS[step.value // 7 % len(CELLS)]


def _row(rows: list[list[str]], row: int, step: Step) -> None:
    other = step.value % len(rows)
    (lambda: rows.pop(row), lambda: rows.insert(other, list(rows[row])), lambda: rows.__setitem__(row, rows[other]))[step.value % 3]()


def _column(rows: list[list[str]], _: int, step: Step) -> None:
    column = step.value % max(map(len, rows))
    for row in rows:
        if column < len(row) and not row[0].startswith("#"):
            row[column : column + 1] = [] if step.value % 2 else [row[column]] * 2


def _header(rows: list[list[str]], _: int, step: Step) -> None:
    names = next((row for row in rows if row and not row[0].startswith("#")), rows[0])
    column = step.value % len(names)
    texts = (
        "x [1]",
        "e_ee_low [keVee]",
        f"{names[column].split(' ')[0]} [m]",
        names[column].split(" ")[0],
        f"{names[0]}",
        "[1]",
        "é [1]",
        "",
    )
    names[column] = texts[step.place % len(texts)]


def _number(rows: list[list[str]], row: int, step: Step) -> None:
    column = step.value % len(rows[row])
    try:
        rows[row][column] = f"{float(rows[row][column]) * (10.0, -1.0, 1e9, 1e-9, 0.0)[step.value // 5 % 5]:g}"
    except ValueError:
        rows[row][column] = rows[row][column][::-1]


_CSV: Final[tuple[Callable[[list[list[str]], int, Step], object], ...]] = (_cell, _cell, _row, _column, _header, _number, _number)


def changed_text(text: str, steps: Sequence[Step]) -> bytes:
    """Return a text with some changes of its lines and characters."""
    lines = text.splitlines(keepends=True)
    for step in steps:
        if not lines:
            break
        at = step.place % len(lines)
        _TEXT[step.kind % len(_TEXT)](lines, at, step.value)
    return "".join(lines).encode("utf-8", "surrogatepass")


def _break(lines: list[str], at: int, value: int) -> None:
    where = value % (len(lines[at]) + 1)
    inserted = (
        "\t",
        "\x00",
        "\ufeff",
        "\u00a0",
        "\r",
        ";",
        ":",
        "{",
        "'",
        "- ",
        "&a ",
        "*a ",
        "!!python/name:os.system ",
        "\x85",
        "\u2028",
        "\n",
    )
    lines[at] = lines[at][:where] + inserted[value % len(inserted)] + lines[at][where:]


def _cut(lines: list[str], at: int, value: int) -> None:
    lines[at:] = [lines[at][: value % (len(lines[at]) + 1)]]


_TEXT: Final[tuple[Callable[[list[str], int, int], object], ...]] = (
    _break,
    _break,
    _cut,
    lambda lines, at, _: lines.pop(at),
    lambda lines, at, value: lines.insert(value % len(lines), lines[at]),
    lambda lines, at, _: lines.__setitem__(at, lines[at].replace(",", ";")),
    lambda lines, at, _: lines.__setitem__(at, f" {lines[at]}"),
)


def changed_bytes(content: bytes, steps: Sequence[Step]) -> bytes:
    """Return a content with bits flipped, bytes cut off, doubled or set to 0."""
    found = bytearray(content)
    for step in steps:
        at = step.place * 7919 % max(len(found), 1)
        if step.kind % 4 == 0 and found:
            found[at] ^= 1 << step.value % 8
        elif step.kind % 4 == 1:
            del found[at:]
        elif step.kind % 4 == 2:
            found[at:at] = found[at : at + step.value]
        else:
            found[at : at + step.value] = bytes(len(found[at : at + step.value]))
    return bytes(found)
