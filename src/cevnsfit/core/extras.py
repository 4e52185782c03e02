"""Packages that are installed with an extra."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cevnsfit.core.errors import CevnsfitError


def optional(package: str, extra: str) -> Any:
    """Return a package that comes with an extra; CevnsfitError with the command that installs it where it is missing."""
    try:
        return import_module(package)
    except ImportError:
        message = f"the package {package} is missing: pip install 'cevnsfit[{extra}]'"
        raise CevnsfitError(message) from None
