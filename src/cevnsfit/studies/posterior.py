"""Bayesian posteriors of an analysis, resumable, with their table and their picture."""

from __future__ import annotations

import dataclasses
import functools
import math
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, Final

from cevnsfit.core.documents import Document, keys_of, plain
from cevnsfit.core.errors import CevnsfitError, DomainError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.core.version import installed_version
from cevnsfit.infer.credible import QUANTILES, Credible, credible, draws
from cevnsfit.infer.density import Prior, require_proper, target
from cevnsfit.infer.intervals import threshold
from cevnsfit.infer.nested import DRAWS, LIVE, run_nested
from cevnsfit.infer.posterior import BLOCK, run_block, stream_of
from cevnsfit.infer.runner import Call, Runner, every
from cevnsfit.io.layouts import BLOCKS, load_blocks, open_posterior, save_block
from cevnsfit.io.tables import cell, write_rows
from cevnsfit.report.posteriors import posterior_figure
from cevnsfit.report.style import save_figure
from cevnsfit.stats.data import observed_data
from cevnsfit.studies.fitting import asked_parameter, nonlinear_in_question, require_data, require_nonlinear
from cevnsfit.studies.setup import build, check_floating, digest_of, fix, load_experiments, require_digest
from cevnsfit.studies.toy_runs import description
from cevnsfit.studies.workers import workers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager
    from pathlib import Path

    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.infer.density import PosteriorDensity
    from cevnsfit.infer.posterior import Block
    from cevnsfit.infer.runner import Procedure
    from cevnsfit.io.store import Store
    from cevnsfit.spec.load import Experiment

    Progress = Callable[[int, int], None]

TABLE: Final = "posterior.csv"
PICTURE: Final = "posterior.png"
STEPS: Final = 8000

PACKAGES: Final[Mapping[str, tuple[str, ...]]] = {"emcee": ("emcee", "arviz_stats"), "nested": ("dynesty", "emcee", "arviz_stats")}
SAMPLERS: Final = {"emcee": "emcee: differential evolution, jumps", "nested": "nested: dynesty, random walks"}
"""How a store names the samplers: with what they propose, so that a run is not continued with other proposals."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sampling:
    """What is sampled and how.

    Attributes
    ----------
    poi
        The parameter of interest; None for the first polynomial one of the model that is not held.
    cl
        Probability of the credible intervals.
    priors
        Priors that are not flat within the bounds of their parameters.
    steps
        Of each ensemble, in whole blocks; the only thing that may change when a run is continued. None for `STEPS`, and for nested sampling.
    walkers
        Of each ensemble; None for four times the number of parameters, at least 32. Live points of each nested run; None for `LIVE`.
    ensembles
        Independent ones, or nested runs.
    seed
        Of all random streams.
    sampler
        "emcee" (ensembles of walkers) or "nested".
    """

    poi: str | None = None
    cl: float = 0.90
    priors: tuple[Prior, ...] = ()
    steps: int | None = None
    walkers: int | None = None
    ensembles: int = 4
    seed: int = 1
    sampler: str = "emcee"

    def __post_init__(self) -> None:
        threshold(self.cl, 1)
        steps = STEPS if self.steps is None else self.steps
        if not 0 < steps <= BLOCK * BLOCKS or self.ensembles < 2 or self.seed < 0:
            message = (
                f"a posterior needs 1 to {BLOCK * BLOCKS} steps, at least 2 ensembles and a seed of at least 0, "
                f"got {steps}, {self.ensembles} and {self.seed}"
            )
            raise DomainError(message)
        if self.sampler not in PACKAGES:
            message = f"there is no sampler '{self.sampler}'; there are {', '.join(PACKAGES)}"
            raise CevnsfitError(message)
        if self.nested and self.steps is not None:
            message = "nested sampling ends by itself and has no steps; more live points (walkers) make it more precise"
            raise CevnsfitError(message)

    @property
    def nested(self) -> bool:
        """Return whether it is nested sampling."""
        return self.sampler == "nested"

    @property
    def blocks(self) -> int:
        """Return the number of blocks of each ensemble; a nested run is one."""
        return 1 if self.nested else -(-(STEPS if self.steps is None else self.steps) // BLOCK)

    def walkers_of(self, dimensions: int) -> int:
        """Return the number of walkers, or of live points, of a density in some dimensions; DomainError if that which was asked for is too small."""
        if self.walkers is None:
            return LIVE if self.nested else max(4 * dimensions, 32)
        if self.walkers < 2 * dimensions or self.walkers % 2:
            message = f"{dimensions} parameters need an even number of at least {2 * dimensions} walkers, got {self.walkers}"
            raise DomainError(message)
        return self.walkers


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where a posterior is sampled: processes here, or the Dask cluster of a scheduler; and where it is kept, None to keep none."""

    jobs: int = 1
    dask: str | None = None
    folder: Path | None = None


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Posterior(Document):
    """A sampled posterior: the analysis, the numbers, and the draws of the parameter of interest after the warm-up."""

    document: ClassVar[Mapping[str, str | None]] = {
        **{key: f"analysis.{key}" for key in ("experiments", "model")},
        **keys_of(Credible, "numbers"),
        "at": "analysis.held",
        "analysis": None,
        "numbers": None,
        "sample": None,
    }

    analysis: Analysis
    numbers: Credible
    sample: NDArray[np.float64]


