"""Limits as a ROOT file, written with uproot."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from cevnsfit.core.documents import plain
from cevnsfit.io.exports.limits import delta_chi2, flat_points, points

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from cevnsfit.infer.planes import PlaneAxis
    from cevnsfit.io.exports.limits import Limits


def write_root(limits: Limits, path: Path) -> tuple[Path, ...]:
    """Write a ROOT file.

    It holds `metadata` (TObjString, JSON), for each plane p `plane_p/delta_chi2` (TH2D whose bins hold the grid points; the exact points are in
    the TTree) and `plane_p/region_r/branch_b` (TGraph), and the TTrees `points` (the grids) and `branches` (every point of every branch).
    """
    import uproot

    x, y = limits.axes
    with uproot.recreate(path) as file:
        file["metadata"] = json.dumps(plain(limits.metadata), sort_keys=True)
        for p, (plane, regions) in enumerate(limits.results):
            file[f"plane_{p}/label"] = plane.label
            file[f"plane_{p}/delta_chi2"] = (np.nan_to_num(delta_chi2(plane), nan=-1.0), cell_edges(plane.x), cell_edges(plane.y))
            for r, region in enumerate(regions):
                about = {"cl": region.cl, "dof": region.dof, "threshold": region.threshold}
                file[f"plane_{p}/region_{r}/about"] = json.dumps(about)
        for p, r, b, branch in points(limits):
            title = f"{limits.results[p][0].label}, {limits.results[p][1][r].cl:g} CL, branch {b + 1}".replace(";", ",")
            graph = uproot.as_TGraph(
                {"x": np.ascontiguousarray(branch[:, 0]), "y": np.ascontiguousarray(branch[:, 1])},
                title=title,
                xAxisLabel=x.header,
                yAxisLabel=y.header,
            )
            file[f"plane_{p}/region_{r}/branch_{b}"] = graph
        _tree(file, "points", _grid(limits))
        _tree(file, "branches", _branches(limits))
    return (path,)


def cell_edges(axis: PlaneAxis) -> NDArray[np.float64]:
    """Return edges halfway between the grid values, in the logarithm on a logarithmic axis, shape (n + 1,)."""
    u = np.log(axis.values) if axis.scale == "log" else axis.values
    middle = (u[1:] + u[:-1]) / 2.0
    edges = np.concatenate([[2.0 * u[0] - middle[0]], middle, [2.0 * u[-1] - middle[-1]]])
    return np.exp(edges) if axis.scale == "log" else edges


def _grid(limits: Limits) -> dict[str, NDArray[Any]]:
    x, y = limits.axes
    size = len(x.values) * len(y.values)
    count = len(limits.results)
    return {
        "plane": np.repeat(np.arange(count, dtype=np.int32), size),
        x.name: np.tile(np.repeat(x.values, len(y.values)), count),
        y.name: np.tile(y.values, len(x.values) * count),
        "nll2": np.concatenate([plane.nll2.ravel() for plane, _ in limits.results]),
        "delta_chi2": np.concatenate([delta_chi2(plane).ravel() for plane, _ in limits.results]),
        "valid": np.concatenate([plane.valid.ravel() for plane, _ in limits.results]).astype(np.int32),
    }


def _branches(limits: Limits) -> dict[str, NDArray[Any]]:
    x, y = limits.axes
    indices, values = flat_points(limits)
    return {
        "plane": indices[:, 0],
        "region": indices[:, 1],
        "branch": indices[:, 2],
        "cl": np.array([limits.results[p][1][r].cl for p, r, _ in indices], dtype=np.float64),
        x.name: values[:, 0],
        y.name: values[:, 1],
    }


def _tree(file: Any, name: str, columns: dict[str, NDArray[Any]]) -> None:
    """Write a TTree."""
    tree = file.mktree(name, {key: value.dtype for key, value in columns.items()})
    tree.extend({key: np.ascontiguousarray(value) for key, value in columns.items()})
