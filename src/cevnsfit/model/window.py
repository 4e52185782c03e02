"""Whether an analysis window can see the signal at all, and where the recoil spectrum ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.axes import AXIS_UNITS, DISPLAY_SCALE
from cevnsfit.core.errors import DomainError
from cevnsfit.detector.response import Map
from cevnsfit.model.flux import empty_window, highest_energy
from cevnsfit.model.nuclei import nuclei_of
from cevnsfit.model.signal import with_kernels
from cevnsfit.model.stages import detector_stages
from cevnsfit.physics.interactions.terms import ReactionTarget, Target, sm_charge
from cevnsfit.physics.kinematics import t_max
from cevnsfit.spec.instrument import ROOM

if TYPE_CHECKING:
    from cevnsfit.core.arrays import Floats
    from cevnsfit.model.signal import Signal
    from cevnsfit.spec.load import Experiment


RECOIL: Final = "t_recoil"
SEEN: Final = "e_ee"

_RECOILS: Final = 300
"""Recoil energies at which a quenching factor is looked at."""

LEAST: Final = 1e-6
"""Expected events below which a window is empty."""


def require_signal(experiment: Experiment, signal: Signal) -> None:
    """Raise DomainError if the Standard Model expects nothing in the analysis window, or more is seen of a recoil there than it has; the message names the axis."""
    recoils = experiment.spec.target.cevns
    if recoils:
        require_quenching(experiment)
    last, flux, bins = experiment.axes[-1], signal.flux, signal.auxiliary.shape[1]
    squares = np.concatenate(
        [sm_charge(t, "mu") ** 2 if isinstance(t, Target) else np.full_like(t.t, isinstance(t, ReactionTarget)) for t in signal.targets]
    )
    expected = float((with_kernels(signal, ["vector"]).folds[0, :, : bins * flux.slices] @ squares).sum())
    arriving = float(flux.times.max(axis=0).sum())
    if expected < LEAST:
        ends = kinematic_end(experiment) if recoils else {}
        spectrum = " = ".join(f"{value / DISPLAY_SCALE[AXIS_UNITS[axis]]:.2f} {AXIS_UNITS[axis]}" for axis, value in ends.items())
        reason = f"the recoil spectrum ends at {spectrum}" if recoils else "no reaction is seen there"
        message = f"{empty_window(experiment, *experiment.reached)} ({reason})"
        raise DomainError(message)
    if expected * arriving < LEAST:
        message = f"{empty_window(experiment, last)} (no neutrino arrives then)"
        raise DomainError(message)


def kinematic_end(experiment: Experiment) -> dict[str, float]:
    """Return the largest recoil energy that a neutrino can give to a nuclide, on each axis before the smearing, in internal units."""
    masses = [nuclide.mass for nuclide, _ in nuclei_of(experiment)]
    highest = highest_energy(experiment)
    value = np.array([max(float(t_max(highest, mass)) for mass in masses)])
    return {axis: float(values[0]) for axis, values in _means(experiment, value).items()}


def _means(experiment: Experiment, recoil: Floats) -> dict[str, Floats]:
    """Return recoil energies on each axis before the smearing, in internal units."""
    found = {RECOIL: recoil}
    for stage in detector_stages(experiment.spec.response, experiment.tables):
        if isinstance(stage, Map):
            found[stage.output] = stage.function([*found.values()][-1])
    return found


def require_quenching(experiment: Experiment) -> None:
    """Raise DomainError if a quenching factor is more than 1 in the analysis window."""
    found = _means(experiment, np.geomspace(1e-6, 1.0, _RECOILS) * kinematic_end(experiment)[RECOIL])
    *_, seen = found.values()
    inside = (seen >= experiment.axes[0].edges[0]) & (seen <= experiment.axes[0].edges[-1])
    factors = np.where(inside, found.get(SEEN, 0.0) / found[RECOIL], 0.0)
    if factors.max() > 1.0 + ROOM:
        at = found[RECOIL][factors.argmax()] / DISPLAY_SCALE[AXIS_UNITS[RECOIL]]
        message = f"{experiment.label}: response: the quenching factor reaches {factors.max():.4g} at {at:.4g} keVnr, and is at most 1"
        raise DomainError(message)
