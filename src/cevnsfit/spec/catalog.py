"""Which experiments exist: the shipped folders, those of plug-ins, and any folder by path."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cevnsfit.core.errors import UnknownNameError
from cevnsfit.core.paths import data_root
from cevnsfit.core.version import distribution_of

if TYPE_CHECKING:
    from collections.abc import Iterable

ENTRY_POINTS: Final = "cevnsfit.experiments"


def experiment_names() -> tuple[str, ...]:
    """Return the names of the shipped experiments and of those that installed plug-ins add, sorted."""
    return tuple(sorted(_folders()))


def _folders() -> dict[str, Path]:
    added = {name: Path(str(entry.load())) for name, entry in _plugins().items()}
    return {**added, **_shipped()}


def _shipped() -> dict[str, Path]:
    return {path.parent.name: path.parent for path in (data_root() / "experiments").glob("*/experiment.yaml")}


def _plugins() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


def experiment_distribution(name: str) -> str:
    """Return the distribution and its version that an experiment of a plug-in comes from; an empty text for a shipped one and for a folder."""
    return "" if name in _shipped() else distribution_of(_plugins().get(name))


def located(names: Iterable[str], beside: Path | None = None) -> tuple[str, ...]:
    """Return experiments; folders become absolute, so that a stored result finds them from anywhere.

    Parameters
    ----------
    names
        Shipped names, or folders.
    beside
        The folder in which those of experiments lie, by default the current one.
    """
    known, base = experiment_names(), Path() if beside is None else beside
    return tuple(name if name in known or not (base / name).exists() else str((base / name).resolve()) for name in names)


def resolve(name: str | Path) -> Path:
    """Return the folder of a shipped name or of a path.

    Raises
    ------
    UnknownNameError
        If neither exists; the message lists the nearest names.
    """
    folders = _folders()
    if isinstance(name, str) and name in folders:
        return folders[name]
    path = Path(name)
    if path.is_dir():
        return path
    if path.name == "experiment.yaml" and path.is_file():
        return path.parent
    raise UnknownNameError("experiment", str(name), folders)
