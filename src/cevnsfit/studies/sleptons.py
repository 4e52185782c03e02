"""What a scan of superpartners says: the ends of what it keeps and of what is left, and its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.documents import Document
from cevnsfit.moments.decays import SCENARIOS
from cevnsfit.report.sleptons import Cloud, masses_figure, scenarios_figure, sleptons_figure
from cevnsfit.report.style import SCREEN, Look, save_figures

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from cevnsfit.studies.susy import SusyScan

    Samples = Mapping[str, NDArray[np.bool_]]

MASSES: Final = "susy-masses.png"
ORDERS: Final = "susy-scenarios.png"

_ASKED: Final = (
    ("upper limit on the lightest selectron", "GeV", "selectron", (np.max,)),
    ("upper limit on the lightest neutralino", "GeV", "neutralino", (np.max,)),
    ("smallest hierarchy m_smuon/m_selectron", "1", "hierarchy", (np.min,)),
    ("smallest tan beta", "1", "tan_beta", (np.min,)),
    ("mass of these bosons", "MeV", "boson_mass", (np.min, np.max)),
    ("coupling g of these bosons", "1", "boson_g", (np.min, np.max)),
)
"""Quantity, unit, column, and which ends of it are said."""

CLOSE: Final = 1.0
"""Standard errors within which it is said what is left, beside those of the scan."""


@dataclass(frozen=True, slots=True, repr=False)
class Statement(Document):
    """The end, or both ends, of the values of one quantity.

    Attributes
    ----------
    quantity, unit
        What it is, in words.
    values
        One number, or smallest and largest, by sample of points; none in a sample without points.
    """

    quantity: str
    unit: str
    values: Mapping[str, tuple[float, ...]]


def statements(columns: Mapping[str, NDArray[np.float64]], samples: Samples, drawn: Samples) -> tuple[Statement, ...]:
    """Return what points say, in each sample of them.

    Parameters
    ----------
    columns
        Those of a scan, shape (n,) each; without those of the boson where there is none.
    samples, drawn
        Which points are in each sample, shape (n,), and which of them have a boson of their own that passes: the others say nothing of it.
    """
    found = [Statement("points", "1", {name: (float(np.count_nonzero(mask)),) for name, mask in samples.items()})]
    for quantity, unit, column, ends in _ASKED:
        if column in columns:
            if column == "boson_mass":
                counts = {name: (float(np.count_nonzero(mask)),) for name, mask in drawn.items()}
                found.append(Statement("bosons drawn that pass", "1", counts))
            values = {name: columns[column][mask] for name, mask in (drawn if column.startswith("boson") else samples).items()}
            found.append(Statement(quantity, unit, {name: tuple(float(end(x)) for end in ends if x.size) for name, x in values.items()}))
    return tuple(found)


def summary(scan: SusyScan) -> tuple[Statement, ...]:
    """Return the statements on kept points, on those of a neutral lightest superpartner that LHC and early universe leave, and on both within `CLOSE`."""
    samples: dict[str, NDArray[np.bool_]] = {}
    drawn: dict[str, NDArray[np.bool_]] = {}
    for sigmas in (scan.draw.sigmas, *([CLOSE] if scan.draw.sigmas > CLOSE else [])):
        kept, own = scan.within(sigmas)
        for name, mask in (("kept", True), ("left", scan.alive)):
            samples[f"{name}, {sigmas:g} sigma"], drawn[f"{name}, {sigmas:g} sigma"] = kept & mask, own & mask
    boson = scan.draw.window is not None
    found = statements({name: x for name, x in scan.columns.items() if boson or "boson" not in name}, samples, drawn)
    if not boson:
        return found
    smallest = () if np.isnan(scan.smallest_hierarchy_ranges) else (scan.smallest_hierarchy_ranges,)
    ranges = Statement("smallest hierarchy, ranges of the boson alone", "1", {next(iter(samples)): smallest})
    place = next(n for n, one in enumerate(found) if "hierarchy" in one.quantity) + 1
    return (*found[:place], ranges, *found[place:])


def sleptons(scan: SusyScan, look: Look = SCREEN) -> Figure:
    """Return the picture of a scan."""
    return sleptons_figure(_cloud(scan), look=look)


def write_pictures(scan: SusyScan, folder: Path, look: Look = SCREEN) -> list[Path]:
    """Write the pictures of a scan into `folder` and return their paths."""
    cloud = _cloud(scan)
    return [
        path
        for figure, name in ((masses_figure, MASSES), (scenarios_figure, ORDERS))
        for path in save_figures(figure(cloud, look), folder / name, look)
    ]


def _cloud(scan: SusyScan) -> Cloud:
    """Return the points with a neutral lightest superpartner as they are drawn."""
    shown = scan.neutral
    columns = {name: values[shown] for name, values in scan.columns.items()}
    first, second, _ = np.sort(np.abs([columns[name] for name in ("M1", "M2", "mu")]), axis=0)
    return Cloud(
        {**{name: columns[name] for name in ("selectron", "neutralino", "hierarchy", "tan_beta")}, "first": first, "second": second},
        _verdicts(columns["lhc_ratio"]),
        columns["scenario"].astype(np.int64),
        SCENARIOS,
        (_note(scan),),
    )


def _verdicts(ratio: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return what the LHC says of points with a ratio of signal and limit: 0 where nothing tests them, 1 where it is not excluded, 2 where it is."""
    return np.where(np.isnan(ratio), 0, np.where(ratio > 1.0, 2, 1))


def _note(scan: SusyScan) -> str:
    dropped = scan.kept - int(scan.neutral.sum())
    charged = f"; {dropped} with a charged lightest superpartner are not drawn" if dropped else ""
    return f"{scan.kept} of {scan.tried} points explain both moments within {scan.draw.sigmas:g} sigma{charged}. LHC: simplified models, 95 % CL."
