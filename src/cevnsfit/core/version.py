"""The version of cevnsfit, and those of the packages that make its numbers."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

VERSION = "0.1.0"
"""Version of this code, kept here only: the build reads this line."""
UNKNOWN: Final = "0+unknown"
"""Version of a plug-in that belongs to no distribution."""
PACKAGES: Final = ("numpy", "scipy", "iminuit", "pyhf", "uproot", "contourpy")


def package_versions() -> dict[str, str]:
    """Return the versions of cevnsfit and of the packages that make the numbers."""
    found = {"cevnsfit": VERSION}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def distribution_of(entry: EntryPoint | None) -> str:
    """Return the name and the version of the distribution that an entry point belongs to; an empty text for what is shipped (None)."""
    if entry is None:
        return ""
    try:
        about = None if entry.dist is None else entry.dist.metadata
    except Exception:  # noqa: BLE001 (a package without metadata is no package to some versions of importlib)
        about = None
    return UNKNOWN if not about or "Name" not in about else f"{about['Name']} {about['Version']}"
