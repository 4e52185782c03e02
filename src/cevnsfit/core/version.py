"""The version of cevnsfit, and those of the packages that make its numbers."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import EntryPoint

VERSION = "0.1.0"
"""Version of this code, kept here only: the build reads this line."""
UNKNOWN: Final = "0+unknown"
"""Version of a plug-in that belongs to no distribution."""
PACKAGES: Final = (
    *("numpy", "scipy", "iminuit", "pyhf", "uproot", "contourpy", "zarr", "pint", "pydantic", "ruamel.yaml", "jsonpatch"),
    *("emcee", "dynesty", "arviz-stats"),
)
"""Packages that make, read or keep numbers; the last ones are extras."""


def package_versions() -> dict[str, str]:
    """Return the versions of cevnsfit, of Python, of the packages that make the numbers, and of the BLAS that they have loaded."""
    import scipy.linalg  # noqa: F401 (its BLAS may be another one than that of numpy)
    from threadpoolctl import threadpool_info

    found = {"cevnsfit": VERSION, "python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    blas = {f"{library['internal_api']} {library['version']}" for library in threadpool_info() if library["user_api"] == "blas"}
    return {**found, "BLAS": ", ".join(sorted(blas))}


def other_versions(known: Mapping[str, str], here: Mapping[str, str]) -> str:
    """Return of which packages there are other versions, in words; empty for none.

    A package that one side does not have makes no numbers there; of libraries of BLAS, of which a process may load more, one in common is enough.
    """
    different = (name for name in known if name in here and not {*known[name].split(", ")} & {*here[name].split(", ")})
    return ", ".join(f"{name} {known[name]} and {here[name]}" for name in different)


def distribution_of(entry: EntryPoint | None) -> str:
    """Return the distribution of an entry point, its version, and a digest of its code; an empty text for what is shipped (None)."""
    if entry is None:
        return ""
    try:
        about = None if entry.dist is None else entry.dist.metadata
    except Exception:  # noqa: BLE001 (a package without metadata is no package to some versions of importlib)
        about = None
    name = UNKNOWN if not about or "Name" not in about else f"{about['Name']} {about['Version']}"
    return f"{name}{_code(entry)}"


def _code(entry: EntryPoint) -> str:
    """Return " (code DIGITS)", the first of a digest of all Python files of the package or module of an entry point, empty where there are none."""
    try:
        found = importlib.util.find_spec(entry.module.partition(".")[0])
    except (AttributeError, AssertionError, ValueError):  # what it names is no module
        found = None
    origin = [] if found is None or found.origin is None else [Path(found.origin)]
    folders = [] if found is None or found.submodule_search_locations is None else map(Path, found.submodule_search_locations)
    files = {*(file for file in origin if file.is_file()), *(file for folder in folders for file in folder.rglob("*.py"))}
    digest = hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in sorted(files)))
    return f" (code {digest.hexdigest()[:12]})" if files else ""
