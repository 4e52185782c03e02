"""Asimov data and pseudo-experiments in the place of observed data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cevnsfit.core.errors import DomainError

if TYPE_CHECKING:
    from collections.abc import Mapping


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
