"""The scan of sleptons, and the CEvNS limit that follows for L_mu - L_tau."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.analysis import Analysis
from cevnsfit.core.errors import DomainError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.moments.sleptons import CHUNK, Draw, SusyScan, susy_chunk
from cevnsfit.studies.limits import intervals
from cevnsfit.studies.setup import build
from cevnsfit.studies.workers import results

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from cevnsfit.infer.intervals import Intervals
    from cevnsfit.moments.measured import Deviation


@on_one_thread
def susy_scan(
    points: int,
    deviations: tuple[Deviation, Deviation],
    *,
    seed: int = 0,
    sigmas: float = 2.0,
    mu_sign: int = 1,
    progress: Callable[[int, int], None] | None = None,
    executor: Executor | None = None,
) -> SusyScan:
    """Return the points that explain both deviations.

    Masses (`MASSES`) are uniform in 100 GeV-1 TeV and tan beta in 10-50; the hierarchy m_stau/m_smuon is log-uniform in 1-100
    and common to both states, so that it decides the kinetic mixing of L_mu - L_tau and nothing else.

    Parameters
    ----------
    points
        How many to draw.
    deviations
        Those of electron and muon, from `deviation`.
    seed
        Of the points; chunks of `CHUNK` have streams of their own.
    sigmas
        Largest distance from each deviation in errors.
    mu_sign
        Sign of mu.
    progress
        Called with (finished, all) chunks.
    executor
        Where chunks are computed; this process by default. The numbers do not depend on it.

    Raises
    ------
    DomainError
        If a number is not positive or `mu_sign` is not 1 or -1.
    """
    if points < 1 or not sigmas > 0.0 or mu_sign not in {1, -1}:
        message = f"points and sigmas are positive and the sign of mu is 1 or -1, got {points}, {sigmas:g} and {mu_sign}"
        raise DomainError(message)
    draw = Draw(*deviations, sigmas, seed, mu_sign)
    tasks = [(draw, number, min(CHUNK, points - start)) for number, start in enumerate(range(0, points, CHUNK))]
    found = results(executor, susy_chunk, tasks, progress)
    columns = {name: np.concatenate([kept[name] for kept, _ in found]) for name in found[0][0]}
    return SusyScan(columns, points, sum(physical for _, physical in found), *deviations, sigmas)


@on_one_thread
def hierarchy_limits(scan: SusyScan, experiments: Sequence[str], *, mass: float, cl: float = 0.90) -> dict[str, Intervals]:
    """Return the CEvNS intervals of g in L_mu - L_tau at the smallest, median and largest hierarchy of the kept points.

    Parameters
    ----------
    scan
        The kept points; without any the result is empty.
    experiments
        Names or folders.
    mass
        Of the boson in MeV.
    cl
        Confidence level, one degree of freedom.
    """
    analysis = Analysis(tuple(experiments), "lmu-ltau")
    likelihood = build(analysis)
    return {name: intervals(likelihood, at={"mass": mass, "slepton_log": log}, cl=cl) for name, log in scan.slepton_logs.items()}
