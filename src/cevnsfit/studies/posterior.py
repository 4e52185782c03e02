"""Bayesian posteriors of a likelihood, resumable, with their table and their picture."""

from __future__ import annotations

import dataclasses
import functools
import math
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from cevnsfit.core.analysis import Analysis
from cevnsfit.core.documents import Result, keys_of, plain
from cevnsfit.core.errors import CevnsfitError, DomainError, ResultError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.infer.credible import QUANTILES, Credible, credible, draws
from cevnsfit.infer.density import Prior, require_proper, target
from cevnsfit.infer.intervals import threshold
from cevnsfit.infer.nested import DRAWS, LIVE, run_nested
from cevnsfit.infer.posterior import BLOCK, run_block, stream_of
from cevnsfit.infer.runner import Call, Runner, every
from cevnsfit.io.description import unlike
from cevnsfit.io.layouts import BLOCKS, kept_chunks, load_blocks, open_posterior, read_posterior, save_block
from cevnsfit.io.tables import cell, write_rows
from cevnsfit.report.posteriors import posterior_figure
from cevnsfit.report.style import SCREEN, AxisLabel, Look
from cevnsfit.stats.data import observed_data
from cevnsfit.studies.fitting import asked_parameter, nonlinear_in_question, prepared
from cevnsfit.studies.setup import build
from cevnsfit.studies.toy_runs import description
from cevnsfit.studies.verbs import about, verb
from cevnsfit.studies.workers import executing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from cevnsfit.infer.density import PosteriorDensity
    from cevnsfit.infer.posterior import Block
    from cevnsfit.infer.runner import Procedure
    from cevnsfit.stats.likelihood import Likelihood
    from cevnsfit.studies.workers import Progress, Workers


TABLE: Final = "posterior.csv"
PICTURE: Final = "posterior.png"
STEPS: Final = 8000
NESTED: Final = "nested"

PACKAGES: Final[Mapping[str, tuple[str, ...]]] = {"emcee": ("emcee", "arviz_stats"), "nested": ("dynesty", "emcee", "arviz_stats")}
SAMPLERS: Final = {"emcee": "emcee: differential evolution, jumps", "nested": "nested: dynesty, random walks"}
"""How a store names the samplers: with what they propose, so that a run is not continued with other proposals."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Posterior(Result):
    """A sampled posterior.

    Attributes
    ----------
    at
        Held parameters.
    numbers
        Credible intervals; mean, errors and convergence of every parameter.
    draws
        Draws of all floating parameters after the warm-up, in the order of `numbers.marginals`, shape (ensembles, steps, walkers, n).
    units
        Unit of each of these parameters.
    """

    document: ClassVar[Mapping[str, str | None]] = {**keys_of(Credible, "numbers"), "numbers": None, "draws": None, "units": None}

    at: Mapping[str, float]
    numbers: Credible
    draws: NDArray[np.float64]
    units: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the parameters that float."""
        return tuple(one.name for one in self.numbers.marginals)

    @property
    def sample(self) -> NDArray[np.float64]:
        """Return the draws of the parameter of interest, shape (ensembles, steps, walkers)."""
        return self.draws[..., self.names.index(self.numbers.poi)]

    @property
    def doubt(self) -> str:
        """Return why the numbers have not converged, and what is needed."""
        found = self.numbers
        return "" if found.valid else f"{found.reason}: more {'--walkers' if found.sampler == NESTED else '--steps'}"


