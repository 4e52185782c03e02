"""YAML text with line numbers, and overrides of its fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cevnsfit.core.errors import CevnsfitError, Problem, SpecError, UnknownNameError
from cevnsfit.core.units import UnitError, split

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 30


@dataclass(frozen=True, slots=True)
class YamlSource:
    """A parsed YAML mapping that still knows its lines.

    Attributes
    ----------
    name
        The file as people know it.
    data
        The parsed mapping (ruamel round-trip objects).
    """

    name: str
    data: Mapping[str, Any]

    def line(self, path: Sequence[str | int]) -> int | None:
        """Return the line (from 1) of the deepest part of `path` that exists, or None."""
        node: Any = self.data
        line: int | None = None
        for key in path:
            if _holds(node, key):
                line = _position(node, key, line)
                node = node[key]
        return line

    def place(self, path: Sequence[str | int]) -> tuple[str | int, ...]:
        """Return a location of pydantic without the tags of its unions."""
        node: Any = self.data
        parts: list[str | int] = []
        tagged = False
        for key in path:
            tag = isinstance(node, Mapping) and key not in node and (node.get("kind") == key or str(key).startswith("function-"))
            tagged = not tagged and tag
            if not tagged:
                parts.append(key)
                node = node[key] if _holds(node, key) else None
        return tuple(parts)

    def value(self, path: Sequence[str | int]) -> object:
        """Return what is written at a location, None where there is nothing."""
        node: Any = self.data
        for key in path:
            node = node[key] if _holds(node, key) else None
        return node

    def field(self, path: Sequence[str | int]) -> str:
        """Return the dotted field of a location of pydantic."""
        return ".".join(str(part) for part in self.place(path))

    @contextmanager
    def noting(self, problems: list[Problem], *path: str | int) -> Iterator[None]:
        """Add an error that is raised inside to `problems`, with the line and the field of `path`."""
        try:
            yield
        except SpecError as error:
            problems.extend(error.problems)
        except CevnsfitError as error:
            problems.append(Problem(self.name, self.line(path), self.field(path), str(error)))


def holds(data: object, path: Sequence[str]) -> bool:
    """Return whether there is something at the parts of a path, the positions of lists as digits."""
    node: Any = data
    for part in path:
        key = int(part) if isinstance(node, list) and part.isdigit() else part
        if not _holds(node, key):
            return False
        node = node[key]
    return True


def _holds(node: object, key: str | int) -> bool:
    if isinstance(node, Mapping):
        return key in node
    return isinstance(node, Sequence) and not isinstance(node, str) and isinstance(key, int) and key < len(node)


def _position(node: Any, key: str | int, fallback: int | None) -> int | None:
    marks, lines = getattr(node, "lc", None), getattr(node, "lines", None)
    if lines is not None:
        return int(lines[key])
    if marks is None or marks.data is None or key not in marks.data:
        return fallback
    return int(marks.data[key][0]) + 1


def read_yaml(path: Path) -> YamlSource:
    """Return the YAML mapping in `path`.

    Raises
    ------
    SpecError
        If the file is missing, too large, not YAML, repeats a key, uses aliases or is not a mapping.
    """
    name = str(path)
    if not path.is_file():
        raise SpecError([Problem(name, None, "", "no such file")])
    if path.stat().st_size > MAX_BYTES:
        raise SpecError([Problem(name, None, "", f"larger than {MAX_BYTES // 1000} kB")])
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SpecError([Problem(name, None, "", "not a text file in UTF-8")]) from None
    return YamlSource(name, _parse(text, name))


def _parse(text: str, name: str) -> Mapping[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML()
    yaml.Composer = _strict_composer(name)
    try:
        data = yaml.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark if error.problem_mark is not None else error.context_mark
        line = None if mark is None else mark.line + 1
        what = (error.problem or str(error)).splitlines()[0]
        raise SpecError([Problem(name, line, "", f"not valid YAML: {what}")]) from None
    except (YAMLError, ValueError) as error:  # characters that are none, dates and numbers that cannot be
        raise SpecError([Problem(name, None, "", f"not valid YAML: {str(error).splitlines()[0]}")]) from None
    if not isinstance(data, Mapping):
        raise SpecError([Problem(name, 1, "", "the file must be a mapping of fields")])
    return data


def _strict_composer(name: str) -> Any:
    """Return a composer that raises SpecError at the first alias or too deep level, before anything is built from it."""
    from ruamel.yaml.composer import Composer
    from ruamel.yaml.events import AliasEvent

    class StrictComposer(Composer):
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            event = self.parser.peek_event()
            line = event.start_mark.line + 1
            if isinstance(event, AliasEvent):
                raise SpecError([Problem(name, line, "", f"aliases (*{event.anchor}) are not allowed; write the value out")])
            if self.depth > MAX_DEPTH:
                raise SpecError([Problem(name, line, "", f"nested more than {MAX_DEPTH} levels deep")])
            self.depth += 1
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

    return StrictComposer


def parse_value(text: str, name: str) -> Any:
    """Return the YAML value of the text after `PATH=`; 1e-4 is a number, "19.3 m" a text.

    Raises
    ------
    SpecError
        If it uses aliases, or is nested too deeply; `name` says where.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _strict_composer(name)
    try:
        return yaml.load(text)
    except YAMLError:
        return text


def override(data: Mapping[str, Any], path: str, value: object) -> None:
    """Put `value` at the dotted `path` of a mapping that the caller owns.

    A bare number takes the unit of the text that it replaces, so that `source.distance=23` means 23 m where the file says "19.3 m".

    Raises
    ------
    UnknownNameError
        If a part of the path names no field.
    """
    *parents, last = path.split(".")
    node: Any = data
    for part in parents:
        node = _child(node, part, path)
    key: Any = last
    if isinstance(node, list):
        key = _index(node, last, path)
    elif not isinstance(node, dict):
        message = f"'{path}': '{'.'.join(parents)}' has no fields"
        raise CevnsfitError(message)
    old = node[key] if isinstance(node, list) or key in node else None
    node[key] = _with_unit(value, old)


def _child(node: Any, part: str, path: str) -> Any:
    if isinstance(node, list):
        return node[_index(node, part, path)]
    if not isinstance(node, dict) or part not in node:
        known = node if isinstance(node, dict) else ()
        msg = f"field in '{path}'"
        raise UnknownNameError(msg, part, [str(key) for key in known])
    return node[part]


def _index(node: list[Any], part: str, path: str) -> int:
    if not part.isdigit() or int(part) >= len(node):
        message = f"'{path}': '{part}' is not an index of a list of {len(node)}"
        raise CevnsfitError(message)
    return int(part)


def _with_unit(value: object, old: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isinstance(old, str):
        return value
    try:
        _, unit = split(old)
    except UnitError:
        return value
    return f"{value!r} {unit}" if unit else value
