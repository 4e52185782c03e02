"""Workspaces of pyhf, with their patches, as likelihoods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cevnsfit.core.documents import read_document
from cevnsfit.core.errors import CevnsfitError, ResultError
from cevnsfit.model.workspace import MALFORMED, likelihood_of
from cevnsfit.spec.workspaces import MAX_BYTES, quiet, validate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cevnsfit.stats.likelihood import Likelihood

    Spec = Mapping[str, Any]


def read_workspace(path: Path, patchset: Path | None = None, patch: str | None = None, measurement: str = "") -> Likelihood:
    """Return the likelihood of a workspace, which has no nonlinear parameters.

    Parameters
    ----------
    path
        The workspace. `FILE.metadata.json` beside it says which normfactors are monomials of couplings, where there are any.
    patchset, patch
        A patchset and the name of the patch to apply; the patchset must have been made for this workspace.
    measurement
        The measurement that is meant, where the workspace has several.

    Raises
    ------
    ResultError
        If a file is not readable, too large, not valid, or holds what has no counterpart here.
    """
    spec: Spec = read_document(path, MAX_BYTES)
    beside = path.with_name(f"{path.stem}.metadata.json")
    metadata = read_document(beside, MAX_BYTES) if beside.exists() else {}
    try:
        if patchset is not None:
            spec = _patched(spec, read_document(patchset, MAX_BYTES), patch)
        validate(dict(spec), "workspace")
        return likelihood_of(spec, metadata, measurement)
    except (*MALFORMED, CevnsfitError) as error:
        message = f"{path}: cannot be used as a workspace ({' '.join(str(error).split())[:300]})"
        raise ResultError(message) from None


def _patched(spec: Spec, patches: Spec, name: str | None) -> Spec:
    from jsonpatch import JsonPatchException, JsonPointerException
    from pyhf import PatchSet, exceptions

    refused = (exceptions.InvalidPatchSet, exceptions.InvalidPatchLookup, exceptions.PatchSetVerificationError)
    try:
        validate(dict(patches), "patchset")
        with quiet():
            found = PatchSet(patches)
            found.verify(spec)
            result: Spec = found.apply(spec, name)
    except (*refused, JsonPatchException, JsonPointerException) as error:
        message = f"patch {name}: {error}"
        raise ValueError(message) from None
    return result
