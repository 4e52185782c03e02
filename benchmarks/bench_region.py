"""One column of a Feldman-Cousins region of the combination in the plane of mass and coupling, by the number of its branches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cevnsfit.infer.feldman_cousins import construction
from cevnsfit.infer.planes import PlaneAxis
from cevnsfit.infer.runner import HERE
from cevnsfit.infer.toy_planes import STRIDE, column_hypotheses
from cevnsfit.infer.toys import Toys

if TYPE_CHECKING:
    from cevnsfit.infer.hypothesis import Hypothesis
    from cevnsfit.stats.likelihood import Likelihood

COLUMNS = 50


@pytest.fixture(scope="module")
def tests(combination: Likelihood) -> tuple[Hypothesis, ...]:
    axes = (
        PlaneAxis("mass", "MeV", np.geomspace(1.0, 1000.0, COLUMNS), "log"),
        PlaneAxis("g", "1", np.geomspace(1e-5, 1e-1, COLUMNS), "log"),
    )
    return HERE(column_hypotheses(combination, axes, at={}, ordering="plane"))


@pytest.mark.parametrize("dof", [2, 0], ids=["near the boundaries", "as an interval"])
@pytest.mark.parametrize("column", [7, 35])
@pytest.mark.benchmark(group="a column of a region")
def bench_column(benchmark: Any, tests: tuple[Hypothesis, ...], column: int, dof: int) -> None:
    def find() -> None:
        found = HERE(construction(tests[column], cl=0.9, toys=Toys(1024, 1), first=column * STRIDE, dof=dof))
        points = [point.toys for point in found.toys.points if point.toys]
        benchmark.extra_info["note"] = f"{len(points)} points with {np.mean(points):.0f} toys"

    benchmark.pedantic(find, rounds=1)
