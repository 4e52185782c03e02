"""COHERENT CsI[Na] 2017: count grids, arrival times, prompt neutrons, quenching data (arXiv:1804.09459)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.io.releases.reading import Arrays, Release, ReleasedFile
from cevnsfit.io.tables import Table, bin_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SOURCE: Final = "Source: COHERENT Collaboration, arXiv:1804.09459, doi:10.5281/zenodo.1228631 (analysis: arXiv:1708.01294)."
_TIMES: Final = tuple(0.25 + 0.5 * k for k in range(24))
_COUNTS: Final = {
    "coincident_on": "data_coincidence_beamOn.txt",
    "anticoincident_on": "data_anticoincidence_beamOn.txt",
    "coincident_off": "data_coincidence_beamOff.txt",
    "anticoincident_off": "data_anticoincidence_beamOff.txt",
}
_ARRIVAL: Final = {
    "prompt": "arrivalTimePDF_promptNeutrinos.txt",
    "delayed": "arrivalTimePDF_delayedNeutrinos.txt",
    "prompt_neutrons": "arrivalTimePDF_promptNeutrons.txt",
}
_NEUTRONS: Final = "promptPDF.txt"
_CHICAGO: Final = "qfData_chicago.txt"
_DUKE: Final = "qfData_tunl.txt"


def _count_grid(name: str) -> ReleasedFile:
    pe = tuple(1.0 + 2.0 * k for k in range(25))
    return ReleasedFile(name, ("pe", "time", "counts"), grid=(pe, _TIMES), whole=True)


def _tables(files: Arrays) -> dict[str, Table]:
    time = np.arange(25) / 2.0
    counts = {f"{column} [1]": files[name][:, 2] for column, name in _COUNTS.items()}
    arrival = {f"{column} [1]": files[name][:, 1] for column, name in _ARRIVAL.items()}
    neutrons = {"counts_per_gwh [1/(GW*hour)]": files[_NEUTRONS][:, 1]}
    return {
        "counts.csv": Table(
            (
                "CsI 2017: events in bins of photoelectrons and arrival time, as released.",
                "On and off are the beam; anticoincident is the window before the beam trigger.",
                _SOURCE,
            ),
            bin_columns({"pe": np.arange(0.0, 51.0, 2.0), "time": time}) | counts,
        ),
        "arrival.csv": Table(
            (
                "CsI 2017: probability of each arrival-time bin, as released.",
                "prompt is nu_mu; delayed is nubar_mu and nu_e; prompt_neutrons is the beam-related background.",
                _SOURCE,
            ),
            bin_columns({"time": time}) | arrival,
        ),
        "prompt_neutrons.csv": Table(
            (
                "CsI 2017: prompt neutrons per GWh of beam (exposure 7.47594 GWh, normalisation +-25 %), as released.",
                "The acceptance is not applied: multiply by it at the bin centres.",
                _SOURCE,
            ),
            bin_columns({"pe": np.arange(51.0)}) | neutrons,
        ),
        "quenching_data.csv": Table(
            (
                "CsI[Na] quenching factor: E_ee = quenching * t_recoil. Errors in t_recoil and quenching are correlated.",
                "set 0: University of Chicago; set 1: TUNL (Duke).",
                _SOURCE,
            ),
            _quenching(files[_CHICAGO], files[_DUKE]),
        ),
    }


def _quenching(chicago: NDArray[np.float64], duke: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return both sets in one form: set, recoil energy, its errors, quenching factor, its errors (the release gives hi before lo)."""
    energy, energy_error, factor, factor_error = chicago.T
    first = np.column_stack([0.0 * energy, energy, energy_error, energy_error, factor, factor_error, factor_error])
    second = np.column_stack([np.ones(len(duke)), duke[:, [0, 2, 1, 3, 5, 4]]])
    headers = (
        "set [1]",
        "t_recoil [keVnr]",
        "t_recoil_minus [keVnr]",
        "t_recoil_plus [keVnr]",
        "quenching [1]",
        "quenching_minus [1]",
        "quenching_plus [1]",
    )
    return dict(zip(headers, np.vstack([first, second]).T, strict=True))


RELEASE: Final = Release(
    files=(
        *(_count_grid(name) for name in _COUNTS.values()),
        *(ReleasedFile(name, ("time", "probability"), grid=(_TIMES,)) for name in _ARRIVAL.values()),
        ReleasedFile(_NEUTRONS, ("pe", "counts per GWh"), grid=(tuple(k + 0.5 for k in range(50)),)),
        ReleasedFile(_CHICAGO, ("recoil energy", "its error", "quenching factor", "its error"), rows=7),
        ReleasedFile(
            _DUKE,
            ("recoil energy", "its hi error", "its lo error", "quenching factor", "its hi error", "its lo error"),
            rows=12,
        ),
    ),
    tables=_tables,
)
