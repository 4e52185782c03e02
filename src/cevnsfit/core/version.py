"""The version of the installed package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """Return the version of the installed distribution, or "0+unknown" in a source tree that is not installed."""
    try:
        return version("cevnsfit")
    except PackageNotFoundError:
        return "0+unknown"
