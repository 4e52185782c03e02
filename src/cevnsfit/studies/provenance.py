"""Where results come from: what is stored with them, and what they say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cevnsfit.core.documents import plain, read_document
from cevnsfit.core.errors import ResultError
from cevnsfit.core.version import installed_version, package_versions
from cevnsfit.io.description import LIKELIHOOD
from cevnsfit.io.layouts import SCAN, TOYS, labels_of, read_scan, read_toys
from cevnsfit.io.store import store_exists
from cevnsfit.spec.load import load_experiment
from cevnsfit.studies.setup import load_experiments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.io.store import Store

_DOCUMENTS: Final = ("forecast.json", "whatif.json")


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
        "version": installed_version(),
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
    message = f"{path}: says nothing of its origin"
    raise ResultError(message)


def _of_folder(path: Path) -> dict[str, Any]:
    if store_exists(path, SCAN):
        scan = read_scan(path)
        return {"kind": "scan", "planes": list(labels_of(scan)), **_shown(scan)}
    if store_exists(path, TOYS):
        return {"kind": "toys", **_shown(read_toys(path))}
    for name in _DOCUMENTS:
        if (path / name).is_file():
            return stored_provenance(path / name)
    message = f"{path}: no result here (there is no {SCAN}.zarr, {TOYS}.zarr, {', '.join(_DOCUMENTS)})"
    raise ResultError(message)


def _shown(store: Store) -> dict[str, Any]:
    """Return the description of a store without the fingerprints of its likelihoods, which are for comparisons."""
    return {**{key: value for key, value in store.analysis.items() if key != LIKELIHOOD}, "packages": dict(store.packages)}


def section(values: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Return the object under nested keys of a document, empty where there is none."""
    found: Any = values
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def companion(path: Path, kind: str) -> Path:
    """Return the file of one kind ("metadata", "patchset") beside an exported likelihood."""
    return path.with_name(f"{path.stem}.{kind}.json")
