"""A plane of two parameters, and further sections: what `cevnsfit scan` and an analysis file ask for, and its results."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cevnsfit.core.analysis import LIGHT_MEDIATOR, Analysis
from cevnsfit.core.errors import CevnsfitError, SpecError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.infer.intervals import Level
from cevnsfit.infer.planes import spacing
from cevnsfit.moments.measured import latest_deviation
from cevnsfit.report.style import SCREEN, Look
from cevnsfit.spec.analysis import analysis_of
from cevnsfit.spec.catalog import located, resolve
from cevnsfit.spec.yaml_source import read_yaml
from cevnsfit.studies.agreement import SignalStrength, signal_strengths
from cevnsfit.studies.exclusion import regions_of
from cevnsfit.studies.fitting import Fit, fit
from cevnsfit.studies.grids import changed_look, parse_grids
from cevnsfit.studies.overlays import in_folder, plane_limit
from cevnsfit.studies.scan import scans
from cevnsfit.studies.sections import remainders, rest_of, superpartners_of
from cevnsfit.studies.setup import build_each, build_likelihood, parse_assignments, treatment, units_of
from cevnsfit.studies.susy import susy_scan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor, Future
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from cevnsfit.core.errors import Problem
    from cevnsfit.infer.limit import Limit
    from cevnsfit.moments.measured import Deviation
    from cevnsfit.stats.likelihood import Likelihood
    from cevnsfit.studies.exclusion import Exclusion
    from cevnsfit.studies.sections import Remainder, RestInputs
    from cevnsfit.studies.susy import SusyScan
    from cevnsfit.studies.susy_inputs import SusyInputs
    from cevnsfit.studies.workers import Workers

    Grids = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Study:
    """What is scanned, and how it is drawn.

    Attributes
    ----------
    analyses
        What is fitted in each plane, by label.
    grid
        The two parameters and their values; the first is drawn horizontally.
    levels
        Thresholds of the contours.
    reference
        The magnetic moment whose band is drawn, None for none.
    curves
        Limits of others.
    title
        Title of the picture and of the page, None for none.
    look
        How the pictures look.
    spectra
        Experiments whose data are drawn against the best fit of the Standard Model.
    description
        What the reader of the page should know.
    rest
        What is asked of what limits leave, None for nothing.
    points, superpartners
        How many superpartners are drawn, and what is asked of them, None for nothing.
    """

    analyses: Mapping[str, Analysis]
    grid: Grids
    levels: Sequence[Level]
    reference: Deviation | None = None
    curves: tuple[Limit, ...] = ()
    title: str | None = None
    look: Look = SCREEN
    spectra: tuple[str, ...] = ()
    description: str = ""
    rest: RestInputs | None = None
    points: int = 0
    superpartners: SusyInputs | None = None

    def __post_init__(self) -> None:
        self.look.check_ends(*map(spacing, self.grid.values()))


@dataclass(frozen=True, slots=True, eq=False)
class StudyResult:
    """What a study gives.

    Attributes
    ----------
    study
        What was asked for.
    likelihoods
        Those of the planes, by label.
    planes
        A plane with its regions for each of them.
    fits
        Best fits of the experiments whose spectra are drawn.
    remainders
        What limits leave of the plane, alone and with a result each; empty if it was not asked for.
    superpartners
        Their scan, None if it was not asked for.
    strengths
        Signal strengths that workers have been asked for; empty where they are calculated when they are looked at.
    """

    study: Study
    likelihoods: Mapping[str, Likelihood]
    planes: tuple[Exclusion, ...]
    fits: tuple[Fit, ...]
    remainders: tuple[Remainder, ...] = ()
    superpartners: SusyScan | None = None
    strengths: tuple[Future[tuple[SignalStrength, ...]], ...] = ()

    def ahead(self, executor: Executor | None) -> StudyResult:
        """Return the result with its signal strengths under way where there is an executor."""
        if executor is None:
            return self
        return replace(self, strengths=tuple(executor.submit(signal_strengths, one) for one in self.likelihoods.values()))

    @property
    def signal_strengths(self) -> tuple[SignalStrength, ...]:
        """Return how experiments and combinations that have data sit with the Standard Model."""
        under_way = [future.result() for future in self.strengths]
        found = under_way if under_way else [signal_strengths(likelihood) for likelihood in self.likelihoods.values()]
        rows = (one for several in found for one in several)
        return tuple({(one.label, *(f"{x:.6g}" for x in (one.strength, one.nll2, one.pull))): one for one in rows}.values())


def read_study(path: Path) -> Study:
    """Return the study of an analysis file.

    Raises
    ------
    SpecError
        If the file, an overlay or an experiment is malformed; with every problem, its line and its field.
    """
    source = read_yaml(path)
    spec = analysis_of(source)
    problems: list[Problem] = []
    analyses: Mapping[str, Analysis] = {}
    grid: Grids = {}
    units: Mapping[str, str] = {}
    spectra = located(spec.spectra, path.parent)
    for n, result in enumerate(spec.results):
        for k, name in enumerate(located(result.experiments, path.parent)):
            with source.noting(problems, "results", n, "experiments", k):
                resolve(name)
    for n, name in enumerate(spectra):
        with source.noting(problems, "spectra", n):
            resolve(name)
    with source.noting(problems, "model"):
        units = units_of(spec.model)
        with source.noting(problems, "grid"):
            grid = plane_grid(spec.model, spec.grid)
        with source.noting(problems, "at"):
            at = parse_assignments([f"{name}={value}" for name, value in spec.at.items()], units)
            with source.noting(problems, "profile_signal"):
                analyses = spec.analyses(path.parent, at, treatment(spec.model, profile_signal=spec.profile_signal))
    curves: list[Limit] = []
    for n, entry in enumerate(spec.overlays if grid else ()):
        with source.noting(problems, "overlays", n):
            label, named = (None, in_folder(entry, path.parent)) if isinstance(entry, str) else (entry.label, entry.source(path.parent))
            curves.append(plane_limit(named, spec.model, grid, label))
    look = SCREEN
    with source.noting(problems, "look"):
        look = changed_look(look, spec.look.model_dump(exclude_unset=True), [(name, units.get(name, "1")) for name in grid])
        if grid:
            look.check_ends(*map(spacing, grid.values()))
    rest = rest_of(source, spec, path.parent, problems, grid) if grid else None
    superpartners = superpartners_of(source, spec, path.parent, problems)
    if problems:
        raise SpecError(problems)
    return Study(
        analyses=analyses,
        grid=grid,
        levels=[Level(entry.cl, entry.dof) for entry in spec.confidence],
        reference=latest_deviation(spec.g_2),
        curves=tuple(curves),
        title=spec.title,
        look=look,
        spectra=spectra,
        description=spec.description,
        rest=rest,
        points=0 if spec.susy is None else spec.susy.points,
        superpartners=superpartners,
    )


def plane_grid(model: str, texts: Sequence[str] | None) -> Grids:
    """Return the grids of some texts; without any, that of a light mediator where the model is one.

    Raises
    ------
    CevnsfitError
        If a text is not a grid, or the model needs some.
    """
    if texts:
        grids = parse_grids(texts, units_of(model))
        if len(grids) != 2:
            message = f"a scan needs two parameters, got {len(grids)} ({', '.join(grids)})"
            raise CevnsfitError(message)
        return grids
    if not {"mass", "g"} <= set(units_of(model)):
        message = f"{model} needs two --grid NAME=START:STOP:COUNT[:log]"
        raise CevnsfitError(message)
    return parse_grids(LIGHT_MEDIATOR)


@on_one_thread
def run_study(study: Study, folder: Path, *, workers: Workers = None, progress: Callable[[int, int], None] | None = None) -> StudyResult:
    """Return the results of a study; its scans are stored in `folder` and continued if they were interrupted; errors are those of `scans`."""
    likelihoods, (*_, last) = build_each(study.analyses), study.analyses.values()
    found = scans(likelihoods, study.grid, at=last.held, store=folder, workers=workers, progress=progress)
    planes = regions_of(found, study.levels, workers)
    fits = tuple(fit(build_likelihood(name, model="sm")) for name in study.spectra)
    rest = () if study.rest is None else remainders(study.rest, last.model, folder)
    points = (
        None
        if study.superpartners is None
        else susy_scan(study.points, study.superpartners, store=folder, workers=workers, progress=progress)
    )
    return StudyResult(study, likelihoods, planes, fits, rest, points)
