"""Asimov data and pseudo-experiments in the place of observed data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.errors import DomainError
from cevnsfit.stats.data import asimov_data, observing, toy_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cevnsfit.stats.channel import Channel
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.likelihood import Likelihood


@dataclass(frozen=True, slots=True)
class Pseudo:
    """Which pseudo-data.

    Attributes
    ----------
    truth
        True values of parameters, by name; defaults (the Standard Model) for the rest.
    seed
        Of one pseudo-experiment, counts and auxiliary measurements fluctuated; None for Asimov data.
    """

    truth: Mapping[str, float]
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.seed is not None and self.seed < 0:
            message = f"a seed is a whole number of at least 0, got {self.seed}"
            raise DomainError(message)


def data_text(pseudo: Pseudo | None) -> str:
    """Return which data are fitted, in words."""
    if pseudo is None:
        return "observed"
    truth = ", ".join(f"{name} = {value:g}" for name, value in pseudo.truth.items())
    what = "Asimov data" if pseudo.seed is None else f"toy of seed {pseudo.seed}"
    return f"{what} at {truth}" if truth else f"{what} of the Standard Model"


def pseudo_data(likelihood: Likelihood, pseudo: Pseudo) -> tuple[Likelihood, Data]:
    """Return the likelihood with the counts of pseudo-data in the place of the observed ones, and the data set with its constraint centres.

    Raises
    ------
    UnknownNameError, DomainError
        If a true parameter is unknown or outside its domain.
    """
    values = {name: likelihood.parameters[name].checked(float(value)) for name, value in pseudo.truth.items()}
    joint = likelihood.at({name: value for name, value in values.items() if name in likelihood.nonlinear})
    theta = joint.parameters.vector({name: value for name, value in values.items() if name in joint.parameters})
    if pseudo.seed is None:
        data = asimov_data(joint, theta)
    else:
        data = toy_data(joint, theta, np.random.default_rng(np.random.SeedSequence(pseudo.seed)), 1).take(0)
    seen = {channel.name: channel for channel in observing(joint, data).channels}

    def filled(channel: Channel) -> Channel:
        return replace(channel, observed=seen[channel.name].observed, control=seen[channel.name].control)

    return replace(likelihood, build=lambda shape: tuple(filled(channel) for channel in likelihood.build(shape))), data
