"""A folder (experiment.yaml + tables) to an `Experiment`; every problem found, once, with file, line and field."""

from __future__ import annotations

import copy
import hashlib
import logging
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import TypeAdapter, ValidationError

from cevnsfit.core.documents import Document
from cevnsfit.core.errors import CevnsfitError, Problem, SpecError, UnknownNameError
from cevnsfit.core.paths import LEADS_OUT, data_root, leads_out
from cevnsfit.spec.channels import ENABLED, KEY, channel_sources, collected, split_channel
from cevnsfit.spec.checks import check_experiment
from cevnsfit.spec.description import described, problem_at
from cevnsfit.spec.fields import UNKNOWN, details, explained, known_fields
from cevnsfit.spec.foreign import read_tables, table_references
from cevnsfit.spec.instrument import Stage
from cevnsfit.spec.observations import observation
from cevnsfit.spec.schema import ExperimentSpec
from cevnsfit.spec.sources import DEFAULT_KIND
from cevnsfit.spec.workspaces import read_pyhf
from cevnsfit.spec.yaml_source import YamlSource, holds, override, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from cevnsfit.core.axes import Axis
    from cevnsfit.spec.channels import ChannelSource
    from cevnsfit.spec.findings import Place
    from cevnsfit.spec.observations import Observation
    from cevnsfit.spec.tables import InputTable

    _Variants = Mapping[str, Mapping[str, Mapping[str, Stage]]]

_log = logging.getLogger(__name__)

FILE: Final = "experiment.yaml"
DEFAULT_KINDS: Final = {"source": DEFAULT_KIND, "time_efficiency": "exponential"}
"""Sections with a kind that need not be named."""


@dataclass(frozen=True, slots=True, repr=False)
class Experiment(Document):
    """A validated description with its tables.

    Attributes
    ----------
    spec
        The description, in internal units.
    axes
        Analysis axes, in the order of the description.
    tables
        Every table that the description names, by the name that it has there.
    variants
        For each systematic that changes the response, the stages by side ("up" and "down").
    folder
        Where it was read.
    overrides
        What was changed by the caller, as (path, value) texts.
    digests
        SHA-256 of experiment.yaml, of the files of tables, source and workspace, by file name, and of shipped spectra.
    workspace
        The pyhf workspace that the description names, or None.
    channel
        Name of the channel that this is, of an experiment with channels.
    channels
        The channels of the folder by name, in its order; empty where it has none. Spec, axes and variants are those of the first one then, tables and
        digests those of all.
    """

    document: ClassVar[Mapping[str, str | None]] = {
        **dict.fromkeys(("spec", "tables", "variants", "overrides", "digests", "workspace", "channel", "channels")),
        **{key: f"spec.{key}" for key in ("name", "title", "status")},
        **{key: key for key in ("target", "bins")},
        "axes": "lengths",
        "observed": "observed",
        **{key: f"spec.{key}" for key in ("overlaps", "references")},
        "folder": "folder",
    }

    spec: ExperimentSpec
    axes: tuple[Axis, ...]
    tables: Mapping[str, InputTable]
    variants: _Variants
    folder: Path
    overrides: tuple[tuple[str, str], ...]
    digests: Mapping[str, str]
    workspace: Mapping[str, Any] | None = None
    channel: str = ""
    channels: Mapping[str, Experiment] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `--json` prints, with the names of channels where there are any."""
        return {**Document.to_dict(self), **({"channels": list(self.channels)} if self.channels else {})}

    @property
    def name(self) -> str:
        """Return the name of the experiment."""
        return self.spec.name

    @property
    def label(self) -> str:
        """Return the name of the channel in a likelihood: that of the experiment, "EXPERIMENT.CHANNEL" for one of several."""
        return f"{self.name}.{self.channel}" if self.channel else self.name

    @property
    def parts(self) -> tuple[Experiment, ...]:
        """Return the channels, itself where it has none."""
        return (*self.channels.values(),) if self.channels else (self,)

    @property
    def target(self) -> str:
        """Return compound and mass of the detector, of each channel where they differ."""
        texts = dict.fromkeys(f"{part.spec.target.compound}, {part.spec.target.mass / 1e3:.6g} kg" for part in self.parts)
        return "; ".join(texts)

    @property
    def has_data(self) -> bool:
        """Return whether there are observed counts, in all channels."""
        return all(part.spec.has_data for part in self.parts)

    @property
    def reached(self) -> tuple[Axis, ...]:
        """Return the axes that the response reaches."""
        return self.spec.reached(self.axes)

    def sees_electrons(self) -> bool:
        """Return whether electron recoils can lie in the window of every channel."""
        return all(part.spec.sees_electrons() for part in self.parts)

    @property
    def lengths(self) -> dict[str, int]:
        """Return the number of bins of each axis."""
        return {axis.name: axis.nbins for axis in self.axes}

    @property
    def bins(self) -> int:
        """Return the number of bins, of all channels together."""
        return sum(math.prod(axis.nbins for axis in part.axes) for part in self.parts)

    @property
    def observed(self) -> float | None:
        """Return the number of observed events, or the sum of values with errors; None for a projection, and where a workspace holds them."""
        if self.channels:
            counts = [part.observed for part in self.parts]
            return None if None in counts else sum(count for count in counts if count is not None)
        found = self.observation
        if self.spec.observed is None or found is None:
            return None
        total = float(found.values.sum())
        return round(total) if self.spec.observed.counted else total

    @property
    def observation(self) -> Observation | None:
        """Return what one without channels observed in its bins; None for a projection, and where a workspace holds it."""
        return None if self.spec.observed is None else observation(self.spec.observed, self.axes, self.tables)

    @property
    def outside(self) -> int:
        """Return the number of listed events outside the window."""
        found = (part.observation for part in self.parts)
        return sum(one.outside for one in found if one is not None)


def load_experiment(name: str | Path, overrides: Mapping[str, object] | None = None) -> Experiment:
    """Return the experiment with a shipped name, or that in a folder.

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
    if leads_out(folder / FILE):
        raise SpecError([Problem(str(folder / FILE), None, "", LEADS_OUT)])
    source = read_yaml(folder / FILE)
    changes = {} if overrides is None else dict(overrides)
    channels = channel_sources(folder / FILE, source, changes)
    if not channels:
        return _loaded(folder, source, changes)
    parts: dict[str, Experiment] = {}
    wrong: list[tuple[ChannelSource, Sequence[Problem]]] = []
    for channel in channels:
        try:
            parts[channel.name] = replace(_loaded(folder, channel.source, channel.changes), channel=channel.name)
            wrong.append((channel, ()))
        except SpecError as error:
            wrong.append((channel, error.problems))
    if problems := collected(wrong):
        raise SpecError(problems)
    return _whole(parts, changes)


