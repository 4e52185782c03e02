"""What experiments are expected to exclude by the construction of Feldman and Cousins.

The critical values along the parameter are found on Asimov data of the true value, once; the median limit is that of these data, and the bands are
those of the limits of pseudo-experiments of the true value, each below the same critical values: they have no pseudo-experiments of their own.

References
----------
Feldman and Cousins, Phys. Rev. D 57 (1998) 3873, section VI, on the sensitivity.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.infer.critical import REMOTE, Heights, allowed_columns, critical_of
from cevnsfit.infer.feldman_cousins import REFINED, STEPS, DecisionRule, decided, first_values
from cevnsfit.infer.hypothesis import at_values, with_best_fit
from cevnsfit.infer.intervals import threshold
from cevnsfit.infer.runner import Call
from cevnsfit.infer.sensitivity import SIGMAS, Sensitivity, discovery_reach, live_bins, outlook, toy_bands, upper_limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cevnsfit.infer.results import PointTest
    from cevnsfit.infer.runner import Procedure, Runner
    from cevnsfit.infer.sensitivity import Outlook
    from cevnsfit.infer.toys import Toys

WIDER: Final = (*STEPS, 2.2, 3.0, 4.0)
"""Steps of sqrt(t), relative to the threshold: fluctuations of two standard deviations lie between them."""


def ordered(expected: Outlook, toys: Toys, run: Runner) -> Sensitivity:
    """Return the expected Feldman-Cousins limit, with its median and bands, and the discovery reach.

    Parameters
    ----------
    expected
        From `sensitivity.outlook`.
    toys
        Number, for each critical value and for the bands, and seed of the pseudo-experiments.
    run
        Where they are generated: the numbers do not depend on it.
    """
    real, asimov = (replace(test, joint=test.joint.physical) for test in (expected.real, expected.asimov))
    expected = outlook(asimov, real, expected.fluctuating, cl=expected.cl, dof=1)
    points = run(_along(expected, toys))
    heights = Heights(np.array([point.value for point in points]), critical_of(points, [expected.cl], 1)[0, 0], log=False)
    (median,) = run(allowed_columns([real], [heights], cl=expected.cl, dof=1))
    limit = upper_limit(median.allowed, real.value, expected.top)
    method = f"Feldman-Cousins, critical values at {len(points)} values with {sum(point.toys for point in points)} toys"
    reach = discovery_reach(asimov, expected.curve.values)
    found = Sensitivity(replace(median, method=method), limit, (limit,) * len(SIGMAS), "", reach, expected.top, live_bins(asimov.joint))
    banded = toy_bands(replace(expected, critical=heights), found, toys, run)
    return replace(banded, failed=banded.failed + sum(point.failed for point in points))


def _along(expected: Outlook, toys: Toys) -> Procedure[Sequence[PointTest]]:
    """Return values on every branch of the profiled curve on Asimov data, tested there."""
    curve, root = expected.curve, math.sqrt(threshold(expected.cl, 1))
    values = first_values(curve, float(curve.nll2.min()), np.multiply(WIDER, root))
    (test,) = yield [Call(with_best_fit, (expected.asimov,))]
    (tests,) = yield [Call(at_values, (test, values))]
    rule = DecisionRule(math.nan, toys, far=REMOTE)
    found = yield [decided(one, (k + 1) << REFINED, rule) for k, one in enumerate(tests)]
    return found
