"""Options that several commands share, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.studies.toy_runs import Run

# Commands read these at run time; their modules therefore do without postponed annotations.
ExperimentsArgument = Annotated[list[str], typer.Argument(metavar="EXP...", help="Shipped experiments, or folders.", show_default=False)]
ExperimentArgument = Annotated[str, typer.Argument(metavar="EXP", help="A shipped experiment, or a folder.", show_default=False)]
ModelOption = Annotated[
    str, typer.Option("--model", "-m", metavar="MODEL", help="Signal model; see `cevnsfit models`.", show_default=False)
]
AtOption = Annotated[list[str] | None, typer.Option("--at", metavar="NAME=VALUE", help="Hold a parameter; repeatable.", show_default=False)]
ProfileOption = Annotated[
    list[str] | None,
    typer.Option("--profile", metavar="NAME", help="Let a parameter float that is held by default; repeatable.", show_default=False),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a field of experiment.yaml; repeatable.", show_default=False),
]
OverlapOption = Annotated[bool, typer.Option("--allow-overlap", help="Combine experiments even if they share events.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ConfidenceOption = Annotated[
    list[float] | None, typer.Option("--cl", metavar="CL", help="Confidence level; repeatable; 0.90 and 0.95.", show_default=False)
]
PlaneDofOption = Annotated[int, typer.Option("--dof", help="Degrees of freedom of the threshold.")]
MomentOption = Annotated[
    str,
    typer.Option(
        "--g-2", metavar="THEORY|none", help="Prediction behind the band of a g-2: 2020, 2025 (muon), electron-cs-2018, electron-rb-2020."
    ),
]
ElectronsOption = Annotated[bool, typer.Option("--electrons", help="Add neutrino-electron scattering.")]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", metavar="N", help="Worker processes; the numbers do not depend on it.")]
DaskOption = Annotated[
    str | None,
    typer.Option(
        "--dask", metavar="ADDRESS|FILE", help="Run on the Dask cluster of this scheduler, not in processes here.", show_default=False
    ),
]
ProfileSignalOption = Annotated[
    bool, typer.Option("--profile-signal", help="Profile the signal's systematics, also for `signal-strength`.")
]
PoiOption = Annotated[str | None, typer.Option("--poi", metavar="NAME", help="Parameter of interest; by default the model's coupling.")]
ToysOption = Annotated[int | None, typer.Option("--toys", metavar="N", help="Toys, in whole chunks of 128; none by default.")]
SeedOption = Annotated[int, typer.Option("--seed", metavar="SEED", help="Seed of the toys.")]
ToyFolder = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="DIR", help="Keep the toys here: the same command continues a stopped one.")
]
OutputFolder = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write into.", show_default=False)]

CONFIDENCE: Final = (0.90, 0.95)


def analysis(
    experiments: Sequence[str],
    model: str,
    changes: Sequence[str] | None,
    *,
    allow_overlap: bool = False,
    profile_signal: bool = False,
    electrons: bool = False,
    floating: Sequence[str] | None = None,
) -> Analysis:
    """Return the analysis that the options describe; folders become absolute, so that a stored scan finds them from anywhere.

    Raises
    ------
    CevnsfitError
        If the model is unknown or a change is not PATH=VALUE.
    """
    from cevnsfit.core.analysis import Analysis
    from cevnsfit.studies.setup import check_model

    check_model(model)
    return Analysis(
        tuple(_located(name) for name in experiments),
        model,
        overrides(changes),
        "shapes" if profile_signal and model == "signal-strength" else None,
        allow_overlap,
        electrons,
        tuple(dict.fromkeys(() if floating is None else floating)),
    )


def overrides(changes: Sequence[str] | None) -> tuple[tuple[str, str], ...]:
    """Return the fields changed by --set."""
    from cevnsfit.studies.setup import parse_overrides

    return parse_overrides([] if changes is None else changes)


def _located(name: str) -> str:
    from cevnsfit.spec.catalog import experiment_names

    return name if name in experiment_names() or not Path(name).exists() else str(Path(name).resolve())


def held(texts: Sequence[str] | None) -> dict[str, float]:
    """Return the parameters held by --at."""
    from cevnsfit.studies.setup import parse_assignments

    return parse_assignments([] if texts is None else texts)


def toy_run(toys: int | None, seed: int, place: tuple[int, str | None], folder: Path | None, *, default: int | None = None) -> Run | None:
    """Return how toys are run, None for no toys: `default` is their number when none was asked for; `place` is --jobs and --dask."""
    from cevnsfit.infer.toys import Toys
    from cevnsfit.studies.toy_runs import Run

    number = default if toys is None else toys
    return None if number is None else Run(Toys(number, seed), place[0], folder, place[1])


def confidence(levels: Sequence[float] | None, dof: int) -> list[tuple[float, int]]:
    """Return (cl, dof) of each level, increasing; DomainError for one that is not a confidence level."""
    from cevnsfit.infer.intervals import threshold

    chosen = sorted(set(levels if levels else CONFIDENCE))
    for level in chosen:
        threshold(level, dof)
    return [(level, dof) for level in chosen]


def picture(path: Path) -> Path:
    """Return the path of a picture.

    Raises
    ------
    CevnsfitError
        If its suffix is not that of a format that can be written.
    """
    from cevnsfit.core.errors import CevnsfitError

    if path.suffix.lower() not in {".png", ".pdf", ".svg"}:
        message = f"{path}: a picture ends in .png, .pdf or .svg"
        raise CevnsfitError(message)
    return path