def _whole(parts: Mapping[str, Experiment], changes: Mapping[str, object]) -> Experiment:
    """Return the experiment of some channels."""
    tables = {file: table for part in parts.values() for file, table in part.tables.items()}
    digests = {file: digest for part in parts.values() for file, digest in part.digests.items()}
    changed = tuple((path, str(value)) for path, value in changes.items())
    first = next(iter(parts.values()))
    return replace(first, channel="", channels=dict(parts), tables=tables, digests=digests, overrides=changed)


def _loaded(folder: Path, source: YamlSource, changes: Mapping[str, object]) -> Experiment:
    """Return the experiment of a description without channels, or of one channel."""
    merged = described(source, changes)
    merged.pop(KEY, None)
    spec, problems = _validated(merged, source, changes)
    if spec is None:
        raise SpecError(problems + read_tables(table_references(merged, ()), folder, source, None)[1])
    variants, variant_problems = _variants(merged, spec, source)
    references = [*table_references(merged, ()), *_variant_tables(variants)]
    tables, table_problems = read_tables(references, folder, source, spec)
    axes, axis_problems = _axes(spec, source)
    workspace, workspace_problems = _workspace(spec, folder, source)
    problems = table_problems + axis_problems + variant_problems + workspace_problems
    if not axis_problems:
        problems += check_experiment(spec, axes, tables, source, variants)
    if problems:
        raise SpecError(problems)
    files = (
        FILE,
        *filter(None, (spec.source.file,)),
        *(table.partition(":")[0] for table in tables),
        *(() if spec.workspace is None else (spec.workspace.file,)),
    )
    shipped = {f"spectra/{name}.csv": data_root() / "spectra" / f"{name}.csv" for name in spec.source.spectra}
    digests = {
        name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in ({file: folder / file for file in files} | shipped).items()
    }
    changed = tuple((path, str(value)) for path, value in changes.items())
    _log.info("%s: read %d files in %s", spec.name, len(digests), folder)
    return Experiment(spec, axes, tables, variants, folder, changed, digests, workspace)