@verb
def posterior(  # noqa: PLR0913 (store, workers and progress say where, not what; most others are the size of the run)
    likelihood: Likelihood,
    poi: str | None = None,
    *,
    at: Mapping[str, float] | None = None,
    cl: float = 0.90,
    priors: Sequence[str] = (),
    steps: int | None = None,
    walkers: int | None = None,
    ensembles: int = 4,
    seed: int = 1,
    sampler: str = "emcee",
    store: str | Path | None = None,
    workers: Workers = None,
    progress: Progress | None = None,
) -> Posterior:
    """Return the Bayesian posterior of all parameters that float.

    Parameters
    ----------
    likelihood
        From `build_likelihood`.
    poi, at, workers
        As for `intervals`.
    cl
        Probability of the credible intervals.
    priors
        Texts "name=low:high", "name=low:high:log" (flat in the logarithm) or "name=gaussian:mean:sigma". Other priors are flat within the bounds of
        their parameters; nuisances have their constraints.
    steps
        Steps of each ensemble, in whole blocks of 100; by default 8000. Only this may change when a stored run is resumed.
    walkers
        Walkers of each ensemble, by default four times the number of parameters, at least 32; live points of each nested run, by default 1000.
    ensembles
        Independent ensembles, or nested runs.
    seed
        Seed of all random streams.
    sampler
        "emcee" (ensembles of walkers), or "nested" (dynesty), which gives the evidence and has no steps.
    store
        Folder in which finished blocks are kept; the same call resumes a stopped run.
    progress
        Called with (finished, all) blocks.

    Raises
    ------
    CevnsfitError
        If a package is missing, or the question does not suit the model.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> likelihood = cf.build_likelihood("coherent-csi-2021", model="signal-strength")
    >>> found = cf.posterior(likelihood, priors=["signal_strength=0:3"], steps=100, ensembles=2)
    >>> found.numbers.poi, found.sample.shape
    ('signal_strength', (2, 67, 32))
    """
    require_packages(sampler)
    threshold(cl, 1)
    blocks, held = _blocks(steps, ensembles, seed, sampler), {} if at is None else dict(at)
    chosen = parse_priors(priors)
    goal, name = _density(likelihood, held, poi, chosen)
    size = _walkers(walkers, goal, sampler)

    def call(number: int, done: Sequence[Block]) -> Call:
        """Return the call of the next block of an ensemble, or of a nested run."""
        place = (number, len(done))
        begin = () if sampler == NESTED else (done[-1].coordinates[-1] if done else None,)
        return Call(run_nested if sampler == NESTED else run_block, (goal, *begin, size, stream_of(seed, *place)), place)

    with ExitStack() as stack:
        kept, save = None, None
        if store is not None:
            shape = (DRAWS * size, 1) if sampler == NESTED else (BLOCK, size)
            what = {"priors": plain(chosen), "ensembles": ensembles, "walkers": size, "sampler": SAMPLERS[sampler]}
            identity = description(likelihood, held, seed, method="posterior", block=shape[0], **what)
            kept = stack.enter_context(open_posterior(Path(store), identity(), goal.names, ensembles=ensembles, shape=shape))
            save = functools.partial(save_block, kept)
        known = [[] if kept is None else load_blocks(kept, k, blocks) for k in range(ensembles)]
        before = sum(map(len, known))

        def tell(finished: int, _: int) -> None:
            if progress is not None:
                progress(before + finished, blocks * ensembles)

        tell(0, 0)
        run = Runner(stack.enter_context(executing(workers)), save=save, progress=tell)
        found = run(every([_ensemble(functools.partial(call, k), done, blocks) for k, done in enumerate(known)]))
    return _summary(goal, found, name, at=held, cl=cl, seed=seed, walkers=size)


def _ensemble(call: Callable[[Sequence[Block]], Call], blocks: list[Block], wanted: int) -> Procedure[list[Block]]:
    """Return all blocks of an ensemble, given the first ones and the function that makes the call of the next one."""
    while len(blocks) < wanted:
        blocks = [*blocks, *(yield [call(blocks)])]
    return blocks


def _summary(
    goal: PosteriorDensity, ensembles: list[list[Block]], poi: str, *, at: Mapping[str, float], cl: float, seed: int, walkers: int
) -> Posterior:
    """Return the posterior of finished ensembles."""
    numbers = credible(goal, ensembles, poi, cl=cl, seed=seed, walkers=walkers)
    units = tuple(goal.likelihood.parameters[name].unit for name in goal.names)
    return Posterior(at, numbers, goal.values(draws(goal, ensembles)), units)


