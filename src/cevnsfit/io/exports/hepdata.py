"""Limits as a HEPData submission, made with hepdata_lib and checked with hepdata-validator."""

from __future__ import annotations

import contextlib
import json
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.documents import plain, read_document
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.extras import optional
from cevnsfit.io.exports.limits import delta_chi2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cevnsfit.infer.planes import Plane, PlaneAxis, Region
    from cevnsfit.io.exports.limits import Limits
    from cevnsfit.io.tables import Table

DIGITS: Final = 17
"""Significant digits; hepdata_lib keeps 5 unless told otherwise."""

_ARCHIVE: Final = "submission.tar.gz"
"""The archive that hepdata_lib leaves in the current folder."""


def write_hepdata(limits: Limits, path: Path, attach: Sequence[Path] = ()) -> tuple[Path, ...]:
    """Write a submission into the new folder `path`, and beside it the archive `path`.tar.gz for the upload; return the files.

    Parameters
    ----------
    limits
        What to write.
    path
        The folder; it must be empty or not exist.
    attach
        Likelihood files to go with it.

    Raises
    ------
    CevnsfitError
        If hepdata_lib is not installed, the folder is not empty, or the result is not a valid submission.
    """
    library = _library(path)
    submission = library.Submission()
    submission.comment = json.dumps(plain(limits.metadata), sort_keys=True)
    for file in attach:
        location, kind = str(file.resolve()), _resource_type(file)
        submission.add_additional_resource(f"Likelihood ({file.name})", location, copy_file=True, file_type=kind)
    for number, (plane, regions) in enumerate(limits.results, 1):
        for region in regions:
            submission.add_table(_boundary(library, limits, plane, region, number))
            submission.add_table(_intervals(library, limits, plane, region, number))
        submission.add_table(_grid(library, limits, plane, number))
    return _created(submission, path)


def write_hepdata_table(name: str, table: Table, path: Path, *, independent: int) -> tuple[Path, ...]:
    """Write a submission of one table, whose first `independent` columns are its independent variables, and return the files; see `write_hepdata`.

    A column "NAME_error [unit]" holds the errors of the one before it.
    """
    library = _library(path)
    submission, found = library.Submission(), library.Table(name)
    submission.comment = found.description = " ".join(table.comments)
    columns = [(*header.removesuffix("]").split(" ["), values.tolist()) for header, values in table.columns.items()]
    for number, (label, unit, values) in enumerate(columns):
        if label.endswith("_error"):
            error = library.Uncertainty("Monte Carlo", is_symmetric=True)
            error.values = values
            found.variables[-1].add_uncertainty(error)
        else:
            found.add_variable(_variable(library, label, "" if unit == "1" else unit, values, independent=number < independent))
    submission.add_table(found)
    return _created(submission, path)


def _library(path: Path) -> Any:
    """Return hepdata_lib; CevnsfitError if it is not installed, or the folder is not empty."""
    library = optional("hepdata_lib", "hepdata")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        message = f"{path} is not an empty folder"
        raise CevnsfitError(message)
    return library


def _created(submission: Any, path: Path) -> tuple[Path, ...]:
    folder = path.resolve()
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch), warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # hepdata-validator leaves the closing of files to Python
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            submission.create_files(str(folder), validate=True, remove_old=False)
        except AssertionError:
            message = f"{path}: hepdata-validator does not accept the submission"
            raise CevnsfitError(message) from None
        archive = folder.with_name(f"{folder.name}.tar.gz")
        archive.write_bytes(Path(_ARCHIVE).read_bytes())
    return (*sorted(path.iterdir()), path.with_name(f"{path.name}.tar.gz"))


def _resource_type(file: Path) -> str | None:
    """Return what HEPData calls a likelihood of this kind, None for one that it does not know."""
    document = read_document(file)
    if "distributions" in document:
        return "HS3"
    return "HistFactory" if {"channels", "patches"} & set(document) else None


