"""What a description says: its file, the changes, and the defaults of a facility or of a source in the folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cevnsfit.core.errors import Problem, SpecError, UnknownNameError
from cevnsfit.core.paths import LEADS_OUT, data_root, leads_out
from cevnsfit.spec.sources import DEFAULT_KIND, SOURCE_PATTERN
from cevnsfit.spec.yaml_source import YamlSource, override, parse_value, read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FIRST: Final = ("source", "source.name", "source.file")
"""Changes that bring fields which others change."""


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    return str(node) if isinstance(node, str) else node


def described(source: YamlSource, changes: Mapping[str, object]) -> dict[str, Any]:
    """Return what a file says, with the defaults of its facility and the changes; another facility first, so that its fields can be changed."""
    data = _plain(source.data)
    for path in sorted(changes, key=lambda path: path not in _FIRST):
        value = changes[path]
        data = data if path in _FIRST else _with_facility(data, source, changes)
        override(data, path, parse_value(value, f"--set {path}={value}") if isinstance(value, str) else value)
    return _with_facility(data, source, changes)


def _with_facility(data: dict[str, Any], source: YamlSource, changes: Mapping[str, object]) -> dict[str, Any]:
    section = data.get("source")
    if not isinstance(section, dict):
        return data
    own = _own_source(section, source)
    section = section if own is None else {**_plain(own.data), **section}
    if not isinstance(section.get("name"), str):
        return data if own is None else {**data, "source": {"name": Path(own.name).stem, **section}}
    folder = data_root() / "sources"
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if section["name"] not in known and (own is not None or section.get("kind", DEFAULT_KIND) != DEFAULT_KIND):
        return {**data, "source": section}
    if section["name"] not in known:
        error = UnknownNameError("source", section["name"], known)
        raise SpecError([problem_at(source, ("source", "name"), str(error), changes)])
    facility = _plain(read_yaml(folder / f"{section['name']}.yaml").data)
    return {**data, "source": {**facility, **section}}


def _own_source(section: Mapping[str, Any], source: YamlSource) -> YamlSource | None:
    """Return the file of a source that a section names; None where it names none."""
    file = section.get("file")
    if not isinstance(file, str) or not re.match(SOURCE_PATTERN, file):
        return None
    path = Path(source.name).parent / file
    if leads_out(path):
        raise SpecError([Problem(str(path), None, "source.file", LEADS_OUT)])
    return read_yaml(path)


def problem_at(source: YamlSource, loc: Sequence[str | int], text: str, changes: Mapping[str, object]) -> Problem:
    """Return what is wrong with a field: in the file of the description or of its source, or in a change."""
    field = ".".join(str(part) for part in loc)
    near = (path for path in changes if f"{field}.".startswith(f"{path}.") or path.startswith(f"{field}."))
    changed = next(near, None)
    if changed is not None:
        return Problem(f"--set {changed}={changes[changed]}", None, field, text)
    section = source.value(("source",))
    if loc[:1] == ("source",) and source.value(loc) is None and isinstance(section, dict):
        own = _own_source(section, source)
        if own is not None and own.value(loc[1:]) is not None:
            return Problem(own.name, own.line(loc[1:]), field, text)
    return Problem(source.name, source.line(loc), field, text)
