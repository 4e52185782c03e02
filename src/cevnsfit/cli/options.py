"""Options that several commands share: a dataclass a group, which `command` expands, and what becomes of them."""

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypedDict

from cevnsfit.cli.command import argument, option
from cevnsfit.cli.output import progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager

    import numpy as np

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.infer.intervals import Level
    from cevnsfit.infer.toys import Toys
    from cevnsfit.report.style import Look
    from cevnsfit.stats.likelihood import Likelihood


def experiments_known(_: "Mapping[str, Any]") -> "Sequence[str]":
    """Return the names of the experiments, for shells."""
    from cevnsfit.spec.catalog import experiment_names

    return experiment_names()


def scopes_known(given: "Mapping[str, Any]") -> "Sequence[str]":
    """Return the names of the experiments before a colon, for shells."""
    return [f"{name}:" for name in experiments_known(given)]


def models_known(_: "Mapping[str, Any]") -> "Sequence[str]":
    """Return the names of the models, for shells."""
    from cevnsfit.studies.setup import all_models

    return all_models()


def parameters_known(given: "Mapping[str, Any]") -> "Sequence[str]":
    """Return the parameters of the model of a line, for shells."""
    from cevnsfit.studies.setup import all_models, units_of

    model = given.get("model")
    return list(units_of(model)) if model in all_models() else []


def values_known(given: "Mapping[str, Any]") -> "Sequence[str]":
    """Return the parameters of the model of a line before a sign of equality, for shells."""
    return [f"{name}=" for name in parameters_known(given)]


def nuisances_known(given: "Mapping[str, Any]") -> "Sequence[str]":
    """Return the parameters of the systematics of the experiments of a line, for shells."""
    from cevnsfit.core.errors import CevnsfitError
    from cevnsfit.spec.load import load_experiment

    names: dict[str, None] = {}
    for name in given.get("experiments") or filter(None, [given.get("experiment")]):
        with suppress(CevnsfitError):
            spec = load_experiment(name).spec
            names |= dict.fromkeys(spec.parameter_name(key) for key, entry in spec.systematics.items() if entry.enabled)
    return list(names)


def measured_known(given: "Mapping[str, Any]") -> "Sequence[str]":
    """Return what may have a constraint, before a sign of equality, for shells."""
    return [f"{name}=" for name in (*parameters_known(given), *nuisances_known(given))]


def correlated_known(given: "Mapping[str, Any]") -> "Sequence[str]":
    """Return pairs of parameters of systematics before a sign of equality, for shells."""
    names = nuisances_known(given)
    return [f"{one},{other}=" for one in names for other in names if one != other]


ExperimentArgument = Annotated[str, argument("A shipped experiment, or a folder.", "EXP", experiments_known)]
SetOption = Annotated[
    list[str] | None, option("--set", "Override a field of experiment.yaml; repeatable.", "[EXP:]PATH=VALUE", scopes_known)
]
PoiOption = Annotated[str | None, option("--poi", "Parameter of interest; by default the model's coupling.", "NAME", parameters_known)]
LevelOption = Annotated[float, option("--cl", "Confidence level.")]
DofOption = Annotated[int, option("--dof", "Degrees of freedom of the threshold.")]
SeedOption = Annotated[int, option("--seed", "Seed of the toys.", "SEED")]
MomentOption = Annotated[
    str, option("--g-2", "Prediction behind the band of a g-2: 2020, 2025 (muon), electron-cs-2018, electron-rb-2020.", "THEORY|none")
]
DaskOption = Annotated[
    str | None, option("--dask", "Run on the Dask cluster with this scheduler instead of in local processes.", "ADDRESS|FILE")
]
CriticalOption = Annotated[Path | None, option("--critical", "Folder of critical-values, which replace toys.", "DIR")]
OutputFolder = Annotated[Path, option("--output -o", "Folder to write into.", "DIR")]

