"""Response stages of a description as stages of a detector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.detector import efficiency, quenching, smearing
from cevnsfit.detector.response import Map, Smear, Stage, Weight

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.spec import instrument
    from cevnsfit.spec.tables import Table


def detector_stages(response: Mapping[str, instrument.Stage], tables: Mapping[str, Table]) -> tuple[Stage, ...]:
    """Return the detector's stages in the order of the description."""
    return tuple(_stage(entry, tables) for entry in response.values())


def _stage(entry: instrument.Stage, tables: Mapping[str, Table]) -> Stage:
    kind = entry.kind.rpartition("-")[2]
    if kind == "quenching":
        return _quenching(entry, tables)
    if kind == "efficiency":
        return _efficiency(entry, tables)
    if kind == "smearing":
        return _smearing(entry)
    assert entry.kind == "light-yield"
    light_yield = entry.value
    return Map("e_ee", "pe", lambda e_ee: light_yield * e_ee)


def _quenching(entry: instrument.Stage, tables: Mapping[str, Table]) -> Map:
    match entry.kind:
        case "constant-quenching":
            return Map("t_recoil", "e_ee", lambda t: quenching.constant(t, entry.factor))
        case "linear-quenching":
            return Map("t_recoil", "e_ee", lambda t: quenching.linear(t, entry.constant, entry.slope))
        case "polynomial-quenching":
            return Map("t_recoil", "e_ee", lambda t: quenching.polynomial(t, entry.coefficients))
        case "table-quenching":
            table = tables[entry.table]
            energies, factors = table.values("t_recoil"), table.values(entry.column)
            return Map("t_recoil", "e_ee", lambda t: quenching.table(t, energies, factors), tuple(float(e) for e in energies))
        case _:
            raise AssertionError(entry.kind)


def _efficiency(entry: instrument.Stage, tables: Mapping[str, Table]) -> Weight:
    match entry.kind:
        case "constant-efficiency":
            return Weight(entry.axis, lambda x: efficiency.constant(x, entry.value))
        case "table-efficiency":
            table = tables[entry.table]
            xs, ys = table.values(entry.axis), table.values(entry.column)
            return Weight(entry.axis, lambda x: efficiency.table(x, xs, ys))
        case "logistic-efficiency":
            plateaus = [(step.start, step.factor) for step in entry.steps]

            def curve(x: NDArray[np.float64]) -> NDArray[np.float64]:
                smooth = efficiency.logistic(x, entry.amplitude, entry.steepness, entry.position, entry.offset)
                return smooth * efficiency.steps(x, plateaus) if plateaus else smooth

            return Weight(entry.axis, curve, tuple(start for start, _ in plateaus))
        case _:
            raise AssertionError(entry.kind)


def _smearing(entry: instrument.Stage) -> Smear:
    match entry.kind:
        case "poisson-smearing":
            return Smear("pe", "pe", smearing.poisson, integer=True)
        case "gaussian-smearing":
            return Smear("e_ee", "e_ee", lambda mean, edges: smearing.gaussian(mean, entry.stochastic * np.sqrt(mean), edges))
        case "gamma-smearing":
            light_yield, constant, slope = entry.light_yield, entry.constant, entry.slope
            return Smear("e_ee", "pe", lambda mean, edges: smearing.gamma(mean * light_yield, constant + slope * mean, edges))
        case _:
            raise AssertionError(entry.kind)


def reconstructed_efficiency(stages: Sequence[Stage], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the product of all efficiencies that follow the smearing, at reconstructed values `x`, shape of `x`."""
    total = np.ones_like(x)
    smeared = False
    for stage in stages:
        smeared = smeared or isinstance(stage, Smear)
        if smeared and isinstance(stage, Weight):
            total = total * stage.function(x)
    return total


def without_quenching(stages: Sequence[Stage], experiment: str) -> tuple[Stage, ...]:
    """Return the stages as electron recoils see them: their energy is the electron-equivalent one.

    Raises
    ------
    CevnsfitError
        If the response has no quenching, so that its axis is one of nuclear recoils.
    """
    if not any(isinstance(stage, Map) and stage.output == "e_ee" for stage in stages):
        message = f"{experiment}: electron recoils cannot be added to a response without quenching"
        raise CevnsfitError(message)
    return tuple(Map("t_recoil", "e_ee", lambda t: t) if isinstance(stage, Map) and stage.output == "e_ee" else stage for stage in stages)
