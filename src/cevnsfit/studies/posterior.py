"""Bayesian posteriors of an analysis, resumable, with their table and their picture."""

from __future__ import annotations

import dataclasses
import functools
from contextlib import nullcontext
from typing import TYPE_CHECKING, ClassVar, Final

from cevnsfit.core.documents import keys_of, plain
from cevnsfit.core.errors import CevnsfitError, DomainError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.core.version import installed_version
from cevnsfit.infer.credible import QUANTILES, Credible, credible, draws
from cevnsfit.infer.intervals import threshold
from cevnsfit.infer.posterior import BLOCK, Prior, run_block, stream_of, target
from cevnsfit.infer.runner import Call, Runner, every
from cevnsfit.io.layouts import BLOCKS, load_blocks, open_posterior, save_block
from cevnsfit.io.tables import cell, write_rows
from cevnsfit.report.posteriors import posterior_figure
from cevnsfit.report.style import save_figure
from cevnsfit.stats.data import observed_data
from cevnsfit.studies.fitting import poi_name, prepare
from cevnsfit.studies.grids import parse_range
from cevnsfit.studies.setup import check_floating
from cevnsfit.studies.toy_runs import description
from cevnsfit.studies.workers import workers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.infer.posterior import Block, PosteriorDensity
    from cevnsfit.infer.runner import Procedure
    from cevnsfit.io.store import Store

    Progress = Callable[[int, int], None]

TABLE: Final = "posterior.csv"
PICTURE: Final = "posterior.png"


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
        Of each ensemble, in whole blocks; the only thing that may change when a run is continued.
    walkers
        Of each ensemble; None for four times the number of parameters, at least 32.
    ensembles
        Independent ones.
    seed
        Of all random streams.
    """

    poi: str | None = None
    cl: float = 0.90
    priors: tuple[Prior, ...] = ()
    steps: int = 8000
    walkers: int | None = None
    ensembles: int = 4
    seed: int = 1

    def __post_init__(self) -> None:
        threshold(self.cl, 1)
        if not 0 < self.steps <= BLOCK * BLOCKS or self.ensembles < 2 or self.seed < 0:
            message = (
                f"a posterior needs 1 to {BLOCK * BLOCKS} steps, at least 2 ensembles and a seed of at least 0, "
                f"got {self.steps}, {self.ensembles} and {self.seed}"
            )
            raise DomainError(message)

    @property
    def blocks(self) -> int:
        """Return the number of blocks of each ensemble."""
        return -(-self.steps // BLOCK)


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where a posterior is sampled: processes here, or the Dask cluster of a scheduler; and where it is kept, None to keep none."""

    jobs: int = 1
    dask: str | None = None
    folder: Path | None = None


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Posterior:
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


