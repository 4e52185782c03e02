"""Channels of a folder: several detectors or runs that share a description, each with some of its fields changed."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from cevnsfit.core.errors import Problem, SpecError, UnknownNameError
from cevnsfit.core.paths import data_root
from cevnsfit.spec.fields import NAME_PATTERN
from cevnsfit.spec.sources import SOURCE_PATTERN
from cevnsfit.spec.yaml_source import YamlSource, override, parse_value, read_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY: Final = "channels"
ENABLED: Final = "enabled"
"""A field of every channel: one that is not enabled is left out."""

_WHOLE: Final = ("schema_version", "name", "title", "status", "description", "references", "overlaps", KEY)
"""Fields of the experiment, which no channel changes."""


@dataclass(frozen=True, slots=True)
class ChannelSource:
    """The description of one channel.

    Attributes
    ----------
    name
        The channel.
    source
        The file with the channel's own fields in the place of the shared ones, and their lines.
    own
        Lines of these fields by path.
    changes
        Changes by the caller that act on this channel, by path in `source`.
    """

    name: str
    source: YamlSource
    own: Mapping[str, int | None]
    changes: Mapping[str, object]

    def placed(self, problem: Problem) -> Problem:
        """Return a problem where the file has it: in a field of the channel, or in a section that has one."""
        if problem.file != self.source.name:
            return problem
        if any(_within(problem.field, path) for path in self.own):
            return replace(problem, field=f"{KEY}.{self.name}.{problem.field}")
        inside = next((path for path in self.own if _within(path, problem.field)), None)
        return problem if inside is None else replace(problem, line=self.own[inside], field=f"{KEY}.{self.name}.{inside}")


def collected(found: Sequence[tuple[ChannelSource, Sequence[Problem]]]) -> list[Problem]:
    """Return the problems of all channels, those that all have once and where the shared description has them."""
    lists = [set(problems) for _, problems in found]
    common = set.intersection(*lists) if len(lists) > 1 else set[Problem]()
    return [*dict.fromkeys(p if p in common else channel.placed(p) for channel, problems in found for p in problems)]


def channel_sources(path: Path, source: YamlSource, changes: Mapping[str, object]) -> list[ChannelSource]:
    """Return the channels of a file in its order, without those that are not `enabled`; none where it has no channels.

    A change "channels.NAME.PATH" is one of a channel; any other is one of what they share, made before the channels' own fields are.

    Raises
    ------
    SpecError
        If there is something wrong with the section, or a change acts on no channel.
    """
    if KEY not in source.data:
        return []
    given = source.data[KEY]
    if not isinstance(given, Mapping) or not given:
        raise SpecError([Problem(source.name, source.line((KEY,)), KEY, "give each channel by its name, with the fields that it changes")])
    shared, single = _split(changes, [str(name) for name in given])
    problems = [problem for name, own in given.items() for problem in _wrong(source, name, own)]
    if problems:
        raise SpecError(problems)
    used = {name: own for name, own in given.items() if _enabled(source, str(name), own, single.get(str(name), {}))}
    if not used:
        raise SpecError([Problem(source.name, source.line((KEY,)), KEY, f"none is enabled ({', '.join(map(str, given))})")])
    _require_effect(shared, list(used.values()))
    found = []
    for name, whole in used.items():
        own = {field: value for field, value in whole.items() if field != ENABLED}
        view = read_yaml(path)
        for field in own:
            with view.noting(problems, KEY, name, field):
                _put(view, (KEY, name), field)
        acting = {field: _with_own(field, value, own) for field, value in shared.items() if not any(_within(field, other) for other in own)}
        lines = {str(field): view.line((KEY, name, field)) for field in own}
        alone = {field: value for field, value in single.get(str(name), {}).items() if field != ENABLED}
        found.append(ChannelSource(str(name), view, lines, acting | alone))
    if problems:
        raise SpecError(problems)
    return found


def _enabled(source: YamlSource, name: str, own: Mapping[str, object], changes: Mapping[str, object]) -> bool:
    """Return whether a channel is used, after its changes."""
    given, place = own.get(ENABLED, True), f"{KEY}.{name}.{ENABLED}"
    file, line = source.name, source.line((KEY, name, ENABLED))
    if ENABLED in changes:
        given, file, line = changes[ENABLED], f"--set {place}={changes[ENABLED]}", None
        given = parse_value(given, file) if isinstance(given, str) else given
    if not isinstance(given, bool):
        raise SpecError([Problem(file, line, place, f"is {given!r}; expected true or false")])
    return given


def split_channel(path: str) -> tuple[str, str]:
    """Return channel and path of "channels.NAME.PATH"; the channel of another path is ""."""
    first, _, rest = path.partition(".")
    name, _, field = rest.partition(".")
    return (name, field) if first == KEY and field else ("", path)


def _within(field: str, path: str) -> bool:
    return f"{field}.".startswith(f"{path}.")


def _split(changes: Mapping[str, object], names: list[str]) -> tuple[dict[str, object], dict[str, dict[str, object]]]:
    """Return the changes of what is shared, and those of each channel."""
    shared: dict[str, object] = {}
    single: dict[str, dict[str, object]] = {}
    for path, value in changes.items():
        name, field = split_channel(path)
        if name and name not in names:
            kind = "channel"
            raise UnknownNameError(kind, name, names)
        if path.partition(".")[0] == KEY and not name:
            raise SpecError([Problem(f"--set {path}={value}", None, path, "a change of one channel is channels.NAME.PATH")])
        (single.setdefault(name, {}) if name else shared)[field] = value
    return shared, single


def _wrong(source: YamlSource, name: object, own: object) -> list[Problem]:
    """Return what is wrong with the name of a channel, or with the paths of its fields."""
    if not re.match(NAME_PATTERN, str(name)):
        return [
            Problem(
                source.name,
                source.line((KEY, str(name))),
                f"{KEY}.{name}",
                f"'{name}' is not a valid name: use lower case, digits, - and _",
            )
        ]
    if not isinstance(own, Mapping):
        return [
            Problem(source.name, source.line((KEY, str(name))), f"{KEY}.{name}", "give the fields that it changes by dotted path, or {}")
        ]
    texts = {field: "belongs to the experiment, not to a channel" for field in own if str(field).partition(".")[0] in _WHOLE}
    texts |= {field: "this is not a dotted path" for field in own if not isinstance(field, str)}
    return [Problem(source.name, source.line((KEY, str(name), field)), f"{KEY}.{name}.{field}", text) for field, text in texts.items()]


def _require_effect(shared: Mapping[str, object], channels: list[Mapping[str, Any]]) -> None:
    """Raise SpecError if a change is one of a field that every channel has for itself."""
    idle = [path for path in shared if all(any(_within(path, str(field)) for field in own) for own in channels)]
    text = "every channel has its own: change channels.NAME.PATH"
    if idle:
        raise SpecError([Problem(f"--set {path}={shared[path]}", None, path, text) for path in idle])


def _put(view: YamlSource, place: tuple[str, str], path: str) -> None:
    """Put a field of a channel in the place of the shared one, with its line."""
    own: Any = view.data[place[0]][place[1]]
    _lend(view, path)
    override(view.data, path, own[path])
    *parents, last = path.split(".")
    node: Any = view.data
    for part in parents:
        node = node[int(part) if isinstance(node, list) else part]
    key = int(last) if isinstance(node, list) else last
    if node.lc.data is None:
        node.lc.data = {}
    node.lc.data[key] = own.lc.data[path]


def _lend(view: YamlSource, path: str) -> None:
    """Write the section of the source that a path goes into, where its own file or the facility has it and the description does not."""
    first, *parents = path.split(".")
    section: Any = view.data.get(first)
    if first != "source" or len(parents) < 2 or not isinstance(section, Mapping) or parents[0] in section:
        return
    own, name = str(section.get("file")), str(section.get("name"))
    files = [Path(view.name).parent / own] if re.match(SOURCE_PATTERN, own) else []
    files += [data_root() / "sources" / f"{name}.yaml"] if re.match(NAME_PATTERN, name) else []
    for lent in (read_yaml(file).data for file in files if file.is_file()):
        if parents[0] in lent:
            cast("dict[str, Any]", section)[parents[0]] = lent[parents[0]]
            return


def _with_own(path: str, value: object, own: Mapping[str, object]) -> object:
    """Return the new value of a shared field with what the channel has for itself inside of it."""
    inside = {str(field): entry for field, entry in own.items() if str(field).startswith(f"{path}.")}
    if not inside:
        return value
    holder = {"value": parse_value(value, f"--set {path}={value}") if isinstance(value, str) else copy.deepcopy(value)}
    for field, entry in inside.items():
        override(holder, f"value.{field.removeprefix(f'{path}.')}", entry)
    return holder["value"]
