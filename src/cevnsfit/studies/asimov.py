"""What is expected of a likelihood on Asimov data, in which some experiments may keep their observed counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.errors import CevnsfitError, UnknownNameError
from cevnsfit.infer.grid import joint_at
from cevnsfit.infer.hypothesis import hypothesis
from cevnsfit.infer.sensitivity import SIGMAS, Outlook, outlook
from cevnsfit.io.tables import cell
from cevnsfit.spec.fields import SIGNAL
from cevnsfit.stats.constraints import CONSTRAINTS
from cevnsfit.stats.joint import expected, join
from cevnsfit.studies.fitting import poi_name, require_coupling, require_observed, unheld
from cevnsfit.studies.possible import require_possible
from cevnsfit.studies.setup import check_floating

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cevnsfit.infer.intervals import Level
    from cevnsfit.stats.likelihood import Likelihood


def asked_outlook(
    likelihood: Likelihood, *, poi: str | None, at: Mapping[str, float], true: Mapping[str, float], observed: Sequence[str], level: Level
) -> Outlook:
    """Return the true value of a parameter on Asimov data; what is asked is as for `forecast`.

    Raises
    ------
    CevnsfitError
        If a nonlinear parameter is not held, a true parameter is a systematic, or an experiment has no counts to keep.
    """
    require_coupling(likelihood, () if poi is None or poi in at else (poi,))
    if missing := unheld(likelihood, at):
        message = f"{', '.join(missing)} must be held: --at {missing[0]}=VALUE, in Python at={{'{missing[0]}': VALUE}}"
        raise CevnsfitError(message)
    require_possible(joint_at(likelihood, at)[0], likelihood.axes)
    for name in true:
        if likelihood.parameters[name].kind == "nuisance":
            message = f"{name} is a systematic; the truth is given by parameters of the model"
            raise CevnsfitError(message)
    _require_counts(likelihood, observed)
    truth = {**{name: value for name, value in at.items() if name in likelihood.nonlinear}, **true}
    joint, held = joint_at(likelihood.with_data("asimov", truth), at)
    name = poi_name(joint, poi, at)
    check_floating(likelihood, at, (name,))
    value = truth.get(name, joint.parameters[name].default)
    asimov = real = hypothesis(joint, name, value, at=held)
    if observed:
        real = hypothesis(joint_at(likelihood.with_data("asimov", truth, keep=observed), at)[0], name, value, at=held)
    real_ones = {name for channel in joint.channels if channel.owner in observed for name in channel.coefficients.parameters}
    fluctuating = tuple(
        channel.name
        for channel in joint.channels
        if channel.owner not in observed and not (channel.name == CONSTRAINTS and real_ones & {*channel.components})
    )
    return outlook(asimov, real, fluctuating, cl=level.cl, dof=level.dof)


def _require_counts(likelihood: Likelihood, observed: Sequence[str]) -> None:
    joint = likelihood.at({})
    names = list(likelihood.experiments)
    unknown = [name for name in observed if name not in names]
    if unknown:
        kind = "experiment"
        raise UnknownNameError(kind, unknown[0], names)
    kept = tuple(channel for channel in joint.channels if channel.owner in observed)
    require_observed(kept)
    if {channel.name for channel in joint.channels} <= {CONSTRAINTS, *(channel.name for channel in kept)}:
        message = f"nothing is left to forecast: {', '.join(names)} keep their observed counts"
        raise CevnsfitError(message)
    require_possible(join(joint.parameters, kept), likelihood.axes)


def statement(likelihood: Likelihood, true: Mapping[str, float], observed: Sequence[str]) -> str:
    """Return what the data of a forecast are."""
    truth = ", ".join(f"{name} = {value:g}" for name, value in true.items())
    names = likelihood.experiments
    text = (
        f"Asimov data {f'at {truth}' if truth else 'of the Standard Model'} for {', '.join(name for name in names if name not in observed)}"
    )
    return f"{text}; observed data of {', '.join(name for name in names if name in observed)}" if observed else text


def events(likelihood: Likelihood) -> dict[str, float]:
    """Return the signal counts that the Standard Model expects in each experiment."""
    joint = likelihood.at({})
    counts = expected(joint, joint.parameters.defaults())
    found: dict[str, float] = {}
    for channel in joint.channels:
        if channel.name == CONSTRAINTS:
            continue
        found[channel.owner] = found.get(channel.owner, 0.0) + float(counts[channel.name].get(SIGNAL, np.zeros(1)).sum())
    return found


def by_sigma(limits: Sequence[float]) -> dict[str, float]:
    """Return limits by the standard deviations at which they lie."""
    return {f"{z:+g}" if z else "0": value for z, value in zip(SIGMAS, limits, strict=True)}


def limit_headers(poi: str) -> list[str]:
    """Return the headers of a limit and its bands in a table."""
    return [f"{poi}_limit [1]", *(f"{poi}_{'minus' if z < 0 else 'plus'}_{abs(z):g}_sigma [1]" for z in SIGMAS if z != 0.0)]


def limit_cells(limit: float, bands: Sequence[float]) -> list[str]:
    """Return a limit and its bands as cells of a table."""
    return [cell(limit), *(cell(value) for z, value in zip(SIGMAS, bands, strict=True) if z != 0.0)]


def limit_texts(limit: float, bands: Sequence[float]) -> tuple[str, str, str]:
    """Return a limit, and its 68 % and 95 % bands."""
    low2, low1, _, high1, high2 = map(limit_text, bands)
    return limit_text(limit), f"{low1} .. {high1}", f"{low2} .. {high2}"


def limit_text(value: float) -> str:
    """Return a limit, or a reach; "none" where there is none."""
    return f"{value:.4g}" if math.isfinite(value) else "none"
