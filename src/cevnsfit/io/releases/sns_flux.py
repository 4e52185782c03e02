"""Fluxes at the SNS: the released flux in energy and time, and the histograms of a simulation of the target.

The released two-dimensional flux is binned in 125 ns and in 59 columns of energy. Their names speak of 1 MeV, but the energies of both neutrinos of
muon decay, whose means are 0.3 and 0.35 muon masses, show that a column is 1.0098 MeV wide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.io.releases.reading import Arrays, Release, ReleasedFile
from cevnsfit.io.releases.root import RootHistogram
from cevnsfit.io.tables import Table, bin_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMN_WIDTH: Final = 1.0098
"""Width of a column of energy in MeV."""

_COLUMNS: Final = 59
_SLICES: Final = 120
_FLAVOURS: Final = {"nu_mu": "nuMu", "nubar_mu": "nuMuBar", "nu_e": "nuE", "nubar_e": "nuEBar"}
_RELEASED: Final = {flavour: f"sns_flux2d_125ns_{name}.csv" for flavour, name in _FLAVOURS.items()}

_SIMULATED: Final = "nuEnergyAndTime.root"
_NAMES: Final = {"nu_mu": "NuMu", "nubar_mu": "AntiNuMu", "nu_e": "NuE", "nubar_e": "AntiNuE"}
_SOURCE: Final = "Source: snsFlux2D.root of the ancillary files of arXiv:2110.07730, rebinned to 125 ns and one column of energy."
_SIMULATION: Final = f"Source: histograms of a Geant4 simulation of the target ({_SIMULATED})."


def _released(files: Arrays) -> dict[str, Table]:
    """Return the flux over (time, e_nu) in neutrinos per proton."""
    low, high = files[_RELEASED["nu_mu"]][:, :2].T
    axes = {"time": np.append(low, high[-1]) / 1000.0, "e_nu": COLUMN_WIDTH * np.arange(_COLUMNS + 1.0)}
    flux = {f"{flavour} [1]": files[name][:, 2:].ravel() for flavour, name in _RELEASED.items()}
    comments = (
        "SNS: neutrinos per proton on target by flavour, in bins of arrival time and energy.",
        f"Columns of energy are {COLUMN_WIDTH} MeV wide.",
        _SOURCE,
    )
    return {"flux.csv": Table(comments, bin_columns(axes) | flux)}


def _merged(rows: NDArray[np.float64], bins: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return edges and contents of a histogram whose bins are joined, `bins` at a time."""
    return np.append(rows[::bins, 0], rows[-1, 1]), rows[:, 2].reshape(-1, bins).sum(axis=1)


def _simulated(files: Arrays) -> dict[str, Table]:
    """Return energies and times of emission, for each neutrino of the prompt flavour."""
    tables = {}
    for kind, axis, scale, bins in (("ke", "e_nu", 1.0, 5), ("t", "time", 1e-3, 5)):
        found = {flavour: _merged(files[f"{_SIMULATED}:{kind}{name}"], bins) for flavour, name in _NAMES.items()}
        total = found["nu_mu"][1].sum()
        columns = {f"{flavour} [1]": contents / total for flavour, (_, contents) in found.items()}
        about = "energies" if axis == "e_nu" else "times of emission after the proton, without the width of the pulse"
        comments = (f"SNS: {about} of the neutrinos of a simulation of the target, per muon neutrino.", _SIMULATION)
        tables[f"{'energy' if axis == 'e_nu' else 'emission'}.csv"] = Table(
            comments, bin_columns({axis: found["nu_mu"][0] * scale}) | columns
        )
    return tables


_TEXT: Final = ("t_low", "t_high", *(f"energy_{k}" for k in range(_COLUMNS)))

RELEASED_FLUX: Final = Release(files=tuple(ReleasedFile(name, _TEXT, rows=_SLICES) for name in _RELEASED.values()), tables=_released)

SIMULATION: Final = Release(
    files=tuple(
        RootHistogram(_SIMULATED, f"{kind}{name}", (f"{axis}_low", f"{axis}_high", "neutrinos"))
        for kind, axis in (("ke", "energy"), ("t", "time"))
        for name in _NAMES.values()
    ),
    tables=_simulated,
)
