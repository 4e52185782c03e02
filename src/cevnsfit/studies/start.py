"""What to start from: a commented description of an experiment with small tables, a commented analysis file, and the schemas of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter, ValidationError

from cevnsfit.core.errors import CevnsfitError, UnknownNameError
from cevnsfit.core.paths import data_root
from cevnsfit.spec.analysis import AnalysisSpec
from cevnsfit.spec.catalog import experiment_names
from cevnsfit.spec.fields import Name
from cevnsfit.spec.schema import ExperimentSpec

LIKE: Final = ("germanium", "counting", "csi", "lar", "reactor", "response-matrix")
"""What a new experiment can be like, the default first: folders of data/start."""
_SCHEMAS: Final[dict[str, type[BaseModel]]] = {"analysis": AnalysisSpec, "experiment": ExperimentSpec}


def new_analysis(path: Path) -> Path:
    """Write an analysis file that runs as it is, and return its path; CevnsfitError if there is something already."""
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


def new_experiment(name: str, folder: Path | None = None, *, like: str = LIKE[0]) -> tuple[Path, ...]:
    """Write a description and tables that pass `cevnsfit experiments check`, and return their paths.

    Parameters
    ----------
    name
        Name of the experiment.
    folder
        Folder to write into, created if it does not exist; by default a folder of this name in the current one.
    like
        "germanium", "counting" (one bin), "csi", "lar", "reactor" or "response-matrix".

    Raises
    ------
    CevnsfitError
        If there is no such kind, the name is not valid or is taken, or the folder is not empty.
    """
    _check_name(name)
    if like not in LIKE:
        kind = "kind of experiment"
        raise UnknownNameError(kind, like, LIKE)
    folder = Path(name) if folder is None else Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        message = f"{folder} exists already; nothing is overwritten: choose another folder with -o DIR"
        raise CevnsfitError(message)
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted((data_root() / "start" / like).iterdir(), key=lambda file: (file.suffix != ".yaml", file.name))
    for file in files:
        text = file.read_text(encoding="utf-8").replace("name: NAME", f"name: {name}", 1)
        (folder / file.name).write_text(text, encoding="utf-8")
    return tuple(folder / file.name for file in files)


def _check_name(name: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        message = f"'{name}' is not a valid name for an experiment: use a lower-case letter, then lower-case letters, digits, '-' and '_'"
        raise CevnsfitError(message) from None
    if name in experiment_names():
        message = f"there is an experiment '{name}' already (`cevnsfit experiments`); choose another name"
        raise CevnsfitError(message)
