"""Limits as DARKCAST bounds: text files with the columns mass [GeV], lower and upper end of an excluded range of the coupling.

A bound has one excluded range at each mass, so that a region with islands takes several files: number 1 is the range that reaches up to the
end of the grid, the others are the excluded ranges below it, from large to small couplings. Where there is none, both ends are 1e5, the
value with which DARKCAST marks a mass without a limit.

References
----------
Ilten, Soreq, Williams, Xue, JHEP 06 (2018) 004, arXiv:1801.04847; Baruch, Ilten, Soreq, Williams, JHEP 11 (2022) 124, arXiv:2206.08563.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.documents import plain
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.infer.boundaries import turned
from cevnsfit.infer.curve import complement

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cevnsfit.infer.planes import Interval, Plane, PlaneAxis, Region
    from cevnsfit.io.exports.limits import Limits

NO_LIMIT: Final = 1e5

_GEV: Final = {"MeV": 1e-3, "GeV": 1.0, "keV": 1e-6, "eV": 1e-9}


def write_darkcast(limits: Limits, path: Path) -> tuple[Path, ...]:
    """Write the bounds of every plane and region into the folder `path`, as `PLANE_CL_NUMBER.lmt`.

    Raises
    ------
    CevnsfitError
        If no parameter of the plane is a mass.
    """
    x, y = limits.axes
    if x.unit not in _GEV and y.unit not in _GEV:
        message = f"DARKCAST bounds are functions of a mass, and {x.name} [{x.unit}] is not a mass"
        raise CevnsfitError(message)
    path.mkdir(parents=True, exist_ok=True)
    files = []
    for p, (found, regions) in enumerate(limits.results, 1):
        plane = found if x.unit in _GEV else found.turned()
        for region in regions if plane is found else [turned(entry, y, x) for entry in regions]:
            for number, rows in enumerate(_bounds(region, plane.y), 1):
                file = path / f"plane{p}_{region.cl * 100:g}_{number}.lmt"
                file.write_text("\n".join([*_head(limits, plane, region, single=number == 1), *_rows(plane, rows, number)]) + "\n", "utf-8")
                files.append(file)
    return tuple(files)


def _bounds(region: Region, y: PlaneAxis) -> list[list[Interval | None]]:
    """Return for each number the excluded range at each mass: first those up to the end of the grid, then the islands downwards."""
    domain = (float(y.values[0]), float(y.values[-1]))
    by_mass: list[list[Interval | None]] = []
    for column in region.columns:
        excluded = list(complement(column, domain))
        top = excluded.pop() if excluded and excluded[-1][1] >= domain[1] else None
        by_mass.append([top, *reversed(excluded)])
    depth = max(len(entry) for entry in by_mass)
    return [[entry[k] if k < len(entry) else None for entry in by_mass] for k in range(depth)]


def _head(limits: Limits, plane: Plane, region: Region, *, single: bool) -> list[str]:
    """Return the line of column names, which must come first, and the metadata."""
    about = {"label": plane.label, "cl": region.cl, "dof": region.dof, "threshold": region.threshold, "caveat": plane.caveat}
    return [
        "# mass lower" if single else "# mass lower upper",
        *(f"# {key}: {json.dumps(plain(value), sort_keys=True)}" for key, value in {**limits.metadata, **about}.items()),
    ]


def _rows(plane: Plane, rows: Sequence[Interval | None], number: int) -> list[str]:
    scale = _GEV[plane.x.unit]
    lines = []
    for mass, row in zip(plane.x.values, rows, strict=True):
        low, high = (NO_LIMIT, NO_LIMIT) if row is None else row
        ends = (low,) if number == 1 else (low, high)
        lines.append(" ".join(np.format_float_scientific(value, unique=True) for value in (mass * scale, *ends)))
    return lines
