"""Response stages of a description as stages of a detector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError, UnknownNameError
from cevnsfit.detector import efficiency, quenching, smearing
from cevnsfit.detector.response import Map, Matrix, Smear, Stage, Weight

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cevnsfit.core.arrays import Floats
    from cevnsfit.spec import instrument
    from cevnsfit.spec.tables import InputTable

    Tables = Mapping[str, InputTable]


def detector_stages(response: Mapping[str, instrument.Stage], tables: Tables) -> tuple[Stage, ...]:
    """Return the detector's stages in the order of the description.

    Raises
    ------
    UnknownNameError
        If there is no function for the kind of a stage.
    """
    for entry in response.values():
        if entry.kind not in STAGES:
            what = "kind of response stage"
            raise UnknownNameError(what, entry.kind, STAGES)
    return tuple(STAGES[entry.kind](entry, tables) for entry in response.values())


def _constant_quenching(entry: instrument.ConstantQuenching, _: Tables) -> Map:
    return Map("t_recoil", "e_ee", lambda t: quenching.polynomial(t, [entry.factor]))


def _linear_quenching(entry: instrument.LinearQuenching, _: Tables) -> Map:
    return Map("t_recoil", "e_ee", lambda t: quenching.polynomial(t, [entry.constant, entry.slope]))


def _polynomial_quenching(entry: instrument.PolynomialQuenching, _: Tables) -> Map:
    return Map("t_recoil", "e_ee", lambda t: quenching.polynomial(t, entry.coefficients))


def _table_quenching(entry: instrument.TableQuenching, tables: Tables) -> Map:
    energies, factors = (tables[entry.table].values(name) for name in ("t_recoil", entry.column))
    return Map("t_recoil", "e_ee", lambda t: quenching.table(t, energies, factors), tuple(float(e) for e in energies))


def _lindhard_quenching(entry: instrument.LindhardQuenching, _: Tables) -> Map:
    return Map("t_recoil", "e_ee", lambda t: quenching.lindhard(t, entry.k, entry.z))


def _light_yield(entry: instrument.LightYield, _: Tables) -> Map:
    return Map("e_ee", "pe", lambda e_ee: entry.value * e_ee)


def _poisson_smearing(_entry: instrument.PoissonSmearing, _: Tables) -> Smear:
    return Smear("pe", "pe", smearing.poisson, integer=True)


def gaussian_width(entry: instrument.GaussianSmearing, energy: Floats) -> Floats:
    """Return the standard deviation of a resolution at energies."""
    return np.asarray(np.sqrt(entry.noise**2 + entry.stochastic**2 * energy + (entry.linear * energy) ** 2))


def _gaussian_smearing(entry: instrument.GaussianSmearing, _: Tables) -> Smear:
    return Smear(
        entry.axis,
        entry.axis,
        lambda mean, edges: smearing.gaussian(mean, gaussian_width(entry, mean), edges),
        width=(lambda mean: gaussian_width(entry, mean)) if entry.noise or entry.linear else None,
    )


def _gamma_smearing(entry: instrument.GammaSmearing, _: Tables) -> Smear:
    return Smear("e_ee", "pe", lambda mean, edges: smearing.gamma(mean * entry.light_yield, entry.constant + entry.slope * mean, edges))


def _response_matrix(entry: instrument.ResponseMatrix, tables: Tables) -> Matrix:
    table = tables[entry.table]
    return Matrix(table.values("t_recoil"), entry.probabilities(table))


def _constant_efficiency(entry: instrument.ConstantEfficiency, _: Tables) -> Weight:
    return Weight(entry.axis, lambda x: np.full(np.shape(x), entry.value, dtype=np.float64))


def _table_efficiency(entry: instrument.TableEfficiency, tables: Tables) -> Weight:
    table = tables[entry.table]
    if table.axes:
        edges = table.axes[0].edges
        return Weight(entry.axis, lambda x: efficiency.histogram(x, edges, table.values(entry.column)), edges)
    xs, ys = (table.values(name) for name in (entry.axis, entry.column))
    return Weight(entry.axis, lambda x: efficiency.table(x, xs, ys))


def _logistic_efficiency(entry: instrument.LogisticEfficiency, _: Tables) -> Weight:
    plateaus = [(step.start, step.factor) for step in entry.steps]

    def curve(x: Floats) -> Floats:
        smooth = efficiency.logistic(x, entry.amplitude, entry.steepness, entry.position, entry.offset)
        return smooth * efficiency.steps(x, plateaus) if plateaus else smooth

    return Weight(entry.axis, curve, tuple(start for start, _ in plateaus))


STAGES: Final[dict[str, Callable[[Any, Tables], Stage]]] = {
    "constant-quenching": _constant_quenching,
    "linear-quenching": _linear_quenching,
    "polynomial-quenching": _polynomial_quenching,
    "table-quenching": _table_quenching,
    "lindhard-quenching": _lindhard_quenching,
    "light-yield": _light_yield,
    "poisson-smearing": _poisson_smearing,
    "gaussian-smearing": _gaussian_smearing,
    "gamma-smearing": _gamma_smearing,
    "response-matrix": _response_matrix,
    "constant-efficiency": _constant_efficiency,
    "table-efficiency": _table_efficiency,
    "logistic-efficiency": _logistic_efficiency,
}
"""What makes a stage of each kind, from its section and the tables."""


def reconstructed_efficiency(stages: Sequence[Stage], x: Floats) -> Floats:
    """Return the product of all efficiencies that follow the smearing, at reconstructed values `x`, shape of `x`."""
    total = np.ones_like(x)
    smeared = False
    for stage in stages:
        smeared = smeared or isinstance(stage, Smear | Matrix)
        if smeared and isinstance(stage, Weight):
            total = total * stage.function(x)
    return total


def without_quenching(stages: Sequence[Stage], experiment: str, *, quenched: bool = True) -> tuple[Stage, ...]:
    """Return the stages as electron recoils see them: their energy is the electron-equivalent one, with which a response that is not `quenched` begins.

    Raises
    ------
    CevnsfitError
        If the response should have a quenching and has none, so that its axis is one of nuclear recoils.
    """
    as_it_is = Map("t_recoil", "e_ee", lambda t: t)
    places = [stage for stage in stages if isinstance(stage, Map) and stage.output == "e_ee"]
    if not places and quenched:
        message = f"{experiment}: electron recoils cannot be added to a response without quenching"
        raise CevnsfitError(message)
    return tuple(as_it_is if stage in places else stage for stage in stages) if places else (as_it_is, *stages)
