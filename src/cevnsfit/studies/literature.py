"""The numbers of data/published that stand in papers on statistics, bounds, moments and spectra, computed; and whole curves."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.stats import chi2

from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.core.paths import data_root
from cevnsfit.infer.cls import cls_values, expected_cls, signal_test
from cevnsfit.infer.discovery import discovery
from cevnsfit.infer.feldman_cousins import feldman_cousins
from cevnsfit.infer.hypothesis import default_hypothesis
from cevnsfit.infer.toys import Toys
from cevnsfit.model.build import RELEASED
from cevnsfit.moments.measured import deviation
from cevnsfit.physics.constants import ELECTRON_MASS, FERMI_CONSTANT, FINE_STRUCTURE, HBAR_C
from cevnsfit.physics.couplings import LEPTONS, electron_couplings
from cevnsfit.physics.early_universe import excess_neutrinos, smallest_mass
from cevnsfit.physics.interactions import signal_model
from cevnsfit.physics.interactions.electromagnetic import standard_radius
from cevnsfit.spec.tables import read_table
from cevnsfit.stats.channel import Channel, Coefficients, ControlRegion
from cevnsfit.stats.joint import join
from cevnsfit.studies.fitting import fit
from cevnsfit.studies.germanium import STRENGTH, Ours, PublishedCurve
from cevnsfit.studies.limits import significance
from cevnsfit.studies.overlays import overlay
from cevnsfit.studies.setup import build_likelihood

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cevnsfit.core.arrays import Bools, Floats
    from cevnsfit.spec.tables import InputTable
    from cevnsfit.stats.joint import Joint
    from cevnsfit.stats.likelihood import Likelihood


_DEVIATIONS: Final = {
    "electron-cs": ("electron-2008", "electron-cs-2018", 1e-13),
    "electron-rb": ("electron-2008", "electron-rb-2020", 1e-13),
    "muon-2020": ("muon-2006", "muon-2020", 1e-11),
    "muon-2025": ("muon-2025", "muon-2025", 1e-11),
}
_RATE_OF_ONE: Final = 46.0 / 86400.0 / (66.0 / 120.19 * 6.02214076e23 * 1e8)
"""Scatterings in Borexino on one electron in a second, of neutrinos of 862 keV (arXiv:1104.1816); C9H12 has 66 electrons."""


def literature_checks() -> dict[str, Callable[[object], Ours]]:
    """Return the functions that compute these numbers, by their ids."""
    numbers: dict[str, Callable[[], float]] = {
        "feldman-cousins.none": lambda: _upper_end(0.0),
        "pyhf.observed": lambda: float(cls_values(signal_test(_two_bins(), "mu"), np.ones(1))[0]),
        "pyhf.expected": lambda: float(expected_cls(signal_test(_two_bins(), "mu"), np.ones(1))[2, 0]),
        "trident.heavy": lambda: 1e3 / overlay("ccfr-trident", mass=(1e5, 1e6)).excluded(1e6)[0][0],
        "borexino.flux": lambda: 1e-9 * _RATE_OF_ONE / _electron_cross_section(0.862) / 0.8952,
        "n-eff.smallest-mass": lambda: smallest_mass(0.7),
        "n-eff.ten": lambda: float(excess_neutrinos(10.0)),
        "babar.smallest": lambda: float(np.nanmin(overlay("babar-4mu").points[:, 1])),
        "belle-ii.100": lambda: overlay("belle-ii").excluded(100.0)[0][0],
        "magnetic-moment.scale": lambda: 1e25 * math.pi * (FINE_STRUCTURE * HBAR_C / ELECTRON_MASS) ** 2,
        "csi-2021.cross-section.predicted": lambda: signal_model("cross-section").parameters[0].default,
        "banerjee.preference": _preference,
        **{f"charge-radius.{flavour}": functools.partial(standard_radius, flavour) for flavour in LEPTONS},
    }
    curves: dict[str, Callable[[], Ours]] = {
        "lar-2020.fig-8": lambda: _compared("lar-2020-fig-8.csv", _lar_profile, where=lambda _, height: height < 4.0),
        "7stats.ee": lambda: _compared("7stats-ee.csv", functools.partial(_levels, "ee")),
        "7stats.mumu": lambda: _compared("7stats-mumu.csv", functools.partial(_levels, "mumu")),
        "feldman-cousins.counting": lambda: _compared("feldman-cousins-3.csv", lambda table: [*map(_upper_end, table.columns["events"])]),
        "on-off.significance": lambda: _compared("on-off.csv", _on_off),
        "huber.u235": lambda: _compared("huber-u235.csv", _uranium, where=lambda energy, _: energy < 7.6, relative=True),
    }
    return {
        **{name: lambda _, function=function: Ours(function()) for name, function in numbers.items()},  # type: ignore[misc]
        **{name: lambda _, function=function: function() for name, function in curves.items()},  # type: ignore[misc]
        **{f"deviation.{name}": functools.partial(_deviation, *of) for name, of in _DEVIATIONS.items()},
    }


def _compared(
    file: str,
    ours: Callable[[InputTable], Sequence[float] | Floats],
    *,
    where: Callable[[Floats, Floats], Bools] | None = None,
    relative: bool = False,
) -> Ours:
    """Return the rms difference to a curve in data/published/curves, over the points that count (all by default), and both at all points."""
    file = f"published/curves/{file}"
    table = read_table(data_root() / file)
    (abscissa, x), (ordinate, y), *_ = table.columns.items()
    found = np.asarray(ours(table), dtype=np.float64)
    difference = (found - y) / (y if relative else 1.0)
    used = slice(None) if where is None else where(x, y)
    columns, points = (f"{abscissa} [{table.units[abscissa]}]", f"{ordinate} [{table.units[ordinate]}]"), np.stack([x, y, found], axis=1)
    return Ours(float(np.sqrt(np.mean(difference[used] ** 2))), curve=PublishedCurve(file, columns, tuple(map(tuple, points.tolist()))))


def _counting(*bins: tuple[float, float, float, ControlRegion | None]) -> Joint:
    """Return counting experiments, one for each (events, signal at a strength of 1, known background, control region of one more background)."""
    none = np.full(2, -1), np.zeros(2, dtype=np.int64)
    rule = Coefficients(("mu",), np.array([[1], [0]]), np.ones((2, 1)), np.ones((2, 1)), *none)
    channels = [
        Channel(f"bin {number}", np.array([[signal], [background]]), rule, ("cevns", "background"), np.array([events]), control, (1,))
        for number, (events, signal, background, control) in enumerate(bins)
    ]
    return join(ParameterSet((Parameter("mu", "polynomial", 1.0, least=0.0),)), tuple(channels)).physical


def _upper_end(events: float) -> float:
    """Return the upper end of the Feldman-Cousins interval at 90 % for events on a background of 3."""
    test = default_hypothesis(_counting((events, 1.0, 3.0, None)), "mu")
    return feldman_cousins(test, cl=0.90, toys=Toys(1024, 2)).allowed[-1][1]


def _on_off(table: InputTable) -> list[float]:
    rows = zip(*(table.columns[name] for name in ("on", "off", "tau")), strict=True)
    return [discovery(_counting((on, 1.0, 0.0, ControlRegion(np.array([off]), tau))), "mu").significance for on, off, tau in rows]


def _two_bins() -> Joint:
    """Return the example of pyhf: signal 12 and 11, background 50 +- 3 and 52 +- 7, 51 and 48 events."""
    bins = ((51.0, 12.0, 50.0, 3.0), (48.0, 11.0, 52.0, 7.0))
    return _counting(*((n, s, 0.0, ControlRegion(np.array([(b / sigma) ** 2]), b / sigma**2)) for n, s, b, sigma in bins))


def _deviation(measured: str, predicted: str, unit: float, _: object) -> Ours:
    found = deviation(measured, predicted)
    return Ours(found.value / unit, found.error / unit)


def _electron_cross_section(energy: float) -> float:
    """Return the cross section in cm^2 of electron neutrinos of an energy in MeV on electrons at rest, 't Hooft's formula integrated over recoils."""
    left, right = electron_couplings().left("e"), electron_couplings().right("e")
    x = 2.0 * energy / (ELECTRON_MASS + 2.0 * energy)  # largest recoil over energy
    integral = left**2 * x + right**2 * (1.0 - (1.0 - x) ** 3) / 3.0 - left * right * ELECTRON_MASS / energy * x**2 / 2.0
    return float(2.0 * FERMI_CONSTANT**2 * ELECTRON_MASS / math.pi * HBAR_C**2 * energy * integral)


def _lar_profile(table: InputTable) -> Floats:
    likelihood = build_likelihood("coherent-lar-2020", model=RELEASED)
    best = fit(likelihood)
    prediction = best.expected["coherent-lar-2020"]["cevns"] / best.values[STRENGTH]
    return _height(likelihood, best.nll2, **{STRENGTH: table.columns["counts"] / prediction})


def _levels(flavour: str, table: InputTable) -> Floats:
    """Return the asymptotic confidence levels at which eps of up and down quarks alike is excluded."""
    names = [f"eps_{flavour}_{quark}" for quark in ("u", "d")]
    likelihood = build_likelihood("coherent-csi-2017", model="nsi", floating=names)
    grid = _height(likelihood, 0.0, **dict.fromkeys(names, np.linspace(-0.3, 0.5, 801)))
    return np.asarray(chi2.cdf(_height(likelihood, float(grid.min()), **dict.fromkeys(names, table.columns["eps"])), 1))


def _height(likelihood: Likelihood, lowest: float, **values: Floats) -> Floats:
    return np.maximum(-2.0 * np.asarray(likelihood.logpdf(values, profiled=True)) - lowest, 0.0)


def _uranium(table: InputTable) -> Floats:
    shipped = read_table(data_root() / "spectra" / "reactor.csv").columns
    return np.interp(table.columns["e_nu"], shipped["e_nu"], shipped["u235"])


def _preference() -> float:
    changes = {"coherent-csi-2021:systematics.onset.enabled": False}
    likelihood = build_likelihood("coherent-csi-2021", "coherent-lar-2020", model="lmu-ltau", changes=changes)
    return significance(likelihood, "g", at={"mass": 50.0}).significance