GRID: Final = "NAME=START:STOP:COUNT[:log]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What is analysed, but for the experiments."""

    model: Annotated[str, option("--model -m", "Signal model; see `cevnsfit models`.", "MODEL", models_known)]
    at: Annotated[list[str] | None, option("--at", "Hold a parameter (mass=100, mass=0.1GeV); repeatable.", "NAME=VALUE", values_known)] = (
        None
    )
    profile: Annotated[
        list[str] | None, option("--profile", "Let a parameter float that is held by default; repeatable.", "NAME", parameters_known)
    ] = None
    profile_signal: Annotated[
        bool, option("--profile-signal", "Profile the shapes of the signal in `signal-strength`; other models profile all.")
    ] = False
    changes: SetOption = None
    allow_overlap: Annotated[bool, option("--allow-overlap", "Combine experiments even if they share events.")] = False
    electrons: Annotated[bool, option("--electrons", "Add neutrino-electron scattering.")] = False
    constrain: Annotated[
        list[str] | None,
        option("--constrain", "External constraint (sns_flux=0.95+-0.03); repeatable.", "NAME=VALUE+-ERROR", measured_known),
    ] = None
    correlate: Annotated[
        list[str] | None, option("--correlate", "Correlation of two constraints; repeatable.", "NAME,NAME=VALUE", correlated_known)
    ] = None

    def of(self, experiments: "Sequence[str]") -> "Analysis":
        """Return the analysis of some experiments.

        Raises
        ------
        CevnsfitError
            If the model is unknown, or an option is not of its form.
        """
        from cevnsfit.core.analysis import Analysis
        from cevnsfit.spec.catalog import located
        from cevnsfit.studies.constraints import parse_constraints, parse_correlations
        from cevnsfit.studies.setup import treatment

        return Analysis(
            experiments=located(experiments),
            model=self.model,
            overrides=overrides(self.changes),
            signal_systematics=treatment(self.model, profile_signal=self.profile_signal),
            allow_overlap=self.allow_overlap,
            electrons=self.electrons,
            floating=tuple(dict.fromkeys(() if self.profile is None else self.profile)),
            at=tuple(assignments(self.at, self.model).items()),
            constraints=parse_constraints([] if self.constrain is None else self.constrain),
            correlations=parse_correlations([] if self.correlate is None else self.correlate),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisOptions(ModelOptions):
    """What is analysed."""

    experiments: Annotated[list[str], argument("Shipped experiments, or folders.", "EXP...", experiments_known)]

    @property
    def analysis(self) -> "Analysis":
        """Return the analysis; errors are those of `of`."""
        return self.of(self.experiments)

    @property
    def held(self) -> dict[str, float]:
        """Return the parameters that are held."""
        return assignments(self.at, self.model)

    @property
    def likelihood(self) -> "Likelihood":
        """Return its likelihood."""
        from cevnsfit.studies.setup import build

        return build(self.analysis)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelOptions:
    """One confidence level."""

    cl: LevelOption = 0.90
    dof: DofOption = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelsOptions:
    """Confidence levels in a plane."""

    cl: Annotated[list[float] | None, option("--cl", "Confidence level; repeatable; by default 0.90 and 0.95.", "CL")] = None
    dof: DofOption = 2

    @property
    def chosen(self) -> "list[Level]":
        """Return the levels; DomainError for one that is not a confidence level."""
        from cevnsfit.infer.intervals import levels_at

        return levels_at(self.cl, self.dof)


class Where(TypedDict):
    """The options of a verb that say where the work is done, and who is told."""

    workers: "Executor | None"
    progress: "Callable[[int, int], None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """Where the work is done."""

    jobs: Annotated[int, option("--jobs -j", "Processes; the results do not depend on how many.", "N")] = 1
    dask: DaskOption = None

    @contextmanager
    def running(self, what: str = "toys, in chunks of 128", *, at_once: bool = False) -> "Iterator[Where]":
        """Show progress, `at_once` or with the first count, and yield the options `workers` and `progress` of a verb."""
        with progress(what, at_once=at_once) as tell, self.open() as executor:
            yield {"workers": executor, "progress": tell}

    def open(self) -> "AbstractContextManager[Executor | None]":
        """Return the context in which there is an executor, None for this process."""
        from cevnsfit.studies.workers import workers

        return workers(self.jobs, self.dask)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyOptions:
    """Pseudo-experiments, and where they are kept."""

    toys: Annotated[int | None, option("--toys", "Toys, in whole chunks of 128; none by default.", "N")] = None
    seed: SeedOption = 1
    folder: Annotated[Path | None, option("--output -o", "Keep the toys here; run the same command again to resume.", "DIR")] = None

    @property
    def asked(self) -> "Toys | None":
        """Return the pseudo-experiments that were asked for, None for none."""
        from cevnsfit.infer.toys import Toys

        return None if self.toys is None else Toys(self.toys, self.seed)

    @property
    def used_seed(self) -> int | None:
        """Return the seed where pseudo-experiments were asked for."""
        return None if self.toys is None else self.seed


@dataclass(frozen=True, slots=True, kw_only=True)
class LookOptions:
    """How a picture looks."""

    style: Annotated[str | None, option("--style", "How the picture looks; screen by default.", "screen|paper|talk")] = None
    columns: Annotated[int | None, option("--columns", "Columns of a paper that the picture takes.", "1|2")] = None
    title: Annotated[str | None, option("--title", "Title of the picture.", "TEXT")] = None
    labels: Annotated[
        list[str] | None, option("--label", "Name of what is drawn, in the place of its own; repeatable, in its order.", "TEXT")
    ] = None
    xlim: Annotated[str | None, option("--xlim", "Ends of the horizontal axis of the picture.", "A:B")] = None
    ylim: Annotated[str | None, option("--ylim", "Ends of its vertical axis.", "A:B")] = None
    no_best_fit: Annotated[bool, option("--no-best-fit", "Mark no best fit.")] = False
    formats: Annotated[
        str | None, option("--format", "Formats of the picture: png, pdf, svg, pgf; several with commas.", "FORMAT[,FORMAT]...")
    ] = None

    def over(self, look: "Look | None" = None, axes: "Sequence[tuple[str, str]]" = ()) -> "Look":
        """Return a look, that for screens by default, with what was asked for; `axes` are names and units of the axes.

        Raises
        ------
        CevnsfitError
            If an option is not of its form.
        """
        from cevnsfit.report.style import SCREEN
        from cevnsfit.studies.grids import changed_look

        given = {name: getattr(self, name) for name in ("style", "columns", "title", "xlim", "ylim")}
        labels = None if self.labels is None else tuple(self.labels)
        formats = None if self.formats is None else tuple(name.strip() for name in self.formats.split(","))
        best_fit = False if self.no_best_fit else None
        given |= {"labels": labels, "formats": formats, "best_fit": best_fit}
        return changed_look(SCREEN if look is None else look, given, axes)


LOOK: Final = "style columns title labels xlim ylim no_best_fit formats"
"""The options of `LookOptions`, in their order."""


def overrides(changes: "Sequence[str] | None") -> tuple[tuple[str, str], ...]:
    """Return the fields changed by --set."""
    from cevnsfit.studies.setup import parse_overrides

    return parse_overrides([] if changes is None else changes)


def assignments(texts: "Sequence[str] | None", model: str) -> dict[str, float]:
    """Return the values of NAME=VALUE options, in the units of the parameters of a model."""
    from cevnsfit.studies.setup import parse_assignments, units_of

    return parse_assignments([] if texts is None else texts, units_of(model))


def grids(texts: "Sequence[str]", model: str) -> "dict[str, np.ndarray]":
    """Return the values of NAME=START:STOP:COUNT[:log] options, in the units of the parameters of a model."""
    from cevnsfit.studies.grids import parse_grids
    from cevnsfit.studies.setup import units_of

    return parse_grids(texts, units_of(model))


def axes_of(grid: "Iterable[str]", model: str) -> list[tuple[str, str]]:
    """Return name and unit of the parameters of a grid."""
    from cevnsfit.studies.setup import units_of

    return [(name, units_of(model).get(name, "1")) for name in grid]


def critical_known(folder: Path | None) -> "Any":
    """Return the critical values that a folder holds, None for no folder; verbs refuse what is none."""
    from cevnsfit.studies.stored import open as opened

    return None if folder is None else opened(folder)


def drawn(result: object, path: Path | None, look: "Look", kind: str | None = None) -> list[Path]:
    """Write the picture of a result where one is asked for, and return the files that were written."""
    if path is None:
        return []
    from cevnsfit.report.style import save_figures
    from cevnsfit.studies.shown import plot

    return save_figures(plot(result, kind=kind, look=look), path, look)


def picture(path: Path, look: "Look") -> Path:
    """Return the path of a picture.

    Raises
    ------
    CevnsfitError
        If no format is asked for, and its suffix is not that of one that can be written.
    """
    from cevnsfit.core.errors import CevnsfitError
    from cevnsfit.report.style import FORMATS

    if not look.formats and path.suffix[1:].lower() not in FORMATS:
        message = f"{path}: a picture ends in .{', .'.join(FORMATS)}"
        raise CevnsfitError(message)
    return path
