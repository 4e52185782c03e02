"""Further sections of an analysis file: superpartners, and what limits and bands leave of the plane."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.documents import About, Document
from cevnsfit.core.errors import CevnsfitError, UnknownNameError
from cevnsfit.moments.measured import deviation
from cevnsfit.spec.catalog import located, resolve
from cevnsfit.studies.grids import parse_masses
from cevnsfit.studies.overlays import in_folder, overlay
from cevnsfit.studies.slice import Slice, plane_slice, scan_limits
from cevnsfit.studies.susy_inputs import SusyInputs, boson_limits, draw_of, parse_range

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cevnsfit.core.errors import Problem
    from cevnsfit.infer.limit import Limit
    from cevnsfit.spec.analysis import AnalysisSpec
    from cevnsfit.spec.yaml_source import YamlSource

    Grids = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RestInputs:
    """What is left of which plane.

    Attributes
    ----------
    limits
        Limits and bands that are applied.
    masses
        In MeV, increasing.
    cl
        Confidence level of planes, one degree of freedom.
    results
        Labels of planes that are held against what is left.
    """

    limits: tuple[Limit, ...]
    masses: np.ndarray
    cl: float
    results: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Remainder(Document):
    """What limits and bands leave of a plane, and what is then left by one result more.

    Attributes
    ----------
    result
        Label of that result; empty for none.
    left
        What is left.
    removed
        The part of the area in (ln mass, g) that the result excludes of what the others leave; NaN where that is not bounded or empty.
    """

    result: str
    left: Slice
    removed: float

    @property
    def about(self) -> About:
        """Return what is left is about."""
        return self.left.about


def superpartners_of(source: YamlSource, spec: AnalysisSpec, folder: Path, problems: list[Problem]) -> SusyInputs | None:
    """Return what the scan of superpartners asks, with every problem of the section noted; None where there is no such section."""
    if spec.susy is None:
        return None
    section = spec.susy
    fields = {name: getattr(section, name) for name in type(section).model_fields if name != "points"}
    before = len(problems)
    for name, text in section.ranges.items():
        with source.noting(problems, "susy", "ranges", name):
            parse_range(name, str(text))
    for n, name in enumerate(section.experiments):
        with source.noting(problems, "susy", "experiments", n):
            resolve(*located([name], folder))
    for lepton in ("electron", "muon"):
        with source.noting(problems, "susy", lepton):
            deviation(fields[f"{lepton}_measured"], fields[lepton])
    inputs = SusyInputs(
        **{
            **fields,
            "ranges": {name: str(text) for name, text in section.ranges.items()},
            "experiments": located(section.experiments, folder),
            "boson_limits": located(section.boson_limits, folder),
        }
    )
    with source.noting(problems, "susy", "boson_limits"):
        boson_limits(inputs)
    if len(problems) == before:
        with source.noting(problems, "susy", "ranges"):
            draw_of(replace(inputs, boson=False))
    return inputs


def rest_of(source: YamlSource, spec: AnalysisSpec, folder: Path, problems: list[Problem], grid: Grids) -> RestInputs | None:
    """Return what the slice of a plane is made of, with every problem of the section noted; None where there is no such section."""
    if spec.slice is None:
        return None
    section, masses = spec.slice, np.array([1.0, 2.0])
    with source.noting(problems, "slice"):
        _check_plane(grid)
        with source.noting(problems, "slice", "masses"):
            masses = parse_masses(section.masses)
            _check_reach(masses, grid["mass"], section.results)
    limits: list[Limit] = []
    for field, names in (("limits", section.limits), ("bands", section.bands)):
        for n, name in enumerate(names):
            with source.noting(problems, "slice", field, n):
                limits.append(_limit(in_folder(name, folder), spec.model, masses, section.cl, field))
    labels = [result.label for result in spec.results]
    for n, label in enumerate(section.results):
        with source.noting(problems, "slice", "results", n):
            if label not in labels:
                kind = "label of a result"
                raise UnknownNameError(kind, label, labels)
    return RestInputs(limits=tuple(limits), masses=masses, cl=section.cl, results=section.results)


def _check_plane(grid: Grids) -> None:
    if set(grid) != {"mass", "g"}:
        message = f"a slice needs mass and g, but the plane is one of {' and '.join(grid)}"
        raise CevnsfitError(message)


def _check_reach(masses: np.ndarray, known: np.ndarray, results: Sequence[str]) -> None:
    if results and not known[0] <= masses[0] <= masses[-1] <= known[-1]:
        message = f"results are known from {known[0]:g} to {known[-1]:g} MeV (grid), not from {masses[0]:g} to {masses[-1]:g} MeV"
        raise CevnsfitError(message)


def _limit(name: str | Path, model: str, masses: np.ndarray, cl: float, field: str) -> Limit:
    """Return a limit or a band, as the field asks for; CevnsfitError for the other one."""
    found = overlay(name, model, (float(masses[0]), float(masses[-1])), cl=cl)
    if (found.kind == "band") != (field == "bands") or found.kind == "line":
        message = f"'{name}' is a {found.kind} and does not belong to {field}"
        raise CevnsfitError(message)
    return found if found.name else replace(found, name=found.label)


def remainders(asked: RestInputs, model: str, folder: Path) -> tuple[Remainder, ...]:
    """Return what is left by limits and bands alone, and with each result of the scan in `folder` that was asked for."""
    first = plane_slice(asked.limits, asked.masses, model)
    found = [Remainder("", first, 0.0)]
    planes = {limit.label: limit for limit in scan_limits(folder, model=model, cl=asked.cl)} if asked.results else {}
    for label in asked.results:
        left = plane_slice((*asked.limits, planes[label]), asked.masses, model)
        whole = _area(first)
        found.append(Remainder(label, left, 1.0 - _area(left) / whole if 0.0 < whole < math.inf else math.nan))
    return tuple(found)


def _area(found: Slice) -> float:
    """Return the area that is left in (ln mass, g)."""
    widths = np.array([sum(high - low for low, high in column.allowed) for column in found.columns])
    steps = np.diff(np.log([column.mass for column in found.columns]))
    return float(np.sum(0.5 * steps * (widths[1:] + widths[:-1])))
