"""XENONnT, search with ionisation alone, 2026: response matrices, backgrounds and events of three science runs (arXiv:2601.11296)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.io.releases.reading import Arrays, Release, ReleasedFile
from cevnsfit.io.tables import Table, bin_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SOURCE: Final = "Source: XENON Collaboration, data release of arXiv:2601.11296 (MIT licence)."
_EXPOSURES: Final = {"sr0": 1.50, "sr1": 2.44, "sr2": 3.89}
"""Tonne-years of each run (s2_only_statistical_model.yaml)."""

_EDGES: Final = np.linspace(80.0, 500.0, 8)
_BINS: Final = len(_EDGES) - 1
_COMPONENTS: Final = ("cevns", "de", "ae", "cathode")
_YIELDS: Final = {"bin": 0, "up": 1, "down": -1}
"""Charge yield in standard errors, by the start of the columns' names."""

_ABSENT: Final = ("ae", "sr2")
"""A background that the model of the release does not have; the released file holds 2.6e-11 in each bin."""


def _response(run: str, charge_yield: int) -> str:
    return f"response/response_nr_tqy_{charge_yield}_{run}.csv"


def _events(run: str) -> str:
    return f"data/events_{run}.csv"


def _background(run: str) -> str:
    return f"data/background_{run}.csv"


def _binned(columns: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    return bin_columns({"cs2": _EDGES}, {"cs2": "PE"}) | {f"{name} [1]": values for name, values in columns.items()}


def _tables(files: Arrays) -> dict[str, Table]:
    events = {run: np.histogram(files[_events(run)][:, 0], _EDGES)[0].astype(np.float64) for run in _EXPOSURES}
    outside = ", ".join(f"{run} {len(files[_events(run)]) - counts.sum():.0f}" for run, counts in events.items())
    backgrounds = {
        f"{name}_{run}": files[_background(run)][_COMPONENTS.index(name)] * exposure
        for name in _COMPONENTS
        for run, exposure in _EXPOSURES.items()
        if (name, run) != _ABSENT
    }
    found = {
        "events.csv": Table(
            (
                "XENONnT, S2 only: events of each science run in bins of the corrected S2; histogram of the released lists.",
                f"Events outside of the bins: {outside}.",
                _SOURCE,
            ),
            _binned(events),
        ),
        "backgrounds.csv": Table(
            (
                "XENONnT, S2 only: expected counts of each science run, those released per tonne-year times 1.50, 2.44 and 3.89 tonne-years.",
                "cevns is the collaboration's own prediction for neutrinos of 8B; cathode, de and ae are the backgrounds, as the release names them.",
                "The model of the release has no ae in SR2.",
                _SOURCE,
            ),
            _binned(backgrounds),
        ),
    }
    return found | {f"response_{run}.csv": _matrix(files, run) for run in _EXPOSURES}


def _matrix(files: Arrays, run: str) -> Table:
    """Return the response matrix of a run: recoil energy, then the bins at the nominal charge yield and one standard error off."""
    columns = {"t_recoil [keVnr]": files[_response(run, 0)][:, 0]}
    for name, charge_yield in _YIELDS.items():
        columns |= {f"{name}_{k} [1]": files[_response(run, charge_yield)][:, k + 1] for k in range(_BINS)}
    comments = (
        f"XENONnT, S2 only, {run.upper()}: probability that a nuclear recoil of this energy is seen in each bin of cS2, efficiency included.",
        "bin: nominal charge yield; up, down: one standard error above and below.",
        _SOURCE,
    )
    return Table(comments, columns)


_ENERGIES: Final = (0.5, 0.51, *(round(0.55 + 0.05 * k, 2) for k in range(6)), *(round(0.9 + 0.1 * k, 1) for k in range(42)))

RELEASE: Final = Release(
    files=(
        *(
            ReleasedFile(_response(run, charge_yield), ("recoil energy", *(f"bin {k}" for k in range(_BINS))), grid=(_ENERGIES,))
            for run in _EXPOSURES
            for charge_yield in _YIELDS.values()
        ),
        *(ReleasedFile(_background(run), tuple(f"bin {k}" for k in range(_BINS)), labels=_COMPONENTS) for run in _EXPOSURES),
        *(ReleasedFile(_events(run), ("cS2",)) for run in _EXPOSURES),
    ),
    tables=_tables,
)
