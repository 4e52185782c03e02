"""What one cites: the releases of experiments, the papers of a model, and the programs that made the numbers."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, metadata
from typing import TYPE_CHECKING, Final

from cevnsfit.core.errors import KindError
from cevnsfit.core.version import VERSION
from cevnsfit.io.exports.bibtex import Entry, entries
from cevnsfit.spec.load import load_experiment
from cevnsfit.studies.setup import check_model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MINIMISER: Final = (
    "H. Dembinski, P. Ongmongkolkul et al., doi:10.5281/zenodo.3949207 (iminuit)",
    "F. James and M. Roos, Comput. Phys. Commun. 10, 343 (1975), doi:10.1016/0010-4655(75)90039-9",
)
"""References for iminuit, as its documentation asks, and for MINUIT."""

METHODS: Final = {
    "feldman-cousins": "G. J. Feldman and R. D. Cousins, Phys. Rev. D 57, 3873 (1998), arXiv:physics/9711021",
    "emcee": "D. Foreman-Mackey et al., Publ. Astron. Soc. Pac. 125, 306 (2013), arXiv:1202.3665",
    "nested": "J. S. Speagle, Mon. Not. R. Astron. Soc. 493, 3132 (2020), arXiv:1904.02180",
}
"""Reference for each method, by its name in results."""


def cited(experiments: Sequence[str | Path], model: str = "", methods: Sequence[str] = ()) -> tuple[Entry, ...]:
    """Return an entry for everything that a result was made with: this program, releases, the model, methods, iminuit.

    Parameters
    ----------
    experiments
        Shipped experiments, or folders.
    model
        The signal model; empty for none.
    methods
        Names of `METHODS`; others have no reference of their own.

    Raises
    ------
    UnknownNameError
        If there is no such experiment or model.
    SpecError
        If a folder is malformed.
    """
    physics = check_model(model) if model else None
    papers = [reference for name in experiments for reference in load_experiment(name).spec.references]
    papers += [] if physics is None else physics.references
    found = entries([*papers, *(METHODS[name] for name in methods if name in METHODS), *MINIMISER])
    return (_program(), *found)


def _program() -> Entry:
    """Return the entry of this program."""
    try:
        about = metadata("cevnsfit")
        fields = {"author": about["Author"], "title": f"cevnsfit: {about['Summary']}"}
    except PackageNotFoundError:
        fields = {"title": "cevnsfit"}
    return Entry("cevnsfit", "misc", {**fields, "note": f"version {VERSION}"})


def write_citations(what: object, path: Path) -> tuple[Path, ...]:
    """Write what one cites with a likelihood, or with a result that has one, as BibTeX, and return the path.

    Raises
    ------
    KindError
        If it is not known what it was made from.
    """
    likelihood = getattr(what, "likelihood", what)
    origin = getattr(likelihood, "origin", None)
    if origin is None:
        message = f"a likelihood that build_likelihood returned, or a scan of one, has citations, not a {type(what).__name__}"
        raise KindError(message)
    return (write_entries(path, cited(origin.experiments, origin.model)),)


def write_entries(path: Path, several: Sequence[Entry]) -> Path:
    """Write entries, make the folder where it is missing, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(str, several)), encoding="utf-8", newline="\n")
    return path
