"""Packages that are installed with an extra."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cevnsfit.core.errors import CevnsfitError

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator


def optional(package: str, extra: str) -> Any:
    """Return a package that comes with an extra; CevnsfitError with the command that installs it where it is missing."""
    try:
        return import_module(package)
    except ImportError:
        message = f"the package {package} is missing: pip install 'cevnsfit[{extra}]'"
        raise CevnsfitError(message) from None


@contextmanager
def warnings_logged(log: logging.Logger) -> Iterator[None]:
    """Log what a package warns of, each text once, where it would print it."""
    with warnings.catch_warnings(record=True) as found:
        yield
    for text in dict.fromkeys(f"{one.category.__name__}: {one.message}" for one in found):
        log.warning("%s", text)