def has_field(folder: Path, path: str, changes: Mapping[str, object]) -> bool:
    """Return whether the description of an experiment has a field, in its file or as an optional one, after some `changes`."""
    source = read_yaml(folder / FILE)
    channel, path = split_channel(path)
    if path == ENABLED:
        return channel in source.data.get(KEY, {})
    sources = {entry.name: entry for entry in channel_sources(folder / FILE, source, changes)}
    if channel and channel not in sources:
        return False
    chosen = sources.get(channel, next(iter(sources.values()), None))
    source, changes = (source, changes) if chosen is None else (chosen.source, chosen.changes)
    data = described(source, changes)
    data.pop(KEY, None)
    *parents, last = path.split(".")
    if holds(data, [*parents, last]):
        return True
    if not holds(data, parents) or last not in known_fields(ExperimentSpec, parents):
        return False
    override(data, path, None)
    _, problems = _validated(data, source, {})
    return not any(problem.field == path and problem.message.startswith(UNKNOWN) for problem in problems)


def _validated(data: dict[str, Any], source: YamlSource, changes: Mapping[str, object]) -> tuple[ExperimentSpec | None, list[Problem]]:
    data = {**data, **{name: {"kind": kind, **data[name]} for name, kind in DEFAULT_KINDS.items() if isinstance(data.get(name), dict)}}
    try:
        return ExperimentSpec.model_validate(data), []
    except ValidationError as error:
        places = YamlSource(source.name, data)
        found = [(detail, places.place(detail["loc"])) for detail in details(error)]
        return None, [
            problem_at(source, place, explained(detail, detail["loc"], ExperimentSpec, places.value(place)), changes)
            for detail, place in found
        ]


def _variant_tables(variants: _Variants) -> Iterator[tuple[str, Place]]:
    for name, sides in variants.items():
        for side, stages in sides.items():
            yield from ((stage.table, ("systematics", name, side)) for stage in stages.values() if hasattr(stage, "table"))


def _workspace(spec: ExperimentSpec, folder: Path, source: YamlSource) -> tuple[Mapping[str, Any] | None, list[Problem]]:
    """Return the workspace that the description names, and what is wrong with it."""
    if spec.workspace is None:
        return None, []
    path = folder / spec.workspace.file
    if leads_out(path):
        return None, [Problem(str(path), None, "workspace.file", LEADS_OUT)]
    try:
        found = read_pyhf(path)
    except CevnsfitError as error:
        return None, [Problem(source.name, source.line(("workspace", "file")), "workspace.file", str(error))]
    channels = found["channels"]
    asked: dict[str, tuple[str, Sequence[str], list[str]]] = {
        "signal": ("sample", spec.workspace.signal, [sample["name"] for channel in channels for sample in channel["samples"]]),
        "channel": ("channel", (spec.workspace.channel,), ["", *(channel["name"] for channel in channels)]),
        "measurement": ("measurement", (spec.workspace.measurement,), ["", *(entry["name"] for entry in found["measurements"])]),
    }
    return found, [
        Problem(source.name, source.line(("workspace", key)), f"workspace.{key}", str(UnknownNameError(kind, name, [*filter(None, known)])))
        for key, (kind, names, known) in asked.items()
        for name in names
        if name not in known
    ]


def _axes(spec: ExperimentSpec, source: YamlSource) -> tuple[tuple[Axis, ...], list[Problem]]:
    axes: list[Axis] = []
    problems: list[Problem] = []
    for name, entry in spec.axes.items():
        try:
            axes.append(entry.to_axis(name))
        except CevnsfitError as error:
            problems.append(Problem(source.name, source.line(("axes", name)), f"axes.{name}", str(error)))
    return tuple(axes), problems


def _variants(data: dict[str, Any], spec: ExperimentSpec, source: YamlSource) -> tuple[_Variants, list[Problem]]:
    variants: dict[str, dict[str, Mapping[str, Stage]]] = {}
    problems: list[Problem] = []
    for name, systematic in spec.systematics.items():
        for side, changes in systematic.responses.items():
            stages, texts = _changed_response(data.get("response", {}), changes)
            variants.setdefault(name, {})[side] = stages
            problems += [problem_at(source, ("systematics", name, side), text, {}) for text in texts]
    return variants, problems


def _changed_response(response: Mapping[str, Any], changes: Mapping[str, object]) -> tuple[Mapping[str, Stage], list[str]]:
    """Return the stages with some fields changed, and what is wrong with that."""
    changed = copy.deepcopy(dict(response))
    adapter: TypeAdapter[dict[str, Stage]] = TypeAdapter(dict[str, Stage])
    try:
        for path, value in changes.items():
            override(changed, path, value)
        return adapter.validate_python(changed), []
    except ValidationError as error:
        view = YamlSource("", {"response": changed})
        places = [("response", *detail["loc"]) for detail in details(error)]
        return {}, [
            f"{view.field(loc)}: {explained(detail, loc, ExperimentSpec, view.value(view.place(loc)))}"
            for loc, detail in zip(places, details(error), strict=True)
        ]
    except CevnsfitError as error:
        return {}, [str(error)]
