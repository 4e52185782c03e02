"""What the numbers of a stored result depend on."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from cevnsfit.core.paths import data_root
from cevnsfit.core.version import installed_version
from cevnsfit.io.description import LIKELIHOOD
from cevnsfit.physics.interactions import model_distribution
from cevnsfit.spec.catalog import experiment_distribution
from cevnsfit.stats.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.spec.load import Experiment
    from cevnsfit.stats.likelihood import Likelihood


def made_from(
    analyses: Sequence[Analysis],
    experiments: Iterable[Experiment],
    likelihoods: Mapping[str, Likelihood],
    points: Sequence[Mapping[str, float]],
) -> dict[str, Any]:
    """Return digests of all files, plug-ins with their versions, the version of cevnsfit, and fingerprints of the likelihoods.

    Parameters
    ----------
    analyses
        What is fitted.
    experiments
        All experiments of the analyses.
    likelihoods
        The likelihoods by label.
    points
        Values, held or scanned, at which their templates are looked at too.
    """
    loaded = tuple(experiments)
    shared = sorted({"nuclei", *(folder for experiment in loaded for folder in experiment.spec.source.folders)})
    return {
        "inputs": {experiment.name: dict(experiment.digests) for experiment in loaded},
        "shared": {f"{name}/{file.name}": _digest(file) for name in shared for file in sorted((data_root() / name).iterdir())},
        "plugins": _plugins(analyses),
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
