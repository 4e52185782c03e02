"""Spectra of reactors and of the sun, at a set of energies between which they are smooth.

Reactor, above 2 MeV: the polynomials exp(sum_k a_k E^k) of Huber, Phys. Rev. C 84 (2011) 024617, and for U-238 of Mueller et al., Phys. Rev. C 83
(2011) 054615, whose fits end at 8 MeV; to 12 MeV they are extrapolated. Below: Vogel and Engel, Phys. Rev. D 39 (1989) 3378, as tabulated. The table
of capture is per fission.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.io.releases.reading import Arrays, Release, ReleasedFile
from cevnsfit.io.tables import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ISOTOPES: Final = {"u235": "U235", "u238": "U238", "pu239": "Pu239", "pu241": "Pu241"}
_POLYNOMIALS: Final = {
    "u235": (4.367, -4.577, 2.100, -0.5294, 0.06186, -0.002777),
    "u238": (0.4833, 0.1927, -0.1283, -0.006762, 0.002233, -0.0001536),
    "pu239": (4.757, -5.392, 2.563, -0.6596, 0.07820, -0.003536),
    "pu241": (2.990, -2.882, 1.278, -0.3343, 0.03905, -0.001754),
}
_JOINT: Final = 2.0
_END: Final = 12.0
_CAPTURE: Final = "spectraMeVU238Ncapture.txt"
_CAPTURE_ENERGIES: Final = np.round(np.arange(0.02, 1.301, 0.02), 2)
_BORON: Final = "B8_neutrino_flux.txt"
_HEP: Final = "hep_neutrino.txt"
_EVERY: Final = {_BORON: 10, _HEP: 20}
"""Lines of the solar files of which one is kept: the spectra are smooth."""


def above_threshold(isotope: str, energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return antineutrinos per MeV and fission at `energy` [MeV], from the polynomial."""
    return np.asarray(np.exp(np.polynomial.polynomial.polyval(energy, _POLYNOMIALS[isotope])))


def _reactor(files: Arrays) -> dict[str, Table]:
    low = files[_file("U235")][:, 0]
    low, high = low[low <= _JOINT], np.arange(_JOINT + 0.25, _END + 0.1, 0.25)
    density = {
        name: np.append(np.interp(low, *files[_file(label)][:, :2].T), above_threshold(name, high)) for name, label in _ISOTOPES.items()
    }
    comments = (
        "Reactor antineutrinos per MeV and fission, by the isotope that is split.",
        f"Above {_JOINT:g} MeV: polynomials of Huber, Phys. Rev. C 84 (2011) 024617, for U-238 of Mueller et al., Phys. Rev. C 83 (2011) 054615.",
        "Above 8 MeV they are extrapolated.",
        f"To {_JOINT:g} MeV: Vogel and Engel, Phys. Rev. D 39 (1989) 3378, as tabulated in a public analysis of Dresden-II.",
    )
    columns = {"e_nu [MeV]": np.append(low, high)} | {f"{name} [1/MeV]": values for name, values in density.items()}
    rows = files[_CAPTURE][np.argsort(files[_CAPTURE][:, 0])]
    captured = np.interp(_CAPTURE_ENERGIES, *rows.T)
    about = (
        "Antineutrinos per MeV and fission that follow the capture of neutrons on U-238.",
        "Source: a public analysis of Dresden-II, digitised; the integral, 1.01, is 15 % below 0.6 captures of two neutrinos each.",
    )
    return {
        "reactor.csv": Table(comments, columns),
        "capture.csv": Table(about, {"e_nu [MeV]": _CAPTURE_ENERGIES, "capture [1/MeV]": captured}),
    }


def _file(label: str) -> str:
    return f"spectraMeV{label}.txt"


def _solar(files: Arrays) -> dict[str, Table]:
    tables = {}
    for name, file, source in (
        (
            "b8",
            _BORON,
            "Bahcall et al., Phys. Rev. C 54 (1996) 411, best fit and +-3 effective standard deviations (recognised by mean energies of 6.735 -+ 0.107 MeV)",
        ),
        ("hep", _HEP, "J. Bahcall's standard spectrum"),
    ):
        last = len(files[file]) - 1
        rows = files[file][np.unique([*range(0, last, _EVERY[file]), last])]
        heads = ("", "_up", "_down")[: rows.shape[1] - 1]
        columns = {"e_nu [MeV]": rows[:, 0]} | {f"{name}{head} [1/MeV]": rows[:, k + 1] for k, head in enumerate(heads)}
        tables[f"{name}.csv"] = Table(
            (f"Spectrum of the solar neutrinos of {name}, normalised to one neutrino.", f"Source: {source}."), columns
        )
    return tables


REACTOR: Final = Release(
    files=(*(ReleasedFile(_file(label), ("e_nu", "density")) for label in _ISOTOPES.values()), ReleasedFile(_CAPTURE, ("e_nu", "density"))),
    tables=_reactor,
)

SOLAR: Final = Release(
    files=(ReleasedFile(_BORON, ("e_nu", "density", "up", "down")), ReleasedFile(_HEP, ("e_nu", "density"))),
    tables=_solar,
)
