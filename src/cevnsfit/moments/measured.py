"""Measured and predicted moments of data/published/anomalous_magnetic_moments.yaml, and their deviations."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from cevnsfit.core.errors import CevnsfitError, UnknownNameError
from cevnsfit.core.paths import data_root
from cevnsfit.spec.yaml_source import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

MOMENTS: Final = "anomalous_magnetic_moments.yaml"

_MEASURED: Final[Mapping[str, str]] = {"e": "electron-2023", "mu": "muon-2025"}
_SYMBOLS: Final[Mapping[str, str]] = {"e": "e", "mu": "\\mu"}


class Moment(BaseModel):
    """A value of the anomalous magnetic moment a = (g - 2)/2 of a charged lepton, measured or predicted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    lepton: Literal["e", "mu"]
    title: str
    value: float
    error: float
    source: str


@dataclass(frozen=True, slots=True)
class Deviation:
    """A measured moment minus its prediction.

    Attributes
    ----------
    lepton
        "e" or "mu".
    measured, predicted
        Their names.
    value, error
        a_exp - a_theory, and both errors in quadrature.
    label
        What it is and where it comes from.
    """

    lepton: str
    measured: str
    predicted: str
    value: float
    error: float
    label: str = ""

    @property
    def title(self) -> str:
        """Return what it is, in short."""
        return f"$(g-2)_{_SYMBOLS[self.lepton]}$ within $2\\sigma$ (theory {self.predicted.partition('-')[2]})"

    def explains(self, contribution: NDArray[np.float64], sigmas: float) -> NDArray[np.bool_]:
        """Return where a contribution is within `sigmas` errors of the deviation; never for NaN."""
        return np.asarray(np.abs(contribution - self.value) <= sigmas * self.error)


def deviation(measured: str, predicted: str) -> Deviation:
    """Return the difference of two named moments.

    Raises
    ------
    UnknownNameError
        If there is no such moment.
    CevnsfitError
        If they are moments of different leptons.
    """
    seen, theory = moment("measurements", measured), moment("predictions", predicted)
    if seen.lepton != theory.lepton:
        message = f"'{measured}' is a moment of {seen.lepton}, '{predicted}' one of {theory.lepton}"
        raise CevnsfitError(message)
    name = predicted.removeprefix("muon-")
    label = f"$(g-2)_{_SYMBOLS[seen.lepton]}$ within $2\\sigma$: {_paper(seen)} - theory {name} ({_paper(theory)})"
    return Deviation(seen.lepton, measured, predicted, seen.value - theory.value, math.hypot(seen.error, theory.error), label)


def latest_deviation(name: str) -> Deviation | None:
    """Return the latest measurement minus a prediction, None for "none".

    Parameters
    ----------
    name
        "electron-cs-2018", "electron-rb-2020", "muon-2020" or "muon-2025"; the last two also as "2020" and "2025".

    Raises
    ------
    UnknownNameError
        If there is no such prediction.
    """
    if name == "none":
        return None
    known = {known.removeprefix("muon-"): known for known in moments("predictions")}
    known |= {full: full for full in known.values()}
    if name not in known:
        kind = "prediction of (g - 2)/2"
        raise UnknownNameError(kind, name, (*known, "none"))
    return deviation(_MEASURED[moment("predictions", known[name]).lepton], known[name])


def _paper(moment: Moment) -> str:
    """Return the arXiv number of a moment, else its whole source."""
    return f"arXiv:{moment.source.rpartition('arXiv:')[2]}" if "arXiv:" in moment.source else moment.source


def moment(section: str, name: str) -> Moment:
    """Return one of the "measurements" or of the "predictions" of the Standard Model; UnknownNameError lists the near matches."""
    found = moments(section)
    if name not in found:
        kind = section.removesuffix("s")
        raise UnknownNameError(kind, name, found)
    return found[name]


@functools.cache
def moments(section: str) -> Mapping[str, Moment]:
    """Return the anomalous magnetic moments of a section by name, read once in each process."""
    source = read_yaml(data_root() / "published" / MOMENTS)
    return {entry["id"]: Moment.model_validate(dict(entry)) for entry in source.data[section]}
