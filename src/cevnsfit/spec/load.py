"""A folder (experiment.yaml + tables) to an `Experiment`; every problem found, once, with file, line and field."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, TypeAdapter, ValidationError

from cevnsfit.core.errors import CevnsfitError, Problem, SpecError, UnknownNameError
from cevnsfit.core.paths import data_root
from cevnsfit.spec.checks import check_experiment
from cevnsfit.spec.schema import ExperimentSpec, Stage
from cevnsfit.spec.tables import Table, TableError, read_table
from cevnsfit.spec.yaml_source import YamlSource, override, parse_value, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from cevnsfit.core.axes import Axis

FILE: Final = "experiment.yaml"


@dataclass(frozen=True, slots=True)
class Experiment:
    """A validated description with its tables.

    Attributes
    ----------
    spec
        The description, in internal units.
    axes
        Analysis axes, in the order of the description.
    tables
        Every table that the description names, by file name.
    variants
        For each response systematic, the stages at +1 and -1 sigma.
    folder
        Where it was read.
    overrides
        What was changed by the caller, as (path, value) texts.
    digests
        SHA-256 of experiment.yaml and of each table, by file name.
    """

    spec: ExperimentSpec
    axes: tuple[Axis, ...]
    tables: Mapping[str, Table]
    variants: Mapping[str, tuple[Mapping[str, Stage], Mapping[str, Stage]]]
    folder: Path
    overrides: tuple[tuple[str, str], ...]
    digests: Mapping[str, str]

    @property
    def name(self) -> str:
        """Return the name of the experiment."""
        return self.spec.name


def load_experiment(name: str | Path, overrides: Mapping[str, object] | None = None) -> Experiment:
    """Return the experiment of a shipped name or of a folder.

    Parameters
    ----------
    name
        A shipped experiment ("coherent-lar-2020") or the path of a folder that holds experiment.yaml.
    overrides
        Fields to change, by dotted path ("source.distance": "23 m"); texts are read as YAML.

    Raises
    ------
    UnknownNameError
        If there is neither a shipped experiment nor a folder of this name.
    SpecError
        With every problem of the folder.
    """
    from cevnsfit.spec.catalog import resolve

    folder = resolve(name)
    source = read_yaml(folder / FILE)
    data = _plain(source.data)
    changes = {} if overrides is None else dict(overrides)
    for path, value in changes.items():
        override(data, path, parse_value(value) if isinstance(value, str) else value)
    merged = _with_facility(data, source)
    spec = _validated(merged, source, changes)
    tables, problems = _read_tables(spec, folder, source)
    axes, axis_problems = _axes(spec, source)
    variants, variant_problems = _variants(merged, spec, source)
    problems += axis_problems + variant_problems
    if not axis_problems:
        problems += check_experiment(spec, axes, tables, source)
    if problems:
        raise SpecError(problems)
    digests = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in (FILE, *tables)}
    changed = tuple((path, str(value)) for path, value in changes.items())
    return Experiment(spec, axes, tables, variants, folder, changed, digests)


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    return str(node) if isinstance(node, str) else node


def _with_facility(data: dict[str, Any], source: YamlSource) -> dict[str, Any]:
    section = data.get("source")
    if not isinstance(section, dict) or not isinstance(section.get("name"), str):
        return data
    folder = data_root() / "sources"
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if section["name"] not in known:
        error = UnknownNameError("source", section["name"], known)
        raise SpecError([Problem(source.name, source.line(("source", "name")), "source.name", str(error))])
    facility = _plain(read_yaml(folder / f"{section['name']}.yaml").data)
    return {**data, "source": {**facility, **section}}


def _validated(data: dict[str, Any], source: YamlSource, changes: Mapping[str, object]) -> ExperimentSpec:
    try:
        return ExperimentSpec.model_validate(data)
    except ValidationError as error:
        problems = [_problem(source, detail["loc"], detail["msg"], detail["type"], changes) for detail in error.errors()]
    raise SpecError(problems)


def _problem(source: YamlSource, loc: Sequence[str | int], message: str, kind: str, changes: Mapping[str, object]) -> Problem:
    field = source.field(loc)
    text = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if kind == "extra_forbidden":
        text = f"unknown field '{loc[-1]}'{_near(loc)}"
    elif kind == "missing":
        text = "this field is required"
    changed = next((path for path in changes if field == path or field.startswith(f"{path}.")), None)
    if changed is not None:
        return Problem(f"--set {changed}={changes[changed]}", None, field, text)
    return Problem(source.name, source.line(loc), field, text)


def _near(loc: Sequence[str | int]) -> str:
    known: set[str] = set(ExperimentSpec.model_fields)
    if len(loc) > 1:
        field = ExperimentSpec.model_fields.get(str(loc[0]))
        section = None if field is None else field.annotation
        known = set(section.model_fields) if isinstance(section, type) and issubclass(section, BaseModel) else set()
    return "; " + str(UnknownNameError("field", str(loc[-1]), known)).partition("; ")[2] if known else ""


def _read_tables(spec: ExperimentSpec, folder: Path, source: YamlSource) -> tuple[dict[str, Table], list[Problem]]:
    tables: dict[str, Table] = {}
    problems: list[Problem] = []
    for file, loc in _table_references(spec.model_dump(), ()):
        if file in tables or any(problem.file == str(folder / file) for problem in problems):
            continue
        path = folder / file
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            problems.append(Problem(str(path), None, source.field(loc), "links out of the folder"))
            continue
        try:
            tables[file] = read_table(path)
        except TableError as error:
            problems.append(Problem(str(path), error.line, source.field(loc) if error.line is None else "", str(error)))
    return tables, problems


def _table_references(node: object, loc: tuple[str | int, ...]) -> Iterable[tuple[str, tuple[str | int, ...]]]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "table" and isinstance(value, str):
                yield value, (*loc, key)
            else:
                yield from _table_references(value, (*loc, key))
    elif isinstance(node, list | tuple):
        for position, value in enumerate(node):
            yield from _table_references(value, (*loc, position))


def _axes(spec: ExperimentSpec, source: YamlSource) -> tuple[tuple[Axis, ...], list[Problem]]:
    axes: list[Axis] = []
    problems: list[Problem] = []
    for name, entry in spec.axes.items():
        try:
            axes.append(entry.to_axis(name))
        except CevnsfitError as error:
            problems.append(Problem(source.name, source.line(("axes", name)), f"axes.{name}", str(error)))
    return tuple(axes), problems


def _variants(
    data: dict[str, Any], spec: ExperimentSpec, source: YamlSource
) -> tuple[dict[str, tuple[Mapping[str, Stage], Mapping[str, Stage]]], list[Problem]]:
    variants: dict[str, tuple[Mapping[str, Stage], Mapping[str, Stage]]] = {}
    problems: list[Problem] = []
    adapter: TypeAdapter[dict[str, Stage]] = TypeAdapter(dict[str, Stage])
    for name, systematic in spec.systematics.items():
        if systematic.kind != "response":
            continue
        sides: list[Mapping[str, Stage]] = []
        for side in ("up", "down"):
            changed = copy.deepcopy(data["response"])
            try:
                for path, value in getattr(systematic, side).items():
                    override(changed, path, value)
                sides.append(adapter.validate_python(changed))
            except ValidationError as error:
                field = f"systematics.{name}.{side}"
                line = source.line(("systematics", name, side))
                problems += [Problem(source.name, line, field, detail["msg"].removeprefix("Value error, ")) for detail in error.errors()]
            except CevnsfitError as error:
                problems.append(Problem(source.name, source.line(("systematics", name, side)), f"systematics.{name}.{side}", str(error)))
        if len(sides) == 2:
            variants[name] = (sides[0], sides[1])
    return variants, problems
