"""The version of the installed package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

UNKNOWN: Final = "0+unknown"
"""Version of a source tree that is not installed."""


def installed_version() -> str:
    """Return the version of the installed distribution, or `UNKNOWN` in a source tree that is not installed."""
    try:
        return version("cevnsfit")
    except PackageNotFoundError:
        return UNKNOWN
