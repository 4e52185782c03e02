"""CONUS+ with the spectra that ship, and with older tables that end at 8 MeV."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.paths import data_root

TABLES = Path(__file__).parents[2].parent / "shared" / "data" / "reactor"
FISSIONS = {"U235": (0.53, 202.36), "U238": (0.08, 205.99), "Pu239": (0.32, 211.12), "Pu241": (0.07, 214.26)}


def predicted(folder: Path, changes: dict[str, object] | None = None) -> float:
    return sum(entry.totals["cevns"] for entry in cf.rates(cf.build_likelihood(folder, model="sm", changes=changes)).values())


@pytest.mark.slow
def test_spectra_that_end_at_8_mev_lack_a_tenth_of_the_counts(tmp_path: Path) -> None:
    """262 with the tables, straight lines between their points, 292 with what ships (independent computation)."""
    if not TABLES.is_dir():
        pytest.skip(f"the tables are not at {TABLES}")
    folder = tmp_path / "conus"
    shutil.copytree(data_root() / "experiments" / "conus-plus-2025", folder)
    energies = np.linspace(0.01, 8.0, 1600)
    spectra = {name: np.loadtxt(TABLES / f"spectraMeV{name}.txt") for name in FISSIONS}
    per_fission = sum(part * np.interp(energies, *spectra[name].T) for name, (part, _) in FISSIONS.items())
    fissions = 3.6e9 / 1.602176634e-13 / sum(part * energy for part, energy in FISSIONS.values())
    flux = np.asarray(per_fission) * fissions / (4.0 * math.pi * 2070.0**2)
    rows = "\n".join(f"{energy:.8g},{value:.8g}" for energy, value in zip(energies, flux, strict=True))
    (folder / "flux.csv").write_text(f"e_nu [MeV],nubar_e [1/(MeV*cm**2*s)]\n{rows}\n", encoding="utf-8")
    flavours = {"nubar_e": {"table": "flux.csv", "column": "nubar_e"}}
    source = {"kind": "table", "name": "table", "flavours": flavours, "live_time": "115.5 d", "distance": "20.7 m"}
    assert predicted(folder, {"source": source}) == pytest.approx(262.0, rel=5e-3)
    assert predicted(folder) == pytest.approx(292.0, rel=5e-3)
