"""`cevnsfit export`, `cevnsfit export-likelihood` and `cevnsfit show`: numbers for other tools, and where they come from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cevnsfit.cli import output
from cevnsfit.cli.options import (
    AtOption,
    ConfidenceOption,
    ElectronsOption,
    ExperimentsArgument,
    JsonOption,
    ModelOption,
    OverlapOption,
    PlaneDofOption,
    SetOption,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


def export(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="Folder of a scan, or limits exported as JSON.", show_default=False)],
    kind: Annotated[str, typer.Option("--to", metavar="|".join(_NAMES), help="Format; see docs/formats.md.", show_default=False)],
    target: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="File, or folder for hepdata and darkcast; in RESULT.", show_default=False),
    ] = None,
    attach: Annotated[
        list[Path] | None, typer.Option("--attach", metavar="FILE", help="Likelihood to go with a HEPData submission.", show_default=False)
    ] = None,
    cl: ConfidenceOption = None,
    dof: PlaneDofOption = 2,
    as_json: JsonOption = False,
) -> None:
    """Export the limits of a scan: every branch of every boundary with what defines it."""
    from cevnsfit.cli.options import confidence
    from cevnsfit.core.errors import UnknownNameError
    from cevnsfit.io.exports.text import read_json
    from cevnsfit.studies.export import export_limits, stored_limits

    if kind not in _NAMES:
        what = "format"
        raise UnknownNameError(what, kind, _NAMES)
    levels = confidence(cl, dof)
    limits = read_json(result) if result.is_file() else stored_limits(result, levels)
    path = (result if result.is_dir() else result.parent) / _NAMES[kind] if target is None else target
    _report(export_limits(limits, kind, path, attach=attach if attach else ()), as_json=as_json)


def export_likelihood(  # noqa: PLR0913, PLR0917 (typer: an argument an option)
    experiments: ExperimentsArgument,
    model: ModelOption,
    kind: Annotated[str, typer.Option("--to", metavar="pyhf|hs3|simplified", help="Format; see docs/formats.md.", show_default=False)],
    target: Annotated[Path, typer.Option("--output", "-o", metavar="PATH", help="FILE.json, or a folder.", show_default=False)],
    grid: Annotated[
        list[str] | None,
        typer.Option(
            "--grid",
            metavar="NAME=START:STOP:COUNT[:log]",
            help="pyhf: a patch for each value; simplified: the range of masses, 1 to 1000 MeV.",
            show_default=False,
        ),
    ] = None,
    at: AtOption = None,
    changes: SetOption = None,
    allow_overlap: OverlapOption = False,
    electrons: ElectronsOption = False,
    record: Annotated[
        str | None, typer.Option("--inspire", metavar="insNNNNNNN", help="INSPIRE record of a patchset.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Export a likelihood: a pyhf workspace (with a patchset over a mass), HS3, or a table of Delta chi2 that numpy alone interpolates."""
    from cevnsfit.cli.options import analysis, held
    from cevnsfit.core.errors import CevnsfitError, UnknownNameError
    from cevnsfit.io.exports.hs3 import write_hs3
    from cevnsfit.io.exports.simplified import write_simplified
    from cevnsfit.studies.export_likelihood import RECORD, hs3, simplified, workspaces, write_workspaces
    from cevnsfit.studies.grids import parse_grids

    if kind not in _LIKELIHOODS:
        what = "format"
        raise UnknownNameError(what, kind, _LIKELIHOODS)
    chosen = analysis(experiments, model, changes, electrons=electrons, allow_overlap=allow_overlap).holding(held(at))
    grids = parse_grids(grid if grid else [])
    if kind == "pyhf":
        made = workspaces(chosen, grid=grids, record=RECORD if record is None else record)
        files = write_workspaces(made, target)
    elif kind == "hs3":
        if grids:
            message = "an HS3 document holds one value of each nonlinear parameter; give --at mass=VALUE instead of --grid"
            raise CevnsfitError(message)
        files = write_hs3(hs3(chosen), _file(target, "hs3.json"))
    else:
        with output.progress("Delta chi2"):
            table = simplified(chosen, _masses(grids))
        files = write_simplified(table, _file(target, "simplified.json"))
    _report(files, as_json=as_json)


def _file(target: Path, name: str) -> Path:
    """Return the file itself, or the one of this name in a folder; the folder is made."""
    path = target if target.suffix == ".json" else target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def show(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="Folder of results, or a JSON file.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Show where a result comes from: analysis, digests of all inputs, seed, versions."""
    from cevnsfit.studies.provenance import stored_provenance

    found = stored_provenance(result)
    if as_json:
        output.print_json(found)
        return
    output.print_lines(*_lines(found))


def _masses(grids: "Mapping[str, np.ndarray]") -> tuple[float, float]:
    from cevnsfit.core.errors import CevnsfitError

    if not grids:
        return _MASSES
    if set(grids) != {"mass"}:
        message = f"a simplified likelihood takes --grid mass=START:STOP:COUNT only, got {', '.join(grids)}"
        raise CevnsfitError(message)
    return float(grids["mass"][0]), float(grids["mass"][-1])


def _report(files: "Sequence[Path]", *, as_json: bool) -> None:
    if as_json:
        output.print_json({"files": list(files)})
        return
    output.print_lines(*(str(file) for file in files))


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
