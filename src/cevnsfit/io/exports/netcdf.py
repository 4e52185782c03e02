"""Limits as a netCDF file (classic format with 64-bit offsets), which xarray, ncview and most languages read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from cevnsfit.core.documents import plain
from cevnsfit.io.exports.limits import delta_chi2, points

if TYPE_CHECKING:
    from pathlib import Path

    from cevnsfit.io.exports.limits import Limits


def write_netcdf(limits: Limits, path: Path) -> tuple[Path, ...]:
    """Write `delta_chi2`, `nll2` and `valid` over (plane, x, y), with the parameters as coordinates, and the branches as a list of points.

    The dimensions of the grid have the names of the parameters; branch points have the indices `branch_plane`, `branch_region`, `branch_index`.
    """
    from scipy.io import netcdf_file

    x, y = limits.axes
    with netcdf_file(path, "w", version=2) as file:
        file.title = f"{limits.results[0][0].model}: {', '.join(plane.label for plane, _ in limits.results)}"
        file.metadata = json.dumps(plain(limits.metadata), sort_keys=True)
        file.labels = json.dumps([plane.label for plane, _ in limits.results])
        regions = [[{"cl": r.cl, "dof": r.dof, "threshold": r.threshold} for r in regions] for _, regions in limits.results]
        file.regions = json.dumps(regions)
        file.createDimension("plane", len(limits.results))
        for axis in (x, y):
            file.createDimension(axis.name, len(axis.values))
            _variable(file, axis.name, axis.values, (axis.name,), units=axis.unit, scale=axis.scale)
        dimensions = ("plane", x.name, y.name)
        grids = [plane for plane, _ in limits.results]
        about = "-2 ln lambda above the best fit of the plane"
        _variable(file, "delta_chi2", np.array([delta_chi2(plane) for plane in grids]), dimensions, units="1", long_name=about)
        _variable(file, "nll2", np.array([plane.nll2 for plane in grids]), dimensions, units="1", long_name="-2 ln lambda")
        _variable(file, "valid", np.array([plane.valid for plane in grids], dtype=np.int8), dimensions, units="1")
        _branches(file, limits)
    return (path,)


def _branches(file: Any, limits: Limits) -> None:
    x, y = limits.axes
    found = list(points(limits))
    lengths = [len(branch) for *_, branch in found]
    values = np.concatenate([branch for *_, branch in found]) if found else np.zeros((0, 2))
    if not len(values):
        return
    file.createDimension("branch_point", len(values))
    for place, name in enumerate(("branch_plane", "branch_region", "branch_index")):
        _variable(file, name, np.repeat([entry[place] for entry in found], lengths).astype(np.int32), ("branch_point",), units="1")
    for place, axis in enumerate((x, y)):
        _variable(file, f"branch_{axis.name}", values[:, place], ("branch_point",), units=axis.unit)


def _variable(file: Any, name: str, values: Any, dimensions: tuple[str, ...], **attributes: str) -> None:
    """Write a variable with its attributes."""
    variable = file.createVariable(name, values.dtype.newbyteorder(">"), dimensions)
    variable[:] = values
    for key, text in attributes.items():
        setattr(variable, key, text)