def parse_prior(text: str) -> Prior:
    """Return the prior of "name=low:high[:log]" or "name=gaussian:mean:sigma"; CevnsfitError if the text is not of this form."""
    name, equals, rest = text.partition("=")
    normal = rest.startswith("gaussian:")
    parts = rest.removeprefix("gaussian:").split(":")
    try:
        first, second = float(parts[0]), float(parts[1])
    except (ValueError, IndexError):
        equals, first, second = "", 0.0, 0.0
    if not equals or not name or parts[2:] not in ([], [] if normal else ["log"]):
        message = f"'{text}' should read name=low:high, name=low:high:log or name=gaussian:mean:sigma, for example g=1e-5:1e-2:log"
        raise CevnsfitError(message)
    return Prior(name, -math.inf, math.inf, mean=first, sigma=second) if normal else Prior(name, first, second, bool(parts[2:]))


def parse_priors(texts: Sequence[str]) -> tuple[Prior, ...]:
    """Return the priors of texts, see `parse_prior`; CevnsfitError if a parameter has two."""
    priors: dict[str, Prior] = {}
    for prior in map(parse_prior, texts):
        if prior.name in priors:
            message = f"{prior.name} has two priors"
            raise CevnsfitError(message)
        priors[prior.name] = prior
    return tuple(priors.values())


@dataclasses.dataclass(frozen=True, slots=True)
class DensityTask:
    """What a worker process makes a density from, see `density_of`; the digest is that of the files."""

    analysis: Analysis
    digest: str
    poi: str | None
    priors: tuple[Prior, ...]


@functools.lru_cache(maxsize=2)
def density_of(task: DensityTask) -> PosteriorDensity:
    """Return the density in a worker process.

    Raises
    ------
    ResultError
        If the files are no longer those that the task was made with.
    """
    experiments = load_experiments(task.analysis)
    require_digest(experiments, task.digest)
    return _density(task, experiments)[0]


def _density(task: DensityTask, experiments: Sequence[Experiment]) -> tuple[PosteriorDensity, str]:
    """Return the density and the parameter of interest; templates are shared where no nonlinear parameter floats."""
    held, likelihood = task.analysis.held, build(task.analysis, experiments)
    nonlinear = nonlinear_in_question(likelihood, held, task.poi)
    require_nonlinear(likelihood, [*held, *nonlinear])
    joint, values = fix(likelihood, held)
    name = asked_parameter(joint, task.poi, nonlinear, held)
    goal = target(likelihood if nonlinear else joint, observed_data(joint), at=held if nonlinear else values, priors=task.priors)
    goal.index(name)
    return goal, name


@on_one_thread
def run_posterior(
    analysis: Analysis, sampling: Sampling, *, at: Mapping[str, float] | None = None, place: Place, progress: Progress | None = None
) -> Posterior:
    """Return the posterior of an analysis.

    Parameters
    ----------
    analysis
        The likelihood.
    sampling
        What is sampled and how.
    at
        Held parameters; those of the analysis by default. A mass must be among them when the model has one, or float.
    place
        Where it runs and is kept.
    progress
        Called with (finished, all) blocks.

    Raises
    ------
    CevnsfitError
        If a package is missing, or the question does not suit the model.
    """
    _require_packages(sampling.sampler)
    chosen = analysis.holding(at)
    experiments = load_experiments(chosen)
    require_data(experiments)
    check_floating(chosen.floating, chosen.held)
    task = DensityTask(chosen, digest_of(experiments), sampling.poi, sampling.priors)
    goal, name = _density(task, experiments)
    if sampling.nested:
        require_proper(goal)
    walkers = sampling.walkers_of(len(goal.floating))
    kept = nullcontext() if place.folder is None else _store(place.folder, chosen, sampling, goal, walkers)
    with kept as store, workers(place.jobs, place.dask) as executor:
        ensembles = _sampled(Chains(sampling, walkers, goal if executor is None else task), executor, store, progress)
    numbers = credible(goal, ensembles, name, cl=sampling.cl, seed=sampling.seed, walkers=walkers)
    sample = goal.values(draws(goal, ensembles))[..., goal.names.index(name)]
    return Posterior(chosen, numbers, sample)


def _store(folder: Path, analysis: Analysis, sampling: Sampling, goal: PosteriorDensity, walkers: int) -> AbstractContextManager[Store]:
    """Return the store of a posterior, made or continued."""
    shape = (DRAWS * walkers, 1) if sampling.nested else (BLOCK, walkers)
    about = {"priors": plain(sampling.priors), "ensembles": sampling.ensembles, "walkers": walkers, "sampler": SAMPLERS[sampling.sampler]}
    identity = description(build(analysis), analysis.held, sampling.seed, method="posterior", block=shape[0], **about)
    return open_posterior(folder, identity(), goal.names, ensembles=sampling.ensembles, shape=shape)


