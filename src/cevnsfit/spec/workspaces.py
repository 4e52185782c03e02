"""pyhf workspaces as plain values, checked with pyhf's own schemas."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from cevnsfit.core.documents import read_document
from cevnsfit.core.errors import CevnsfitError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Spec = dict[str, Any]

MAX_BYTES: Final = 200_000_000


def read_pyhf(path: Path, kind: str = "workspace") -> Spec:
    """Return a document of pyhf that its schema accepts.

    Raises
    ------
    CevnsfitError
        If the file is missing, too large, not JSON, or not a document of this kind ("workspace" or "patchset").
    """
    spec = read_document(path, MAX_BYTES)
    validate(spec, kind)
    return spec


def validate(spec: Spec, kind: str) -> None:
    """Raise CevnsfitError unless pyhf's schema `kind` ("workspace" or "patchset") accepts the document."""
    from pyhf import schema
    from pyhf.exceptions import InvalidSpecification

    try:
        with quiet():
            schema.validate(spec, f"{kind}.json")
    except InvalidSpecification as error:
        message = f"not a {kind} of pyhf: {' '.join(str(error).split())[:300]}"
        raise CevnsfitError(message) from None


@contextmanager
def quiet() -> Iterator[None]:
    """Ignore the deprecation warnings of the packages that pyhf calls to validate a document."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