@on_one_thread
def stored_posterior(folder: str | Path) -> Posterior:
    """Return a stored posterior again, of the blocks that all ensembles have, with its default parameter of interest and 90 % intervals.

    Raises
    ------
    ResultError
        If there is none or nothing is finished, or what it was made with has changed.
    """
    store = read_posterior(Path(folder))
    known = store.analysis
    try:
        analysis, run = Analysis.of(known), {key: known[key] for key in ("method", "block", "priors", "ensembles", "walkers", "sampler")}
        priors, seed, walkers, ensembles = tuple(map(_prior, run["priors"])), int(known["seed"]), int(run["walkers"]), int(run["ensembles"])
    except (KeyError, TypeError, ValueError, AttributeError):
        store.refuse("a posterior")
    likelihood, held = build(analysis), analysis.held
    now = description(likelihood, held, seed, **run)()
    changed = unlike({**known, "version": now["version"]}, plain(now))
    if changed:
        message = f"{store.path}: what this posterior was made with has changed ({changed})"
        raise ResultError(message)
    kept = kept_chunks(store)
    found = [load_blocks(store, k, BLOCKS) for k in range(ensembles)]
    lost = [k for k, blocks in enumerate(found) if len(blocks) < kept.get(k, 0)]
    if lost:
        message = f"{store.path}: a block of ensemble {lost[0]} is damaged or lost; run the same posterior again, which computes it again"
        raise ResultError(message)
    finished = min(map(len, found))
    if not finished:
        message = f"{store.path}: an ensemble has no finished block yet; run the same posterior again to continue it"
        raise ResultError(message)
    goal, name = _density(likelihood, held, None, priors)
    result = _summary(goal, [blocks[:finished] for blocks in found], name, at=held, cl=0.90, seed=seed, walkers=walkers)
    return dataclasses.replace(result, about=about(likelihood, held))


def _prior(values: Mapping[str, Any]) -> Prior:
    """Return a prior of its plain values, in which an infinite end is None."""
    lower, upper = (end if values[key] is None else float(values[key]) for key, end in (("lower", -math.inf), ("upper", math.inf)))
    return Prior(**{**values, "lower": lower, "upper": upper})


def _density(likelihood: Likelihood, held: Mapping[str, float], poi: str | None, priors: Sequence[Prior]) -> tuple[PosteriorDensity, str]:
    """Return the density and the parameter of interest; templates are shared where no nonlinear parameter floats."""
    nonlinear = nonlinear_in_question(likelihood, held, poi)
    joint, values = prepared(likelihood, held, released=nonlinear)
    name = asked_parameter(joint, poi, nonlinear, held)
    goal = target(likelihood if nonlinear else joint, observed_data(joint), at=held if nonlinear else values, priors=priors)
    goal.index(name)
    return goal, name


def require_packages(sampler: str) -> None:
    """Raise CevnsfitError if there is no such sampler, or a package that it needs is missing."""
    import importlib.util

    if sampler not in PACKAGES:
        message = f"there is no sampler '{sampler}'; there are {', '.join(PACKAGES)}"
        raise CevnsfitError(message)
    missing = [name for name in PACKAGES[sampler] if importlib.util.find_spec(name) is None]
    if missing:
        message = f"posteriors need {' and '.join(missing)}: pip install 'cevnsfit[bayes]'"
        raise CevnsfitError(message)