def parse_priors(texts: Sequence[str]) -> tuple[Prior, ...]:
    """Return the priors of texts "name=low:high[:log]"."""
    priors = {}
    for text in texts:
        name, low, high, log = parse_range(text)
        if name in priors:
            message = f"{name} has two priors"
            raise CevnsfitError(message)
        priors[name] = Prior(name, low, high, log)
    return tuple(priors.values())


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
        Held parameters; those of the analysis by default. A mass must be among them when the model has one.
    place
        Where it runs and is kept.
    progress
        Called with (finished, all) blocks.

    Raises
    ------
    CevnsfitError
        If a package is missing, or the question does not suit the model.
    """
    _require_packages()
    chosen = analysis.holding(at)
    joint, held = prepare(chosen)
    name = poi_name(joint, sampling.poi, held)
    check_floating(chosen)
    goal = target(joint, observed_data(joint), at=held, priors=sampling.priors)
    walkers = max(4 * len(goal.floating), 32) if sampling.walkers is None else sampling.walkers
    if walkers < 2 * len(goal.floating) or walkers % 2:
        message = f"{len(goal.floating)} parameters need an even number of at least {2 * len(goal.floating)} walkers, got {walkers}"
        raise DomainError(message)
    with nullcontext() if place.folder is None else _store(place.folder, chosen, sampling, goal, walkers) as store:
        ensembles = _sampled(goal, sampling, walkers, place=place, store=store, progress=progress)
    numbers = credible(goal, ensembles, name, cl=sampling.cl, seed=sampling.seed)
    sample = goal.values(draws(goal, ensembles))[..., goal.names.index(name)]
    return Posterior(chosen, numbers, sample)


def _store(folder: Path, analysis: Analysis, sampling: Sampling, goal: PosteriorDensity, walkers: int) -> AbstractContextManager[Store]:
    """Return the store of a posterior, made or continued."""
    about = {"priors": plain(sampling.priors), "ensembles": sampling.ensembles, "walkers": walkers}
    identity = description(analysis, sampling.seed, method="posterior", block=BLOCK, **about)
    return open_posterior(folder, identity(), goal.names, ensembles=sampling.ensembles, walkers=walkers)


def _require_packages() -> None:
    import importlib.util

    missing = [name for name in ("emcee", "arviz_stats") if importlib.util.find_spec(name) is None]
    if missing:
        message = f"posteriors need {' and '.join(missing)}: pip install 'cevnsfit[bayes]'"
        raise CevnsfitError(message)


def _sampled(
    goal: PosteriorDensity, sampling: Sampling, walkers: int, *, place: Place, store: Store | None, progress: Progress | None
) -> list[list[Block]]:
    """Return the blocks of each ensemble; those in the store are not sampled again."""
    known = [[] if store is None else load_blocks(store, k, sampling.blocks) for k in range(sampling.ensembles)]
    before, everything = sum(map(len, known)), sampling.blocks * sampling.ensembles

    def tell(finished: int, _: int) -> None:
        if progress is not None:
            progress(before + finished, everything)

    tell(0, 0)
    with workers(place.jobs, place.dask) as executor:
        run = Runner(executor, save=None if store is None else functools.partial(save_block, store), progress=tell)
        return run(every([_ensemble(goal, sampling, walkers, k, blocks) for k, blocks in enumerate(known)]))


def _ensemble(goal: PosteriorDensity, sampling: Sampling, walkers: int, number: int, blocks: list[Block]) -> Procedure[list[Block]]:
    """Return all blocks of an ensemble, given the first ones."""
    while len(blocks) < sampling.blocks:
        start = blocks[-1].coordinates[-1] if blocks else None
        stream = stream_of(sampling.seed, number, len(blocks))
        blocks = [*blocks, *(yield [Call(run_block, (goal, start, walkers, stream), (number, len(blocks)))])]
    return blocks


# --- output ------------------------------------------------------------------------------------------------------------------------


def prior_text(prior: Prior) -> str:
    """Return a prior in words."""
    return f"{prior.name} flat{' in its logarithm' if prior.log else ''} in [{prior.lower:.4g}, {prior.upper:.4g}]"


def notes_of(result: Posterior) -> list[str]:
    """Return what a table or a picture of a posterior must say."""
    found = result.numbers
    held = "".join(f", {name} = {value:g}" for name, value in result.analysis.held.items())
    size = f"{found.ensembles} ensembles of {found.walkers} walkers and {found.steps} steps, the first {found.warm_up} left out"
    return [
        f"{' + '.join(result.analysis.experiments)}, {result.analysis.model}{held}",
        f"{found.method}, {100 * found.cl:g} %; priors: {'; '.join(map(prior_text, found.priors))}; all others unit normal",
        f"{size}; seed {found.seed}; acceptance {found.acceptance:.2f}",
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
    log = any(prior.name == found.poi and prior.log for prior in found.priors)
    figure = posterior_figure(result.sample, found.intervals, found.poi, log=log, notes=notes_of(result))
    return table, save_figure(figure, folder / PICTURE)
