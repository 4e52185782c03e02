"""XENONnT, search for solar 8B neutrinos with S1 and S2, 2026: efficiencies, backgrounds and events of three runs (arXiv:2604.06002)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import Problem, SpecError
from cevnsfit.io.releases.hdf5 import Hdf5Table
from cevnsfit.io.releases.reading import Arrays, Release, ReleasedFile
from cevnsfit.io.tables import Table, bin_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SOURCE: Final = "Source: XENON Collaboration, data release of arXiv:2604.06002, doi 10.5281/zenodo.20576156 (CC BY 4.0)."
_EXPOSURES: Final = {"sr0": 1.174, "sr1": 2.343, "sr2": 3.250}
"""Live exposure of each run in tonne-years."""

_AXES: Final = {"cs2": "PE", "shadow": "1", "s1_bdt": "1", "s2_bdt": "1"}
"""Units of the observables, in the order of the release."""

_ENERGIES: Final = tuple(round(0.5 + 0.1 * k, 1) for k in range(46))
_YIELDS: Final = {"nominal": (0, 0), "light_up": (1, 0), "light_down": (-1, 0), "charge_up": (0, 1), "charge_down": (0, -1)}
"""Light and charge yield in standard errors, by column."""

_BACKGROUNDS: Final = {"ac": "ac_cevns", "er": "er_cevns", "neutron": "rg_cevns_tly_0.0_tqy_0.0"}
"""Ends of the names of their files, which start with the folder."""

_DIGITS: Final = 4
"""Significant digits of the efficiencies that are written."""


def _template(file: str) -> Hdf5Table:
    return Hdf5Table(f"{file}.h5", "templates/template", tuple(f"bins/{k}" for k in range(len(_AXES))))


def _background(run: str, name: str) -> Hdf5Table:
    return _template(f"templates/{run}/{_BACKGROUNDS[name][:2]}/template_XENONnT_{run}_{_BACKGROUNDS[name]}")


def _efficiency(run: str, energy: float, light: int, charge: int) -> Hdf5Table:
    return _template(f"templates/{run}/mono/template_XENONnT_{run}_mono_{energy:.3f}_cevns_tly_{light:.1f}_tqy_{charge:.1f}")


def _events(run: str) -> ReleasedFile:
    return ReleasedFile(f"data/{run}.csv", ("event", *_AXES))


def _pieces(run: str) -> tuple[Hdf5Table, ...]:
    """Return the templates of a run."""
    mono = (_efficiency(run, energy, *nodes) for energy in _ENERGIES for nodes in _YIELDS.values())
    return (*(_background(run, name) for name in _BACKGROUNDS), *mono)


def _edges(files: Arrays, run: str) -> list[NDArray[np.float64]]:
    """Return the bin edges of a run; SpecError if its templates do not share them."""
    first, *others = _pieces(run)
    bins = files[first.key][:, :-1]
    wrong = [piece for piece in others if not np.array_equal(files[piece.key][:, :-1], bins)]
    if wrong:
        raise SpecError([Problem(piece.file, None, "bins", f"differ from those of {first.file}") for piece in wrong[:5]])
    return [np.unique(bins[:, 2 * k : 2 * k + 2]) for k in range(len(_AXES))]


def _rounded(values: NDArray[np.float64], digits: int) -> NDArray[np.float64]:
    return np.array([float(f"{value:.{digits}g}") for value in values])


def _bins(edges: list[NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Return the columns of the bins, with edges of six digits."""
    return bin_columns({name: _rounded(values, 6) for name, values in zip(_AXES, edges, strict=True)}, _AXES)


def _tables(files: Arrays) -> dict[str, Table]:
    return {f"{name}_{run}.csv": table(files, run) for run in _EXPOSURES for name, table in (("counts", _counts), ("response", _response))}


def _counts(files: Arrays, run: str) -> Table:
    """Return the events of a run and its expected backgrounds."""
    edges, events = _edges(files, run), files[_events(run).key][:, 1:]
    observed = np.histogramdd(events, edges)[0].ravel()
    expected = {f"{name} [1]": files[_background(run, name).key][:, -1] * _EXPOSURES[run] for name in _BACKGROUNDS}
    comments = (
        f"XENONnT, S1 and S2, {run.upper()}: events, a histogram of the released list, and backgrounds expected in {_EXPOSURES[run]:g} tonne-years.",
        "ac: accidental coincidences; er: electronic recoils; neutron: at the nominal yields. shadow: quantile of S2_pre / Delta t_pre.",
        f"Events outside of the bins: {len(events) - observed.sum():.0f}.",
        _SOURCE,
    )
    return Table(comments, {**_bins(edges), "observed [1]": observed, **expected})


def _response(files: Arrays, run: str) -> Table:
    """Return the efficiencies of a run: a row for each recoil energy and bin."""
    bins = _bins(_edges(files, run))
    size = len(next(iter(bins.values())))
    columns = {"t_recoil [keVnr]": np.repeat(_ENERGIES, size), **{name: np.tile(values, len(_ENERGIES)) for name, values in bins.items()}}
    for name, nodes in _YIELDS.items():
        values = np.concatenate([files[_efficiency(run, energy, *nodes).key][:, -1] for energy in _ENERGIES])
        columns[f"{name} [%]"] = _rounded(100.0 * values, _DIGITS)
    comments = (
        f"XENONnT, S1 and S2, {run.upper()}: probability that a nuclear recoil of this energy is seen in a bin of the observables, efficiency included.",
        f"One standard error of the light and of the charge yield up and down; {_DIGITS} digits, bin edges 6, of the released ones.",
        _SOURCE,
    )
    return Table(comments, columns)


RELEASE: Final = Release(
    files=(*(piece for run in _EXPOSURES for piece in _pieces(run)), *(_events(run) for run in _EXPOSURES)), tables=_tables
)