def _blocks(steps: int | None, ensembles: int, seed: int, sampler: str) -> int:
    """Return the number of blocks of each ensemble; a nested run is one."""
    if sampler == NESTED and steps is not None:
        message = "nested sampling ends by itself and has no steps; more live points (walkers) make it more precise"
        raise CevnsfitError(message)
    steps = STEPS if steps is None else steps
    if not 0 < steps <= BLOCK * BLOCKS or ensembles < 2 or seed < 0:
        message = (
            f"a posterior needs 1 to {BLOCK * BLOCKS} steps, at least 2 ensembles and a seed of at least 0, "
            f"got {steps}, {ensembles} and {seed}"
        )
        raise DomainError(message)
    return 1 if sampler == NESTED else -(-steps // BLOCK)


def _walkers(walkers: int | None, goal: PosteriorDensity, sampler: str) -> int:
    """Return the number of walkers, or of live points, of a density; DomainError if that which was asked for is too small."""
    dimensions = len(goal.floating)
    if sampler == NESTED:
        require_proper(goal)
    if walkers is None:
        return LIVE if sampler == NESTED else max(4 * dimensions, 32)
    if walkers < 2 * dimensions or walkers % 2:
        message = f"{dimensions} parameters need an even number of at least {2 * dimensions} walkers, got {walkers}"
        raise DomainError(message)
    return walkers


# --- priors ------------------------------------------------------------------------------------------------------------------------


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


# --- output ------------------------------------------------------------------------------------------------------------------------


def prior_text(prior: Prior) -> str:
    """Return a prior in words."""
    if prior.mean is not None and prior.sigma is not None:
        return f"{prior.name} normal, {prior.mean:.4g} +- {prior.sigma:.4g}, in [{prior.lower:.4g}, {prior.upper:.4g}]"
    return f"{prior.name} flat{' in its logarithm' if prior.log else ''} in [{prior.lower:.4g}, {prior.upper:.4g}]"


def notes_of(result: Posterior, look: Look = SCREEN) -> list[str]:
    """Return what a table or a picture of a posterior must say, with names as a look prints them."""
    found, others = result.numbers, "normal, as constrained" if result.about.constraints else "unit normal"
    if found.sampler == "nested":
        size = f"{found.ensembles} nested runs of {found.walkers} live points, {found.steps} draws of each"
        end = f"seed {found.seed}; ln evidence {found.log_evidence:.2f} +- {found.log_evidence_error:.2f}, relative to the saturated model"
    else:
        size = f"{found.ensembles} ensembles of {found.walkers} walkers and {found.steps} steps, the first {found.warm_up} left out"
        end = f"seed {found.seed}; acceptance {found.acceptance:.2f}"
    return [
        look.headline(result.about),
        f"{found.method}, {100 * found.cl:g} %; priors: {'; '.join(map(prior_text, found.priors))}; all others {others}",
        f"{size}; {end}",
    ]


def write_posterior(result: Posterior, folder: Path) -> Path:
    """Write the table of all parameters, and return its path."""
    found = result.numbers
    headers = ["parameter", "mean", "sd", *(f"quantile_{q:g}" for q in QUANTILES), "r_hat", "ess_bulk", "ess_tail", "autocorrelation"]
    rows = [
        [one.name, *map(cell, (one.mean, one.sd, *one.quantiles, one.r_hat, one.ess_bulk, one.ess_tail, one.autocorrelation))]
        for one in found.marginals
    ]
    branches = ", ".join(f"[{low:.6g}, {high:.6g}]" for low, high in found.intervals)
    comments = [
        *notes_of(result),
        *result.about.notes,
        f"{found.poi}: {branches}",
        *([f"not converged: {found.reason}"] if found.reason else []),
    ]
    return write_rows(folder / TABLE, comments, headers, rows)


def picture_notes(result: Posterior, look: Look) -> list[str]:
    """Return the caption of a picture: `notes_of`, the Lagrangian, and why it cannot be trusted."""
    return [text for text in (*notes_of(result, look), result.about.lagrangian, result.doubt) if text]


def posterior_picture(result: Posterior, ax: Axes | None = None, look: Look = SCREEN) -> Figure:
    """Return the picture of the posterior of the parameter of interest."""
    found, look = result.numbers, look.naming(result.about)
    log, unit = found.poi in logarithmic(result), result.units[result.names.index(found.poi)]
    return posterior_figure(
        result.sample, found.intervals, AxisLabel(found.poi, unit), log=log, notes=picture_notes(result, look), look=look, ax=ax
    )


def logarithmic(result: Posterior) -> set[str]:
    """Return the parameters whose priors are flat in their logarithms."""
    return {prior.name for prior in result.numbers.priors if prior.log}
