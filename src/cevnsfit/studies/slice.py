"""What limits and bands leave of a plane of mass and coupling, as intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from cevnsfit.core.documents import About, Document
from cevnsfit.core.errors import CevnsfitError, DomainError
from cevnsfit.infer.curve import changes, complement, root
from cevnsfit.infer.intervals import Level
from cevnsfit.infer.limit import UNBOUNDED, WHOLE, Limit, union
from cevnsfit.io.tables import write_rows
from cevnsfit.studies.exclusion import interval_rows, regions_of
from cevnsfit.studies.overlays import labelled, overlay
from cevnsfit.studies.scan import stored_scans
from cevnsfit.studies.setup import lagrangian_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from cevnsfit.infer.planes import Interval

    Names = tuple[str, ...]

RANGE: Final = "range"
"""What closes an interval that ends where the masses do."""

_BESIDE: Final = 1e-6
_PRECISION: Final = 1e-7


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SliceColumn(Document):
    """What is left at one mass.

    Attributes
    ----------
    mass
        In MeV.
    allowed
        Intervals of the coupling, increasing.
    closed_by
        Names of the limits at the lower and the upper end of each interval; empty at 0 and where nothing limits the coupling.
    """

    mass: float
    allowed: tuple[Interval, ...]
    closed_by: tuple[tuple[Names, Names], ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Slice(Document):
    """What limits and bands leave of the plane of a model.

    Attributes
    ----------
    model
        The model.
    limits
        What was applied.
    columns
        What is left at each mass that was asked for, and at the ends of `masses`.
    masses
        Intervals of the mass in MeV in which some coupling is left; empty when nothing is.
    masses_closed_by
        Names of the limits at both ends of each of them, "range" where the masses end.
    """

    document: ClassVar[Mapping[str, str | None]] = {
        "limits": "applied",
        "g": "coupling",
        "g_at": "reached",
        "g_closed_by": "coupling_closed_by",
    }

    model: str
    limits: tuple[Limit, ...]
    columns: tuple[SliceColumn, ...]
    masses: tuple[Interval, ...]
    masses_closed_by: tuple[tuple[Names, Names], ...]

    @property
    def about(self) -> About:
        """Return the model with its Lagrangian; each limit has its own caveats."""
        return About(model=self.model, lagrangian=lagrangian_of(self.model))

    @property
    def applied(self) -> list[dict[str, str]]:
        """Return name, label, kind, level and source of what was applied."""
        return [{"name": one.called, **{key: getattr(one, key) for key in ("label", "kind", "level", "source")}} for one in self.limits]

    @property
    def _extremes(self) -> tuple[SliceColumn, ...]:
        left = [column for column in self.columns if column.allowed]
        return (min(left, key=lambda at: at.allowed[0][0]), max(left, key=lambda at: at.allowed[-1][1])) if left else ()

    @property
    def coupling(self) -> tuple[float, ...] | None:
        """Return the smallest and the largest coupling that is left at any of the masses; None when nothing is."""
        return tuple(at.allowed[-end][end] for end, at in enumerate(self._extremes)) or None

    @property
    def reached(self) -> tuple[float, ...] | None:
        """Return the masses at which these are reached."""
        return tuple(at.mass for at in self._extremes) or None

    @property
    def coupling_closed_by(self) -> tuple[Names, ...] | None:
        """Return the names of the limits that end them."""
        return tuple(at.closed_by[-end][end] for end, at in enumerate(self._extremes)) or None


def plane_slice(limits: Sequence[Limit], mass: ArrayLike, model: str = "") -> Slice:
    """Return what limits and bands leave.

    Ends in mass are found to 1e-7; an allowed piece narrower than the steps of `mass` can be missed.

    Parameters
    ----------
    limits
        From `overlay`, `scan_limits` or `read_overlay`.
    mass
        Increasing masses in MeV, two or more.
    model
        The model, for the document.

    Raises
    ------
    CevnsfitError
        If there is no limit, or one of them is a line of which no side is meant.
    DomainError
        If the masses are not positive and increasing.
    """
    masses = np.asarray(mass, dtype=np.float64)
    if masses.ndim != 1 or len(masses) < 2 or not (masses[0] > 0.0 and np.all(np.diff(masses) > 0.0)):
        message = "a slice needs two or more masses, positive and increasing"
        raise DomainError(message)
    lines = [limit.label for limit in limits if limit.kind == "line"]
    if lines or not limits:
        message = f"no side of these curves is excluded: {', '.join(lines)}" if lines else "a slice needs limits or bands"
        raise CevnsfitError(message)
    left = np.array([bool(allowed(limits, float(m))) for m in masses])
    ends = [_end(limits, float(masses[i]), float(masses[i + 1])) for i in changes(left)]
    edges = [float(masses[0])] * bool(left[0]) + [inner for inner, _ in ends] + [float(masses[-1])] * bool(left[-1])
    closed = [(RANGE,)] * bool(left[0]) + [_deciding(limits, outer) for _, outer in ends] + [(RANGE,)] * bool(left[-1])
    columns = tuple(_column(limits, m) for m in sorted({*masses.tolist(), *edges}))
    pairs, names = zip(edges[::2], edges[1::2], strict=True), zip(closed[::2], closed[1::2], strict=True)
    return Slice(model, tuple(limits), columns, tuple(pairs), tuple(names))


def allowed(limits: Sequence[Limit], mass: float) -> tuple[Interval, ...]:
    """Return the intervals of the coupling that are left at a mass in MeV, increasing."""
    return complement(union([limit.excluded(mass) for limit in limits]), WHOLE)


def scan_limits(folder: Path, *, model: str = "lmu-ltau", cl: float = 0.95, dof: int = 1) -> tuple[Limit, ...]:
    """Return what each plane of a stored scan over mass and coupling excludes.

    Parameters
    ----------
    folder
        Of a finished scan; what it excludes at its largest coupling counts as excluded above.
    model
        The model that it must be of.
    cl, dof
        Of the threshold.

    Raises
    ------
    CevnsfitError
        If the scan is one of other parameters or of another model.
    """
    found = []
    for entry in regions_of(stored_scans(folder), [Level(cl, dof)]):
        plane, region = entry.plane, entry.regions[0]
        if {plane.x.name, plane.y.name} != {"mass", "g"} or plane.model != model:
            message = f"{folder}: a scan of {plane.x.name} and {plane.y.name} in {plane.model}; mass and g in {model} are needed"
            raise CevnsfitError(message)
        columns = (0, 1) if plane.x.name == "mass" else (1, 0)
        top = (plane.y if plane.x.name == "mass" else plane.x).values[-1]
        rings = [ring[:, columns] for polygon in region.excluded for ring in polygon]
        points = np.concatenate([part for ring in rings for part in (ring, ring[:1], np.full((1, 2), np.nan))] or [np.full((1, 2), np.nan)])
        points[points[:, 1] >= (1.0 - _BESIDE) * top, 1] = UNBOUNDED
        level = f"{100 * cl:g} % CL, {dof} dof"
        made = "; ".join(filter(None, (entry.method, entry.about.caveat)))
        one = Limit(plane.label, points, name=plane.label, model=plane.model, level=level, source=f"scan in {folder}", made=made)
        found.append(replace(one, normalisation=entry.about.lagrangian))
    return tuple(found)


def named_slice(
    model: str, names: Sequence[str], bands: Sequence[str], mass: NDArray[np.float64], *, scans: Sequence[Path] = (), cl: float = 0.95
) -> Slice:
    """Return what named limits, bands and stored scans leave; names are those of `overlay`, with "LABEL=" before them where wanted."""
    ends = (float(mass[0]), float(mass[-1]))
    given = [overlay(source, model, ends, cl=cl, label=label) for label, source in map(labelled, names)]
    allowing = [overlay(name, model, ends) for name in bands]
    for name, found in zip(bands, allowing, strict=True):
        if found.kind != "band":
            message = f"'{name}' is a limit, not a band; give it with --overlay"
            raise CevnsfitError(message)
    return plane_slice([*given, *allowing, *(limit for folder in scans for limit in scan_limits(folder, model=model, cl=cl))], mass, model)


def write_slice(path: Path, result: Slice) -> Path:
    """Write the intervals at each mass as a table, and return the path."""
    comments = [
        f"what is left of mass and coupling of {result.model}; interval 0 means that nothing is",
        *result.about.notes,
        *("; ".join(filter(None, (f"{one.kind}: {one.label}, {one.level}", one.source, one.made))) for one in result.limits),
    ]
    cells = interval_rows(np.array([column.mass for column in result.columns]), [column.allowed for column in result.columns])
    closed = [ends for column in result.columns for ends in column.closed_by or (((), ()),)]
    rows = [(*row, *map(" + ".join, ends)) for row, ends in zip(cells, closed, strict=True)]
    return write_rows(path, comments, ("mass [MeV]", "interval", "g_low [1]", "g_high [1]", "low_closed_by", "high_closed_by"), rows)


# --- parts of a slice --------------------------------------------------------------------------------------------------------------


def _column(limits: Sequence[Limit], mass: float) -> SliceColumn:
    """Return what is left at a mass, and which limits end each interval."""
    excluded = [(limit.called, limit.excluded(mass)) for limit in limits]
    found = allowed(limits, mass)

    def touching(end: float, side: int) -> Names:
        return tuple(name for name, intervals in excluded if any(interval[side] == end for interval in intervals))

    closed = tuple((touching(low, 1) if low > 0.0 else (), touching(high, 0) if math.isfinite(high) else ()) for low, high in found)
    return SliceColumn(mass, found, closed)


def _end(limits: Sequence[Limit], one: float, other: float) -> tuple[float, float]:
    """Return the last mass between two at which something is left, and the first beside it at which nothing is."""
    inner = root(lambda m: -1.0 if allowed(limits, m) else math.inf, one, other, relative=_PRECISION)
    return inner, inner * (1.0 + math.copysign(10.0 * _PRECISION, (other if allowed(limits, one) else one) - inner))


def _deciding(limits: Sequence[Limit], mass: float) -> Names:
    """Return the limits without any one of which something would be left at a mass; all that exclude there when no single one decides."""
    needed = [limit.called for limit in limits if allowed([other for other in limits if other is not limit], mass)]
    return tuple(needed or [limit.called for limit in limits if limit.excluded(mass)])
