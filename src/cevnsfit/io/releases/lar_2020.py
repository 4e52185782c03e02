"""COHERENT liquid argon 2020, analysis A: data, templates and their excursions, efficiency (arXiv:2006.12659)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import DomainError
from cevnsfit.detector.efficiency import table as interpolated
from cevnsfit.detector.smearing import gaussian
from cevnsfit.io.releases.reading import Arrays, Release, ReleasedFile
from cevnsfit.io.tables import Table, bin_columns
from cevnsfit.physics.beta_decay import AR39_ACTIVITY, ar39_density

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SOURCE: Final = "Source: COHERENT Collaboration, arXiv:2006.12659, doi:10.5281/zenodo.3903810 (analysis A of arXiv:2003.10630)."
_DATA: Final = "datanobkgsub.txt"
_CEVNS: Final = "cevnspdf.txt"
_EFFICIENCY: Final = "CENNS10AnlAEfficiency.txt"
_TEMPLATES: Final = {
    "cevns": _CEVNS,
    "ss": "bkgpdf.txt",
    "brn_prompt": "brnpdf.txt",
    "brn_delayed": "delbrnpdf.txt",
    "cevns_f90_up": "cevnspdf+1sigF90.txt",
    "cevns_f90_down": "cevnspdf-1sigF90.txt",
    "cevns_time_mean": "cevnspdfCEvNSTimingMeanSyst.txt",
    "brn_prompt_energy_up": "brnpdf+1sigEnergy.txt",
    "brn_prompt_energy_down": "brnpdf-1sigEnergy.txt",
    "brn_prompt_time_mean_up": "brnpdf+1sigBRNTimingMean.txt",
    "brn_prompt_time_mean_down": "brnpdf-1sigBRNTimingMean.txt",
    "brn_prompt_time_width": "brnpdfBRNTimingWidthSyst.txt",
}
_UNITS: Final = {"f90": "1"}
_SHAPE: Final = (12, 8, 10)
_CENTRES: Final = (
    tuple(5.0 + 10.0 * k for k in range(_SHAPE[0])),
    tuple(0.525 + 0.05 * k for k in range(_SHAPE[1])),
    tuple(0.15 + 0.5 * k for k in range(_SHAPE[2])),
)
_FEWEST_COUNTS: Final = 0.05
"""An energy bin of the CEvNS template with less says nothing about F90."""

_SPILLS: Final = 6.12e9 * 3600.0 / 1.4e6 * 60.0
"""Beam spills in 6.12 GWh (LArParametersAnlA.yaml) at 60 Hz and no more than 1.4 MW."""
_WINDOW: Final = 5e-6
"""Length of the time axis in s."""
_MASS: Final = 24.4
"""Fiducial mass in kg."""
_RESOLUTION: Final = 0.58
"""sigma/sqrt(E) in keVee^(1/2)."""


def _axes() -> dict[str, NDArray[np.float64]]:
    return {"e_ee": np.arange(0.0, 121.0, 10.0), "f90": np.arange(50, 91, 5) / 100.0, "time": np.arange(-1, 50, 5) / 10.0}


def f90_given_energy(template: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return P(F90 | energy), shape (energy, F90), of a CEvNS template of shape (energy, F90, time).

    Energy bins with fewer than 0.05 counts repeat the last one below them that has more; each row sums to 1.

    Raises
    ------
    DomainError
        If no energy bin has that many counts.
    """
    counts = template.sum(axis=2)
    populated = np.flatnonzero(counts.sum(axis=1) >= _FEWEST_COUNTS)
    if len(populated) == 0:
        message = f"{_CEVNS}: no energy bin holds {_FEWEST_COUNTS:g} counts or more"
        raise DomainError(message)
    last = populated[np.maximum(np.searchsorted(populated, np.arange(len(counts)), side="right") - 1, 0)]
    rows = counts[last]
    return np.asarray(rows / rows.sum(axis=1, keepdims=True), dtype=np.float64)


