"""Dresden-II 2022: rates of germanium at a reactor, on and off, and two sets of quenching factors (arXiv:2202.09672)."""

from __future__ import annotations

from typing import Final

import numpy as np

from cevnsfit.io.releases.reading import Arrays, Release, ReleasedFile
from cevnsfit.io.tables import Table, bin_columns

_SOURCE: Final = "Source: Colaresi et al., arXiv:2202.09672, as used in a public analysis."
_RATES: Final = "data_release.txt"
_QUENCHING: Final = "QF_Fef_YBe.txt"
_ENERGIES: Final = tuple(round(0.205 + 0.01 * k, 3) for k in range(130))


def _tables(files: Arrays) -> dict[str, Table]:
    rates, factors = files[_RATES], files[_QUENCHING]
    columns = {f"{name} [1]": rates[:, k + 1] for k, name in enumerate(("on", "on_error", "off", "off_error"))}
    return {
        "rates.csv": Table(
            (
                "Dresden-II: counts a day in the detector in bins of 10 eVee, reactor on (96.4 days) and off (25 days), with their errors.",
                _SOURCE,
            ),
            bin_columns({"e_ee": np.round(0.2 + 0.01 * np.arange(131), 2)}) | columns,
        ),
        "quenching.csv": Table(
            (
                "Germanium: quenching factor against recoil energy, from iron-filtered neutrons (fef) and from photoneutrons (ybe).",
                _SOURCE,
            ),
            {"t_recoil [keVnr]": factors[:, 0], "fef [1]": factors[:, 1], "ybe [1]": factors[:, 2]},
        ),
    }


RELEASE: Final = Release(
    files=(
        ReleasedFile(_RATES, ("energy", "on", "error on", "off", "error off"), grid=(_ENERGIES,)),
        ReleasedFile(_QUENCHING, ("recoil energy", "Fef", "YBe")),
    ),
    tables=_tables,
)
