"""What the numbers of a stored result depend on."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.paths import data_root
from cevnsfit.core.version import installed_version
from cevnsfit.io.description import LIKELIHOOD
from cevnsfit.physics.interactions import model_distribution
from cevnsfit.spec.catalog import experiment_distribution
from cevnsfit.stats.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.stats.likelihood import Likelihood


_SHARED: Final = ("nuclei", "sources")
"""Folders of the shipped data that every experiment shares."""


def origin_of(likelihood: Likelihood) -> Analysis:
    """Return what a likelihood was built from; CevnsfitError for one that was built by hand."""
    if likelihood.origin is None:
        message = "a store says what its numbers were made from, and this likelihood does not know: build it with build_likelihood"
        raise CevnsfitError(message)
    return likelihood.origin


def made_from(likelihoods: Mapping[str, Likelihood], points: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Return digests of all files, plug-ins with their versions, the version of cevnsfit, and fingerprints of the likelihoods.

    Parameters
    ----------
    likelihoods
        The likelihoods by label.
    points
        Values, held or scanned, at which their templates are looked at too.

    Raises
    ------
    CevnsfitError
        If a likelihood was built by hand.
    """
    return {
        "inputs": {name: dict(digests) for likelihood in likelihoods.values() for name, digests in likelihood.inputs.items()},
        "shared": {f"{name}/{file.name}": _digest(file) for name in _SHARED for file in sorted((data_root() / name).iterdir())},
        "plugins": _plugins([origin_of(likelihood) for likelihood in likelihoods.values()]),
        "version": installed_version(),
        LIKELIHOOD: {label: fingerprint(likelihood, points) for label, likelihood in likelihoods.items()},
    }


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _plugins(analyses: Sequence[Analysis]) -> dict[str, str]:
    """Return the distribution and version of each model and experiment that a plug-in adds."""
    models = {analysis.model: model_distribution(analysis.model) for analysis in analyses}
    experiments = {name: experiment_distribution(name) for analysis in analyses for name in analysis.experiments}
    return {name: found for name, found in {**experiments, **models}.items() if found}