def electrons_at_most(steady_state: NDArray[np.float64], e_ee: NDArray[np.float64], efficiency: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return upper bounds on P(F90 | energy) of electron recoils that pass the efficiency, shape (energy, F90).

    The off-beam events are counted in windows that hold a known number of Ar-39 decays, electrons spread evenly over the argon. At most all
    of those events are such electrons: their number over that of the decays, after efficiency and resolution, bounds what is seen of an
    electron recoil. The activity is one error low and the beam power at its largest, so that the decays are few and the bound is wide.

    Parameters
    ----------
    steady_state
        Expected off-beam events, shape (energy, F90, time).
    e_ee, efficiency
        The released efficiency against the true energy in keVee.
    """
    edges = _axes()["e_ee"]
    nodes, weights = np.polynomial.legendre.leggauss(1000)
    energy = 100.0 * (1.0 + nodes)
    density = 1e-3 * ar39_density(1e-3 * energy) * interpolated(energy, e_ee, efficiency) * 100.0 * weights
    decays = (AR39_ACTIVITY[0] - AR39_ACTIVITY[1]) * _MASS * _SPILLS * _WINDOW
    seen = decays * (gaussian(energy, _RESOLUTION * np.sqrt(energy), edges) @ density)
    return np.asarray(steady_state.sum(axis=2) / seen[:, None])


def _tables(files: Arrays) -> dict[str, Table]:
    axes = _axes()
    templates = {"data [1]": files[_DATA][:, 3]} | {f"{column} [1]": files[name][:, 3] for column, name in _TEMPLATES.items()}
    probability = f90_given_energy(files[_CEVNS][:, 3].reshape(_SHAPE))
    e_ee, t_recoil, efficiency = files[_EFFICIENCY].T
    bound = electrons_at_most(files["bkgpdf.txt"][:, 3].reshape(_SHAPE), e_ee, efficiency)
    return {
        "templates.csv": Table(
            (
                "LAr 2020: observed counts and expected counts at the central prediction, as released (not renormalised).",
                "data includes the steady-state background (ss). Excursions are one standard deviation; those without up or down are one-sided.",
                "brn_prompt_time_mean_up sums to 523.7 in the release, the other brn_prompt columns to 497.",
                _SOURCE,
            ),
            bin_columns(axes, _UNITS) | templates,
        ),
        "efficiency.csv": Table(
            (
                "LAr 2020: detection efficiency against the true energy, at the released points; constant above the last one.",
                "t_recoil is the recoil energy of e_ee with the released quenching factor.",
                _SOURCE,
            ),
            {"e_ee [keVee]": e_ee, "t_recoil [keVnr]": t_recoil, "efficiency [1]": efficiency},
        ),
        "f90_given_energy.csv": Table(
            (
                "LAr 2020: probability of F90 for nuclear recoils of given reconstructed energy, from the released CEvNS template summed over time.",
                f"Energy bins where the template holds fewer than {_FEWEST_COUNTS:g} counts repeat the last populated one. Each energy sums to 1.",
                "electrons_at_most: what an electron recoil that passes the efficiency leaves in a bin at most, from off-beam events over Ar-39 decays",
                "(0.940 Bq/kg: arXiv:2302.14639 less one error; 24.4 kg; spills of 6.12 GWh at 60 Hz and 1.4 MW, 5 us each).",
                _SOURCE,
            ),
            bin_columns({"e_ee": axes["e_ee"], "f90": axes["f90"]}, _UNITS)
            | {"probability [1]": probability.ravel(), "electrons_at_most [1]": np.round(bound.ravel(), 5)},
        ),
    }


RELEASE: Final = Release(
    files=(
        ReleasedFile(_DATA, ("e_ee", "f90", "time", "counts"), grid=_CENTRES, whole=True),
        *(ReleasedFile(name, ("e_ee", "f90", "time", "counts"), grid=_CENTRES) for name in _TEMPLATES.values()),
        ReleasedFile(_EFFICIENCY, ("e_ee", "t_recoil", "efficiency"), grid=(tuple(0.25 + 0.5 * k for k in range(80)),)),
    ),
    tables=_tables,
)
