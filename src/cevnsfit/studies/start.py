"""What to start from: a commented description of an experiment with small tables, a commented analysis file, and the schemas of both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, TypeAdapter, ValidationError

from cevnsfit.core.errors import CevnsfitError, UnknownNameError
from cevnsfit.core.paths import data_root
from cevnsfit.spec.analysis import AnalysisSpec
from cevnsfit.spec.catalog import experiment_names
from cevnsfit.spec.fields import Name
from cevnsfit.spec.schema import ExperimentSpec

if TYPE_CHECKING:
    from pathlib import Path

_FILES: Final = ("experiment.yaml", "counts.csv", "background.csv", "neutron_time.csv", "efficiency.csv")
_SCHEMAS: Final[dict[str, type[BaseModel]]] = {"analysis": AnalysisSpec, "experiment": ExperimentSpec}


def new_analysis(path: Path) -> Path:
    """Write an analysis file that runs as it stands, and return its path; CevnsfitError if there is something already."""
    if path.exists():
        message = f"{path} exists already; nothing is overwritten: choose another file"
        raise CevnsfitError(message)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((data_root() / "start" / "analysis.yaml").read_bytes())
    return path


def json_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of an analysis file ("analysis") or of experiment.yaml ("experiment")."""
    if kind not in _SCHEMAS:
        raise UnknownNameError("schema", kind, _SCHEMAS)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_SCHEMAS[kind].model_json_schema()}


def new_experiment(name: str, folder: Path) -> tuple[Path, ...]:
    """Write a description and tables that pass `cevnsfit experiments check`, and return their paths.

    Parameters
    ----------
    name
        Name of the experiment.
    folder
        Where to write; made where it is missing.

    Raises
    ------
    CevnsfitError
        If the name is not one an experiment can have, or is taken, or the folder has something in it already.
    """
    _check_name(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        message = f"{folder} exists already; nothing is overwritten: choose another folder with -o DIR"
        raise CevnsfitError(message)
    folder.mkdir(parents=True, exist_ok=True)
    for file in _FILES:
        text = (data_root() / "start" / "experiment" / file).read_text(encoding="utf-8")
        (folder / file).write_text(text.replace("name: NAME", f"name: {name}", 1), encoding="utf-8")
    return tuple(folder / file for file in _FILES)


def _check_name(name: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        message = f"'{name}' is no name for an experiment: a lower-case letter, then lower-case letters, digits, '-' and '_'"
        raise CevnsfitError(message) from None
    if name in experiment_names():
        message = f"there is an experiment '{name}' already (`cevnsfit experiments`); choose another name"
        raise CevnsfitError(message)
