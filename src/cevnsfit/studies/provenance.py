"""Where results come from: what the numbers of a stored one depend on, what is stored with them, and what they say of it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from cevnsfit.core.documents import plain, read_document
from cevnsfit.core.errors import CevnsfitError, ResultError
from cevnsfit.core.paths import data_root
from cevnsfit.core.version import VERSION, package_versions
from cevnsfit.io.description import LIKELIHOOD
from cevnsfit.io.layouts import POSTERIOR, SCAN, SUSY, TOYS, labels_of, read_points, read_posterior, read_scan, read_toys
from cevnsfit.io.store import store_exists
from cevnsfit.physics.interactions import model_distribution
from cevnsfit.spec.catalog import experiment_distribution
from cevnsfit.spec.load import load_experiment
from cevnsfit.stats.fingerprint import fingerprint
from cevnsfit.studies.setup import load_experiments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.io.store import Store
    from cevnsfit.stats.likelihood import Likelihood

_DOCUMENTS: Final = ("forecast.json", "whatif.json")


_SHARED: Final = ("nuclei", "sources", "spectra")
"""Folders of the shipped data that every experiment shares."""


def origin_of(likelihood: Likelihood) -> Analysis:
    """Return what a likelihood was built from; CevnsfitError for one that was built by hand."""
    if likelihood.origin is None:
        message = "a store records what its numbers were made from, which this likelihood does not know: build it with build_likelihood"
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
        "version": VERSION,
        LIKELIHOOD: {label: fingerprint(likelihood, points) for label, likelihood in likelihoods.items()},
    }


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _plugins(analyses: Sequence[Analysis]) -> dict[str, str]:
    """Return the distribution and version of each model and experiment that a plug-in adds."""
    models = {analysis.model: model_distribution(analysis.model) for analysis in analyses}
    experiments = {name: experiment_distribution(name) for analysis in analyses for name in analysis.experiments}
    return {name: found for name, found in {**experiments, **models}.items() if found}


def provenance(analysis: Analysis, *, seed: int | None = None, existing: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a result is stored with: the analysis, digests of all inputs, the seed, versions.

    Parameters
    ----------
    analysis
        The analysis.
    seed
        Seed of the pseudo-experiments, if there are any.
    existing
        Further experiments, without the changes of the analysis.
    """
    experiments = (*load_experiments(analysis), *(load_experiment(name) for name in existing))
    return {
        **plain(analysis),
        **({"existing": list(existing)} if existing else {}),
        **({} if seed is None else {"seed": seed}),
        "inputs": {experiment.name: dict(experiment.digests) for experiment in experiments},
        "version": VERSION,
        "packages": package_versions(),
    }


def stored_provenance(path: Path) -> dict[str, Any]:
    """Return what a folder of results, or a document of a result, of limits or of a likelihood, says of its origin.

    Raises
    ------
    ResultError
        If it cannot be read.
    """
    if path.is_dir():
        return _of_folder(path)
    values = read_document(path)
    if section(values, "provenance"):
        return {"kind": "result", **section(values, "provenance")}
    beside = companion(path, "metadata")
    if section(values, "misc", "cevnsfit"):
        return {"kind": "HS3 likelihood", **section(values, "misc", "cevnsfit")}
    if "metadata" in values and isinstance(values["metadata"], dict):
        return {"kind": str(values.get("schema", "pyhf patchset")), **values["metadata"]}
    if "channels" in values and beside.exists():
        return {"kind": "pyhf workspace", **read_document(beside)}
    message = f"{path}: does not say where it comes from"
    raise ResultError(message)


def _of_folder(path: Path) -> dict[str, Any]:
    if store_exists(path, SCAN):
        scan = read_scan(path)
        return {"kind": "scan", "planes": list(labels_of(scan)), **_shown(scan)}
    if store_exists(path, TOYS):
        return {"kind": "toys", **_shown(read_toys(path))}
    if store_exists(path, POSTERIOR):
        return {"kind": "posterior", **_shown(read_posterior(path))}
    if store_exists(path, SUSY):
        return {"kind": "susy", **_shown(read_points(path))}
    for name in _DOCUMENTS:
        if (path / name).is_file():
            return stored_provenance(path / name)
    message = f"{path}: no result here (there is no {SCAN}.zarr, {TOYS}.zarr, {', '.join(_DOCUMENTS)})"
    raise ResultError(message)


def _shown(store: Store) -> dict[str, Any]:
    """Return the description of a store without the fingerprints of its likelihoods, which are for comparisons."""
    return {**{key: value for key, value in store.analysis.items() if key != LIKELIHOOD}, "packages": store.made_with}


def section(values: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Return the object under nested keys of a document, empty where there is none."""
    found: Any = values
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def companion(path: Path, kind: str) -> Path:
    """Return the file of one kind ("metadata", "patchset") beside an exported likelihood."""
    return path.with_name(f"{path.stem}.{kind}.json")
