"""Expected Feldman-Cousins limits of a counting experiment, against the published limits of each count."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson

import cevnsfit as cf
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.expected_order import ordered
from cevnsfit.infer.hypothesis import hypothesis
from cevnsfit.infer.runner import HERE
from cevnsfit.infer.sensitivity import SIGMAS, outlook
from cevnsfit.infer.toys import Toys
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.joint import join

BACKGROUND = 3.0
LIMITS = (1.08, 1.88, 3.04, 4.42, 5.60, 6.99, 8.47, 9.53, 10.99, 12.30, 13.50)
"""Feldman and Cousins, Phys. Rev. D 57 (1998) 3873, table IV: upper ends at 90 % CL for 0 to 10 events on 3."""


@pytest.mark.slow
def test_median_and_bands_are_those_of_the_counts_that_are_expected() -> None:
    rule = Coefficients(("mu",), np.array([[1], [0]]), np.ones((2, 1)), np.ones((2, 1)), np.full(2, -1), np.zeros(2, dtype=np.int64))
    channel = Channel("one", np.array([[1.0], [BACKGROUND]]), rule, ("cevns", "background"), np.array([BACKGROUND]), None, (1,))
    joint = join(ParameterSet((Parameter("mu", "polynomial", 0.0, lower=0.0),)), (channel,))
    test = hypothesis(joint, "mu", 0.0)
    found = ordered(outlook(test, test, ("one",), cl=0.9, dof=1), Toys(2048, 1), HERE)
    assert found.valid
    assert "Feldman-Cousins" in found.median.method
    assert found.limit == pytest.approx(LIMITS[3], abs=0.5)
    counts = [int(poisson.ppf(float(p), BACKGROUND)) for p in (0.02275, 0.15866, 0.5, 0.84134, 0.97725)]
    assert counts == [0, 1, 3, 5, 7]
    assert len(found.bands) == len(SIGMAS)
    for limit, count in zip(found.bands, counts, strict=True):
        assert limit == pytest.approx(LIMITS[count], abs=0.6)


@pytest.mark.parametrize(
    ("asked", "message"),
    [({"method": "cls"}, "unknown method 'cls'"), ({"method": "feldman-cousins", "dof": 2}, "no other degrees of freedom")],
)
def test_what_cannot_be_asked(asked: dict[str, object], message: str) -> None:
    likelihood = cf.build_likelihood("ccm-200", model="signal-strength")
    with pytest.raises(CevnsfitError, match=message):
        cf.forecast(likelihood, **asked)  # type: ignore[call-overload]
