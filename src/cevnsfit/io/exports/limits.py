"""Limits as plain values: planes with their regions, and what is known of them; what the writers write and the readers return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from cevnsfit.core.documents import plain
from cevnsfit.core.errors import ResultError
from cevnsfit.infer.planes import Plane, PlaneAxis, Region

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

SCHEMA: Final = "cevnsfit-limits/1"
"""Name and version of the document."""


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """Planes over the same two parameters with their regions.

    Attributes
    ----------
    results
        (plane, regions) of each combination of experiments.
    metadata
        What the numbers are, as plain values: model, Lagrangian, charges, held parameters, method, inputs with digests, versions.
    """

    results: tuple[tuple[Plane, tuple[Region, ...]], ...]
    metadata: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not self.results:
            message = "there are no planes to export"
            raise ResultError(message)
        (first, _), *others = self.results
        for plane, _ in others:
            if plane.axes != first.axes or plane.model != first.model:
                message = f"'{plane.label}' and '{first.label}' have different models or grids; export them separately"
                raise ResultError(message)

    @property
    def axes(self) -> tuple[PlaneAxis, PlaneAxis]:
        """Return the two axes that all planes share."""
        return self.results[0][0].axes


def delta_chi2(plane: Plane) -> NDArray[np.float64]:
    """Return -2 ln lambda above the best fit of the plane, shape (nx, ny)."""
    return np.asarray(plane.nll2 - plane.best["nll2"])


def points(limits: Limits) -> Iterator[tuple[int, int, int, NDArray[np.float64]]]:
    """Yield (plane, region, branch, points of shape (n, 2)) of every branch of every boundary, indices from 0."""
    for p, (_, regions) in enumerate(limits.results):
        for r, region in enumerate(regions):
            for b, branch in enumerate(region.branches):
                yield p, r, b, branch


def flat_points(limits: Limits) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the same as two arrays: the three indices, shape (points, 3), and the points, shape (points, 2)."""
    found = list(points(limits))
    indices = np.array([entry[:3] for entry in found], dtype=np.int32).reshape(-1, 3)
    values = np.concatenate([branch for *_, branch in found]) if found else np.zeros((0, 2))
    return np.repeat(indices, [len(branch) for *_, branch in found], axis=0), values


# --- plain values ------------------------------------------------------------------------------------------------------------------


def document(limits: Limits) -> dict[str, Any]:
    """Return limits as plain values for JSON; numbers that are not finite become None."""
    planes = [{**plain(plane), "regions": plain(regions)} for plane, regions in limits.results]
    return {"schema": SCHEMA, "metadata": plain(limits.metadata), "planes": planes}


def from_document(values: Mapping[str, Any]) -> Limits:
    """Return the limits of a document.

    Raises
    ------
    ResultError
        If it is not one, or its numbers do not fit together.
    """
    try:
        if values["schema"] != SCHEMA:
            message = f"schema {values['schema']!r}, expected {SCHEMA!r}"
            raise ValueError(message)  # noqa: TRY301
        results = tuple((_plane(entry), tuple(_region(region, entry) for region in entry["regions"])) for entry in values["planes"])
        return Limits(results, dict(values["metadata"]))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        message = f"not a document of limits ({type(error).__name__}: {error})"
        raise ResultError(message) from None


def _plane(entry: Mapping[str, Any]) -> Plane:
    x, y = (_axis(entry[key]) for key in ("x", "y"))
    shape = (len(x.values), len(y.values))
    best = {str(key): float(value) for key, value in entry["best_fit"].items()}
    if {*best} != {x.name, y.name, "nll2"}:
        message = f"the best fit names {', '.join(best)}"
        raise ValueError(message)
    return Plane(
        label=str(entry["label"]),
        experiments=tuple(str(name) for name in entry["experiments"]),
        model=str(entry["model"]),
        x=x,
        y=y,
        nll2=_array(entry["nll2"], shape),
        valid=_array(entry["valid"], shape).astype(np.bool_),
        best=best,
        reference_nll2=float("nan") if entry["reference_nll2"] is None else float(entry["reference_nll2"]),
        fallbacks=int(entry["fallbacks"]),
        caveat=str(entry["caveat"]),
    )


def _axis(entry: Mapping[str, Any]) -> PlaneAxis:
    values = np.array(entry["values"], dtype=np.float64)
    scale: Literal["linear", "log"] = "log" if entry["scale"] == "log" else "linear"
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all() or not np.all(np.diff(values) > 0):
        message = f"the values of {entry['name']} do not increase"
        raise ValueError(message)
    return PlaneAxis(str(entry["name"]), str(entry["unit"]), values, scale)


def _array(values: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    array = np.array(values, dtype=np.float64)
    if array.shape != shape or np.isinf(array).any():
        message = f"an array has the shape {array.shape} or infinite values, expected {shape} and finite ones"
        raise ValueError(message)
    return array


def _region(entry: Mapping[str, Any], plane: Mapping[str, Any]) -> Region:
    columns = tuple(tuple((float(low), float(high)) for low, high in column) for column in entry["columns"])
    if len(columns) != len(plane["x"]["values"]):
        message = f"{len(columns)} columns for {len(plane['x']['values'])} values of {plane['x']['name']}"
        raise ValueError(message)
    polygons = {key: tuple(tuple(_points(ring) for ring in polygon) for polygon in entry[key]) for key in ("allowed", "excluded")}
    return Region(
        cl=float(entry["cl"]),
        dof=int(entry["dof"]),
        threshold=float(entry["threshold"]),
        columns=columns,
        allowed=polygons["allowed"],
        excluded=polygons["excluded"],
        branches=tuple(_points(branch) for branch in entry["branches"]),
    )


def _points(values: Any) -> NDArray[np.float64]:
    array = np.array(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 2 or not np.isfinite(array).all():
        message = f"points of shape {array.shape}, expected (n, 2) finite numbers"
        raise ValueError(message)
    return array