def _require_packages(sampler: str) -> None:
    import importlib.util

    missing = [name for name in PACKAGES[sampler] if importlib.util.find_spec(name) is None]
    if missing:
        message = f"posteriors need {' and '.join(missing)}: pip install 'cevnsfit[bayes]'"
        raise CevnsfitError(message)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Chains:
    """What is sampled, how, with how many walkers or live points, and the density: itself here, what it is made from in worker processes."""

    sampling: Sampling
    walkers: int
    density: PosteriorDensity | DensityTask

    def call(self, number: int, blocks: Sequence[Block]) -> Call:
        """Return the call of the next block of an ensemble, or of a nested run."""
        place = (number, len(blocks))
        start = blocks[-1].coordinates[-1] if blocks else None
        function, begin = (run_nested, ()) if self.sampling.nested else (run_block, (start,))
        return Call(sampled_block, (self.density, function, *begin, self.walkers, stream_of(self.sampling.seed, *place)), place)


def sampled_block(density: PosteriorDensity | DensityTask, function: Callable[..., Block], *arguments: Any) -> Block:
    """Return what a sampler makes of a density, here or in a worker process."""
    return function(density_of(density) if isinstance(density, DensityTask) else density, *arguments)


def _sampled(chains: Chains, executor: Executor | None, store: Store | None, progress: Progress | None) -> list[list[Block]]:
    """Return the blocks of each ensemble; those in the store are not sampled again."""
    sampling = chains.sampling
    known = [[] if store is None else load_blocks(store, k, sampling.blocks) for k in range(sampling.ensembles)]
    before, everything = sum(map(len, known)), sampling.blocks * sampling.ensembles

    def tell(finished: int, _: int) -> None:
        if progress is not None:
            progress(before + finished, everything)

    tell(0, 0)
    run = Runner(executor, save=None if store is None else functools.partial(save_block, store), progress=tell)
    return run(every([_ensemble(chains, k, blocks) for k, blocks in enumerate(known)]))


def _ensemble(chains: Chains, number: int, blocks: list[Block]) -> Procedure[list[Block]]:
    """Return all blocks of an ensemble, given the first ones."""
    while len(blocks) < chains.sampling.blocks:
        blocks = [*blocks, *(yield [chains.call(number, blocks)])]
    return blocks


# --- output ------------------------------------------------------------------------------------------------------------------------


def prior_text(prior: Prior) -> str:
    """Return a prior in words."""
    if prior.mean is not None and prior.sigma is not None:
        return f"{prior.name} normal, {prior.mean:.4g} +- {prior.sigma:.4g}, in [{prior.lower:.4g}, {prior.upper:.4g}]"
    return f"{prior.name} flat{' in its logarithm' if prior.log else ''} in [{prior.lower:.4g}, {prior.upper:.4g}]"


def notes_of(result: Posterior) -> list[str]:
    """Return what a table or a picture of a posterior must say."""
    found = result.numbers
    held = "".join(f", {name} = {value:g}" for name, value in result.analysis.held.items())
    if found.sampler == "nested":
        size = f"{found.ensembles} nested runs of {found.walkers} live points, {found.steps} draws of each"
        end = f"seed {found.seed}; ln evidence {found.log_evidence:.2f} +- {found.log_evidence_error:.2f}, relative to the saturated model"
    else:
        size = f"{found.ensembles} ensembles of {found.walkers} walkers and {found.steps} steps, the first {found.warm_up} left out"
        end = f"seed {found.seed}; acceptance {found.acceptance:.2f}"
    return [
        f"{' + '.join(result.analysis.experiments)}, {result.analysis.model}{held}",
        f"{found.method}, {100 * found.cl:g} %; priors: {'; '.join(map(prior_text, found.priors))}; all others unit normal",
        f"{size}; {end}",
    ]


def write_posterior(result: Posterior, folder: Path) -> tuple[Path, Path]:
    """Write the table of all parameters and the picture of the parameter of interest, and return both paths."""
    found = result.numbers
    headers = ["parameter", "mean", "sd", *(f"quantile_{q:g}" for q in QUANTILES), "r_hat", "ess_bulk", "ess_tail", "autocorrelation"]
    rows = [
        [one.name, *map(cell, (one.mean, one.sd, *one.quantiles, one.r_hat, one.ess_bulk, one.ess_tail, one.autocorrelation))]
        for one in found.marginals
    ]
    branches = ", ".join(f"[{low:.6g}, {high:.6g}]" for low, high in found.intervals)
    comments = [*notes_of(result), f"{found.poi}: {branches}", *([f"not converged: {found.reason}"] if found.reason else [])]
    table = write_rows(folder / TABLE, [*comments, f"cevnsfit {installed_version()}"], headers, rows)
    return table, save_figure(posterior_picture(result), folder / PICTURE)


def posterior_picture(result: Posterior, ax: Axes | None = None) -> Figure:
    """Return the picture of the posterior of the parameter of interest."""
    found = result.numbers
    log = any(prior.name == found.poi and prior.log for prior in found.priors)
    return posterior_figure(result.sample, found.intervals, found.poi, log=log, notes=notes_of(result), ax=ax)
