"""`cevnsfit export`, `cevnsfit export-likelihood` and `cevnsfit show`: numbers for other tools, and where they come from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from cevnsfit.cli.command import argument, command, option
from cevnsfit.cli.options import GRID, AnalysisOptions, LevelsOptions
from cevnsfit.cli.output import Answer, progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np

_NAMES: Final = {
    "csv": "limits.csv",
    "json": "limits.json",
    "hepdata": "hepdata",
    "root": "limits.root",
    "darkcast": "darkcast",
    "netcdf": "limits.nc",
}
_LIKELIHOODS: Final = ("pyhf", "hs3", "simplified")
_MASSES: Final = (1.0, 1000.0)


@command("result kind target attach cl dof")
def export(
    result: Annotated[Path, argument("Folder of a scan, or limits exported as JSON.", "RESULT")],
    kind: Annotated[str, option("--to", "Format; see docs/formats.md.", "|".join(_NAMES))],
    levels: LevelsOptions,
    target: Annotated[Path | None, option("--output -o", "File, or folder for hepdata and darkcast; in RESULT.", "PATH")] = None,
    attach: Annotated[list[Path] | None, option("--attach", "Likelihood to go with a HEPData submission.", "FILE")] = None,
) -> Answer:
    """Export the limits of a scan: every branch of every boundary with what defines it."""
    from cevnsfit.io.exports.text import read_json
    from cevnsfit.studies.export import export_limits, stored_limits

    _check(kind, _NAMES)
    boundaries = levels.chosen
    limits = read_json(result) if result.is_file() else stored_limits(result, boundaries)
    path = (result if result.is_dir() else result.parent) / _NAMES[kind] if target is None else target
    return Answer({}, files=export_limits(limits, kind, path, attach=attach if attach else ()))


@command("experiments model kind target grid at profile profile_signal changes allow_overlap electrons record")
def export_likelihood(
    what: AnalysisOptions,
    kind: Annotated[str, option("--to", "Format; see docs/formats.md.", "pyhf|hs3|simplified")],
    target: Annotated[Path, option("--output -o", "FILE.json, or a folder.", "PATH")],
    grid: Annotated[
        list[str] | None, option("--grid", "pyhf: a patch for each value; simplified: the range of masses, 1 to 1000 MeV.", GRID)
    ] = None,
    record: Annotated[str | None, option("--inspire", "INSPIRE record of a patchset.", "insNNNNNNN")] = None,
) -> Answer:
    """Export a likelihood: a pyhf workspace (with a patchset over a mass), HS3, or a table of Delta chi2 that numpy alone interpolates."""
    from cevnsfit.core.errors import CevnsfitError
    from cevnsfit.io.exports.hs3 import write_hs3
    from cevnsfit.io.exports.simplified import write_simplified
    from cevnsfit.studies.export_likelihood import RECORD, hs3, simplified, workspaces, write_workspaces
    from cevnsfit.studies.grids import parse_grids

    _check(kind, _LIKELIHOODS)
    chosen, grids = what.analysis, parse_grids(grid if grid else [])
    if kind == "pyhf":
        record = RECORD if record is None else record
        return Answer({}, files=write_workspaces(workspaces(chosen, grid=grids, record=record), target))
    if kind == "hs3":
        if grids:
            message = "an HS3 document holds one value of each nonlinear parameter; give --at mass=VALUE instead of --grid"
            raise CevnsfitError(message)
        return Answer({}, files=write_hs3(hs3(chosen), _file(target, "hs3.json")))
    with progress("Delta chi2"):
        made = simplified(chosen, _masses(grids))
    return Answer({}, files=write_simplified(made, _file(target, "simplified.json")))


@command()
def show(result: Annotated[Path, argument("Folder of results, or a JSON file.", "RESULT")]) -> Answer:
    """Show where a result comes from: analysis, digests of all inputs, seed, versions."""
    from cevnsfit.studies.provenance import stored_provenance

    found = stored_provenance(result)
    return Answer(found, _lines(found))


def _check(kind: str, known: "Iterable[str]") -> None:
    from cevnsfit.core.errors import UnknownNameError

    if kind not in known:
        what = "format"
        raise UnknownNameError(what, kind, known)


def _file(target: Path, name: str) -> Path:
    """Return the file itself, or the one of this name in a folder; the folder is made."""
    path = target if target.suffix == ".json" else target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _masses(grids: "Mapping[str, np.ndarray]") -> tuple[float, float]:
    from cevnsfit.core.errors import CevnsfitError

    if not grids:
        return _MASSES
    if set(grids) != {"mass"}:
        message = f"a simplified likelihood takes --grid mass=START:STOP:COUNT only, got {', '.join(grids)}"
        raise CevnsfitError(message)
    return float(grids["mass"][0]), float(grids["mass"][-1])


def _lines(values: "Mapping[str, Any]", indent: str = "") -> list[str]:
    """Return nested values as indented lines."""
    lines: list[str] = []
    for key, value in values.items():
        if isinstance(value, dict) and value:
            lines += [f"{indent}{key}:", *_lines(value, f"{indent}  ")]
        elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
            lines.append(f"{indent}{key}:")
            for number, item in enumerate(value, 1):
                lines += [f"{indent}  {number}:", *_lines(item if isinstance(item, dict) else {"value": item}, f"{indent}    ")]
        else:
            lines.append(f"{indent}{key}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
    return lines
