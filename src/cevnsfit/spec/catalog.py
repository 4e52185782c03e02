"""Which experiments exist: the shipped folders, those of plug-ins, and any folder by path."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cevnsfit.core.entries import given, plugins
from cevnsfit.core.errors import UnknownNameError
from cevnsfit.core.paths import data_root, is_there
from cevnsfit.core.version import distribution_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import EntryPoint

ENTRY_POINTS: Final = "cevnsfit.experiments"


def experiment_names() -> tuple[str, ...]:
    """Return the names of the shipped experiments and of those that installed plug-ins add, sorted; nothing is loaded."""
    return tuple(sorted({*_shipped(), *_plugins()}))


def _folder(found: Any) -> object:
    """Return the folder that a plug-in names; what it gives in the place of one as it is."""
    return Path(found) if isinstance(found, str | PathLike) else found


def _shipped() -> dict[str, Path]:
    return {path.parent.name: path.parent for path in (data_root() / "experiments").glob("*/experiment.yaml")}


def _plugins() -> dict[str, EntryPoint]:
    return plugins(ENTRY_POINTS)


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
    return tuple(name if name in known or not is_there(base / name) else str((base / name).resolve()) for name in names)


def resolve(name: str | Path) -> Path:
    """Return the folder of a shipped name, of one of a plug-in, or of a path.

    Raises
    ------
    UnknownNameError
        If none exists; the message lists the nearest names.
    CevnsfitError
        If the plug-in of this name is broken.
    """
    shipped, added = _shipped(), _plugins()
    if isinstance(name, str) and name in shipped:
        return shipped[name]
    if isinstance(name, str) and name in added:
        return given(added[name], Path, "the path of a folder", _folder)
    path = Path(name)
    if path.is_dir():
        return path
    if path.name == "experiment.yaml" and path.is_file():
        return path.parent
    raise UnknownNameError("experiment", str(name), {**shipped, **added})
