"""Limits as a netCDF file (classic format with 64-bit offsets), which xarray, ncview and most languages read; a plane as a data set of xarray."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from cevnsfit.core.documents import plain
from cevnsfit.core.extras import optional
from cevnsfit.io.exports.limits import delta_chi2, flat_points

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    import xarray
    from numpy.typing import NDArray

    from cevnsfit.infer.planes import Plane
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
        for name, values, about in grids([plane for plane, _ in limits.results]):
            _variable(file, name, values.astype(np.int8) if values.dtype == np.bool_ else values, dimensions, **about)
        _branches(file, limits)
    return (path,)


def grids(planes: Sequence[Plane]) -> Iterator[tuple[str, NDArray[Any], dict[str, str]]]:
    """Yield name, values over (plane, x, y) and attributes of all that is known at the points of some planes."""
    about = "-2 ln lambda above the best fit of the plane"
    yield "delta_chi2", np.array([delta_chi2(plane) for plane in planes]), {"units": "1", "long_name": about}
    yield "nll2", np.array([plane.nll2 for plane in planes]), {"units": "1", "long_name": "-2 ln lambda"}
    yield "valid", np.array([plane.valid for plane in planes]), {"units": "1"}


def dataset(plane: Plane, attributes: Mapping[str, Any]) -> xarray.Dataset:
    """Return a plane over its two parameters; attributes that are no text and no number are JSON, and those that are None are left out."""
    texts = {
        key: value if isinstance(value, str | int | float) else json.dumps(value) for key, value in attributes.items() if value is not None
    }
    dimensions = tuple(axis.name for axis in plane.axes)
    return optional("xarray", "xarray").Dataset(
        {name: (dimensions, values[0], about) for name, values, about in grids([plane])},
        {axis.name: (axis.name, axis.values, {"units": axis.unit, "scale": axis.scale}) for axis in plane.axes},
        texts,
    )


def data_frame(plane: Plane) -> pd.DataFrame:
    """Return a plane as a table with a row for each point."""
    points = np.meshgrid(*(axis.values for axis in plane.axes), indexing="ij")
    columns = {axis.name: values.ravel() for axis, values in zip(plane.axes, points, strict=True)}
    return optional("pandas", "dataframe").DataFrame({**columns, **{name: values.ravel() for name, values, _ in grids([plane])}})


def _branches(file: Any, limits: Limits) -> None:
    indices, values = flat_points(limits)
    if not len(values):
        return
    file.createDimension("branch_point", len(values))
    for place, name in enumerate(("branch_plane", "branch_region", "branch_index")):
        _variable(file, name, indices[:, place], ("branch_point",), units="1")
    for place, axis in enumerate(limits.axes):
        _variable(file, f"branch_{axis.name}", values[:, place], ("branch_point",), units=axis.unit)


def _variable(file: Any, name: str, values: Any, dimensions: tuple[str, ...], **attributes: str) -> None:
    """Write a variable with its attributes."""
    variable = file.createVariable(name, values.dtype.newbyteorder(">"), dimensions)
    variable[:] = values
    for key, text in attributes.items():
        setattr(variable, key, text)