def _boundary(library: Any, limits: Limits, plane: Plane, region: Region, number: int) -> Any:
    """Return the table (branch, point, x, y) of one boundary."""
    table = _table(library, limits, f"Boundary {number} CL {region.cl * 100:g}")
    table.description = (
        f"Boundary between allowed and excluded at {region.cl * 100:g}% CL ({region.dof} dof, -2 Delta ln L = {region.threshold:.6g}); "
        f"a region may have several branches. {_about(limits, plane)}"
    )
    branches = [(b, k, *point) for b, branch in enumerate(region.branches, 1) for k, point in enumerate(branch, 1)]
    columns = list(zip(*branches, strict=True)) if branches else [(), (), (), ()]
    for name, values in zip(("branch", "point"), columns[:2], strict=True):
        table.add_variable(_variable(library, name, "", [int(value) for value in values], independent=True))
    for axis, values in zip((plane.x, plane.y), columns[2:], strict=True):
        variable = _variable(library, axis.name, _units(axis), [float(value) for value in values], independent=False)
        table.add_variable(_qualified(variable, plane, region))
    return table


def _intervals(library: Any, limits: Limits, plane: Plane, region: Region, number: int) -> Any:
    """Return the table of the allowed intervals at each value of the first parameter; interval 0 means that nothing is allowed."""
    table = _table(library, limits, f"Allowed intervals {number} CL {region.cl * 100:g}")
    table.description = (
        f"Allowed intervals of {plane.y.name} at {region.cl * 100:g}% CL ({region.dof} dof), clipped to the grid; "
        f"interval 0 means that nothing is allowed. {_about(limits, plane)}"
    )
    rows: list[tuple[float, int, Any, Any]] = []
    for x, column in zip(plane.x.values, region.columns, strict=True):
        rows += [(float(x), k, float(low), float(high)) for k, (low, high) in enumerate(column, 1)]
        rows += [] if column else [(float(x), 0, "-", "-")]
    x_values, numbers, low, high = (list(column) for column in zip(*rows, strict=True))
    table.add_variable(_variable(library, plane.x.name, _units(plane.x), x_values, independent=True))
    table.add_variable(_variable(library, "interval", "", numbers, independent=True))
    for name, values in ((f"{plane.y.name} low", low), (f"{plane.y.name} high", high)):
        table.add_variable(_qualified(_variable(library, name, _units(plane.y), values, independent=False), plane, region))
    return table


def _grid(library: Any, limits: Limits, plane: Plane, number: int) -> Any:
    """Return the table of Delta chi2 over both parameters."""
    table = _table(library, limits, f"Delta chi2 {number}")
    table.description = f"-2 ln L above the best fit of the plane, all other parameters profiled. {_about(limits, plane)}"
    x, y = np.meshgrid(plane.x.values, plane.y.values, indexing="ij")
    values: list[Any] = [float(value) if np.isfinite(value) else "-" for value in delta_chi2(plane).ravel()]
    table.add_variable(_variable(library, plane.x.name, _units(plane.x), x.ravel().tolist(), independent=True))
    table.add_variable(_variable(library, plane.y.name, _units(plane.y), y.ravel().tolist(), independent=True))
    variable = _variable(library, "Delta chi2", "", values, independent=False)
    variable.add_qualifier("EXPERIMENTS", plane.label)
    table.add_variable(variable)
    return table


def _table(library: Any, limits: Limits, name: str) -> Any:
    table = library.Table(name)
    table.location = f"Computed with cevnsfit {limits.metadata.get('version', '')}".strip()
    table.keywords["observables"] = ["Limit"]
    table.keywords["phrases"] = ["Coherent elastic neutrino-nucleus scattering", "Exclusion"]
    return table


def _about(limits: Limits, plane: Plane) -> str:
    caveat = f" Caveat: {plane.caveat}." if plane.caveat else ""
    lagrangian = limits.metadata.get("lagrangian", "")
    return f"{plane.label}; model {plane.model}{f' with {lagrangian}' if lagrangian else ''}.{caveat}"


def _units(axis: PlaneAxis) -> str:
    return "" if axis.unit == "1" else axis.unit


def _variable(library: Any, name: str, units: str, values: Sequence[Any], *, independent: bool) -> Any:
    variable = library.Variable(name, is_independent=independent, is_binned=False, units=units, values=list(values))
    variable.digits, variable.zero_uncertainties_warning = DIGITS, False
    return variable


def _qualified(variable: Any, plane: Plane, region: Region) -> Any:
    for name, value in (("EXPERIMENTS", plane.label), ("CL", f"{region.cl:g}"), ("DOF", f"{region.dof}")):
        variable.add_qualifier(name, value)
    return variable
