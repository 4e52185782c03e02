"""Exports of scans and likelihoods: with everything that one must know to use them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.documents import plain, read_document, write_document
from cevnsfit.core.errors import CevnsfitError, KindError, ResultError, UnknownNameError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.core.version import package_versions
from cevnsfit.infer.critical import CriticalValues
from cevnsfit.infer.intervals import METHOD, levels_at
from cevnsfit.io.exports import darkcast, hepdata, netcdf, root, text
from cevnsfit.io.exports.hs3 import write_hs3
from cevnsfit.io.exports.limits import Limits
from cevnsfit.io.exports.simplified import write_simplified
from cevnsfit.io.exports.slha import write_slha
from cevnsfit.io.tables import write_table
from cevnsfit.stats.likelihood import Likelihood
from cevnsfit.studies.citations import write_citations
from cevnsfit.studies.critical_values import table_of
from cevnsfit.studies.exclusion import regions_of
from cevnsfit.studies.export_likelihood import RECORD, about_model, hs3, simplified, workspaces, write_workspaces
from cevnsfit.studies.frozen import Frozen
from cevnsfit.studies.html_report import write_report
from cevnsfit.studies.provenance import companion, section
from cevnsfit.studies.scan import Scan, ends_of
from cevnsfit.studies.susy import SusyScan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike

    from cevnsfit.infer.intervals import Level

    Writer = Callable[[Limits, Path], tuple[Path, ...]]
    Held = Mapping[str, float] | None
    Grids = Mapping[str, ArrayLike] | None


def writers() -> dict[str, Writer]:
    """Return the writers of limits by format."""
    return {
        "csv": text.write_csv,
        "json": text.write_json,
        "hepdata": hepdata.write_hepdata,
        "root": root.write_root,
        "darkcast": darkcast.write_darkcast,
        "netcdf": netcdf.write_netcdf,
    }


OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("csv", "json", "root", "darkcast", "netcdf"), ("cl", "dof")),
    "hepdata": ("cl", "dof", "attach"),
    "pyhf": ("at", "grid", "record"),
    "hs3": ("at",),
    "simplified": ("at", "grid"),
    "slha": ("point",),
    "bibtex": (),
    "report": (),
}
"""What each format takes."""

_GENERAL: Final = {"bibtex": write_citations, "report": write_report}
"""Writers of anything."""

_MASSES: Final = (1.0, 1000.0)


@on_one_thread
def export(  # noqa: PLR0913 (each format takes some of them)
    what: object,
    kind: str,
    path: str | Path,
    *,
    cl: float | Sequence[float] | None = None,
    dof: int | None = None,
    attach: Sequence[str | Path] | None = None,
    at: Held = None,
    grid: Grids = None,
    record: str | None = None,
    point: int | None = None,
) -> tuple[Path, ...]:
    """Write the limits of scans, a likelihood, or a point of superpartners in a format of other tools, and return the files.

    Parameters
    ----------
    what
        A scan, several over the same axes, or limits that `io.exports.text.read_json` returns; or a likelihood; or a scan of superpartners; or critical values.
        "report" takes all that has a table, and a folder of results; "bibtex" a likelihood or a scan.
    kind
        For limits "csv", "json", "hepdata", "root", "darkcast" or "netcdf", for a likelihood "pyhf", "hs3" or "simplified", for superpartners "slha"; for all
        "bibtex" and "report"; see docs/formats.md.
    path
        The file; a folder for "hepdata" and "darkcast". That of a likelihood ends in .json, or is a folder.
    cl, dof
        Confidence levels, 0.90 and 0.95 by default, and degrees of freedom of their thresholds, 2 by default.
    attach
        Exported likelihoods that go into a HEPData submission; they must have the same inputs.
    at
        Held parameters of a likelihood: its nonlinear ones, and couplings or nuisances that are to be fixed.
    grid
        pyhf: one nonlinear parameter and its values, for a patchset; simplified: {"mass": (smallest, largest)}, 1 to 1000 MeV by default.
    record
        INSPIRE identifier of the paper, for a patchset.
    point
        slha: which of the kept points, from 0.

    Raises
    ------
    CevnsfitError
        If there is no such format of `what`, or it does not take an option.
    ResultError
        If an attached likelihood was made from other inputs.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> likelihood = cf.build_likelihood("coherent-lar-2020", model="lmu-ltau")
    >>> cf.export(likelihood, "pyhf", "likelihood.json", at={"mass": 20.0})  # doctest: +SKIP
    >>> cf.export(cf.open("out/"), "hepdata", "submission", cl=[0.90, 0.95])  # doctest: +SKIP
    """
    general = kind in _GENERAL
    if isinstance(what, CriticalValues) and not general:
        return _write_map(what, kind, Path(path), [cl, dof, attach, at, grid, record, point])
    scans = () if general or isinstance(what, Likelihood | Limits | SusyScan) else _scans(what)
    options = {"cl": cl, "dof": dof, "attach": attach, "at": at, "grid": grid, "record": record, "point": point}
    _check(what, kind, [name for name, value in options.items() if value is not None])
    place = Path(path)
    if general:
        return _GENERAL[kind](what, place)
    if isinstance(what, SusyScan):
        return _write_point(what, place, point)
    if isinstance(what, Likelihood):
        return _write_likelihood(what, kind, place, at, grid, record)
    limits = what if isinstance(what, Limits) else limits_of(scans, levels_at(cl, 2 if dof is None else dof))
    return _write_limits(limits, kind, place, [Path(file) for file in (attach if attach else ())])


def _write_map(what: CriticalValues, kind: str, path: Path, options: Sequence[object]) -> tuple[Path, ...]:
    """Write a map of critical values."""
    if kind not in {"csv", "json", "hepdata"} or any(option is not None for option in options):
        message = f"critical values can be exported as csv, json or hepdata, without options, not as {kind}"
        raise CevnsfitError(message)
    table = table_of(what)
    if kind == "hepdata":
        return hepdata.write_hepdata_table("Critical values", table, path, independent=len(what.axes))
    if kind == "json":
        return (write_document(path, what.to_dict()),)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(path, table.comments, table.columns)
    return (path,)


def _scans(what: object) -> tuple[Scan, ...]:
    found = tuple(what) if isinstance(what, Iterable) and not isinstance(what, Scan) else (what,)
    odd = [type(one).__name__ for one in found if not isinstance(one, Scan)]
    if odd:
        message = f"scans (all over the same axes) and likelihoods can be exported, not a {odd[0]}"
        raise KindError(message)
    return found


def _check(what: object, kind: str, options: Sequence[str]) -> None:
    """Raise CevnsfitError unless a kind is a format of what is exported and takes the options."""
    family = "superpartners" if isinstance(what, SusyScan) else "likelihoods" if isinstance(what, Likelihood) else "limits"
    known = [name for name in OPTIONS if _family(name) in {family, "results"}]
    if kind not in OPTIONS:
        name = "format"
        raise UnknownNameError(name, kind, known)
    if kind not in known:
        message = f"{kind} is a format of {_family(kind)}; here it is one of {', '.join(known)}"
        raise CevnsfitError(message)
    taken = [name for name in OPTIONS[kind] if not isinstance(what, Limits) or name == "attach"]
    unknown = [name for name in options if name not in taken]
    if unknown:
        made = " of limits that were exported already" if isinstance(what, Limits) else ""
        message = f"{kind}{made} takes no {', '.join(unknown)} (it takes {', '.join(taken) if taken else 'no options'})"
        raise CevnsfitError(message)


def _family(kind: str) -> str:
    """Return what a format is for."""
    return "limits" if kind in writers() else "superpartners" if kind == "slha" else "results" if kind in _GENERAL else "likelihoods"


def _write_point(scan: SusyScan, path: Path, point: int | None) -> tuple[Path, ...]:
    if point is None or not 0 <= point < scan.kept:
        message = f"slha needs one of the {scan.kept} kept points, from 0, as its point, got {point}"
        raise CevnsfitError(message)
    return (write_slha(path, scan.columns, point),)


def _write_limits(limits: Limits, kind: str, path: Path, attach: Sequence[Path]) -> tuple[Path, ...]:
    for file in attach:
        require_same_inputs(limits.metadata["inputs"], attached_inputs(file), str(file))
    path.parent.mkdir(parents=True, exist_ok=True)
    return hepdata.write_hepdata(limits, path, attach) if attach else writers()[kind](limits, path)


def _write_likelihood(likelihood: Likelihood, kind: str, path: Path, at: Held, grid: Grids, record: str | None) -> tuple[Path, ...]:
    if kind == "pyhf":
        return write_workspaces(workspaces(likelihood, at=at, grid=grid, record=RECORD if record is None else record), path)
    file = path if path.suffix == ".json" else path / f"{kind}.json"
    if kind == "hs3":
        return write_hs3(hs3(likelihood, at=at), file)
    if grid and set(grid) != {"mass"}:
        message = f"a simplified likelihood takes --grid mass=START:STOP:COUNT only, got {', '.join(grid)}"
        raise CevnsfitError(message)
    ends = np.asarray(grid["mass"], dtype=np.float64) if grid else _MASSES
    return write_simplified(simplified(likelihood, (float(ends[0]), float(ends[-1])), at=at), file)


def limits_of(scans: Sequence[Scan], levels: Sequence[Level]) -> Limits:
    """Return the limits of scans over the same axes at each confidence level, with everything that one must know to use them.

    Raises
    ------
    ResultError
        If there are none, or their models, grids or held parameters differ.
    """
    results = regions_of(scans, levels)
    limits = Limits(tuple((entry.plane, entry.regions) for entry in results), {})
    first = scans[0]
    if any(scan.grid.at != first.grid.at for scan in scans):
        message = "the scans hold different parameters; export them separately"
        raise ResultError(message)
    about = ("label", "experiments", "caveat", "reference_nll2", "fallbacks", "best_fit", "doubtful_points")
    inputs = {name: files for scan in scans for name, files in scan.likelihood.inputs.items()}
    known = {} if first.likelihood.origin is None else plain(first.likelihood.origin)
    options = ("overrides", "signal_systematics", "allow_overlap", "electrons", "constraints", "correlations")
    metadata = {
        **about_model(first.about.model, first.grid.at),
        "method": f"{METHOD}; branches are every boundary between allowed and excluded",
        "confidence": [{"cl": r.cl, "dof": r.dof, "threshold": r.threshold} for r in results[0].regions],
        "planes": [{key: values[key] for key in about} for values in map(plain, results)],
        "grid": dict(sorted(ends_of(scans[-1].grid.axes).items())),
        "options": {key: known[key] for key in options if key in known},
        "inputs": {name: dict(sorted(inputs[name].items())) for name in sorted(inputs)},
        "version": first.made_with["cevnsfit"],
        "made_with": dict(first.made_with),
        "exported_with": package_versions(),
    }
    return replace(limits, metadata=metadata)


def attached_inputs(file: Path) -> dict[str, Any]:
    """Return the digests of the inputs of an exported likelihood, from the file itself or the `.metadata.json` beside it."""
    found = _said(file, "inputs")
    if not isinstance(found, dict):
        message = f"{file}: does not say which inputs it was made from"
        raise ResultError(message)
    return found


def frozen_in(file: Path) -> Frozen | None:
    """Return the parameters that are frozen in an exported likelihood, None without any."""
    found = _said(file, "frozen")
    return None if found is None else Frozen(**found)


def _said(file: Path, key: str) -> Any:
    """Return what the metadata of an exported likelihood say of something, None if nothing."""
    beside = companion(file, "metadata")
    values = read_document(beside if beside.exists() else file)
    sections = (values, section(values, "metadata"), section(values, "misc", "cevnsfit"), section(values, "metadata", "cevnsfit"))
    return next((section[key] for section in sections if key in section), None)


def require_same_inputs(known: Mapping[str, Any], other: Mapping[str, Any], what: str) -> None:
    """Raise ResultError if an experiment that both name has different input files."""
    different = [name for name in known if name in other and known[name] != other[name]]
    strangers = [name for name in other if name not in known]
    if different or strangers:
        message = f"{what}: made from other inputs ({', '.join((*different, *strangers))}); they cannot go together"
        raise ResultError(message)
