"""Expected Feldman-Cousins limits of a counting experiment, against the published limits of each count."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson

import cevnsfit as cf
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.critical import ordered
from cevnsfit.infer.hypothesis import hypothesis
from cevnsfit.infer.runner import HERE
from cevnsfit.infer.sensitivity import SIGMAS, Outlook, outlook
from cevnsfit.infer.toys import Toys
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.gaussian import Errors
from cevnsfit.stats.joint import join

BACKGROUND = 3.0
LIMITS = (1.08, 1.88, 3.04, 4.42, 5.60, 6.99, 8.47, 9.53, 10.99, 12.30, 13.50)
"""Feldman and Cousins, Phys. Rev. D 57 (1998) 3873, table IV: upper ends at 90 % CL for 0 to 10 events on 3."""


TABLE_X = (0.40, 0.81, 1.64, 2.64, 3.64)
"""Table X: upper ends at 90 % CL for measured values of -2 to 2, in units of their error."""

RULE = Coefficients(("mu",), np.array([[1], [0]]), np.ones((2, 1)), np.ones((2, 1)), np.full(2, -1), np.zeros(2, dtype=np.int64))


def expected(background: float, errors: Errors | None = None) -> Outlook:
    """Return a strength of at least 0 on a known background, without signal."""
    channel = Channel(
        "one", np.array([[1.0], [background]]), RULE, ("cevns", "background"), np.array([background]), None, (1,), errors=errors
    )
    joint = join(ParameterSet((Parameter("mu", "polynomial", 0.0, lower=-5.0, least=0.0),)), (channel,))
    test = hypothesis(joint, "mu", 0.0)
    return outlook(test, test, ("one",), cl=0.9, dof=1)


def test_median_and_bands_of_a_bounded_gaussian() -> None:
    found = ordered(expected(50.0, Errors(np.ones(1), np.ones(1))), Toys(1024, 1), HERE)
    assert found.bands == pytest.approx(TABLE_X, abs=0.25)
    assert found.limit == pytest.approx(1.64, abs=0.15)


@pytest.mark.slow
def test_median_and_bands_are_those_of_the_counts_that_are_expected() -> None:
    found = ordered(expected(BACKGROUND), Toys(1024, 1), HERE)
    assert found.valid
    assert "Feldman-Cousins" in found.median.method
    assert found.limit == pytest.approx(LIMITS[3], abs=0.75)  # critical values of few counts jump between nodes
    counts = [int(poisson.ppf(float(p), BACKGROUND)) for p in (0.02275, 0.15866, 0.5, 0.84134, 0.97725)]
    assert counts == [0, 1, 3, 5, 7]
    assert len(found.bands) == len(SIGMAS)
    for limit, count in zip(found.bands, counts, strict=True):
        assert limit == pytest.approx(LIMITS[count], abs=0.75)


@pytest.mark.parametrize(
    ("asked", "message"),
    [({"method": "cls"}, "unknown method 'cls'"), ({"method": "feldman-cousins", "dof": 2}, "no other degrees of freedom")],
)
def test_what_cannot_be_asked(asked: dict[str, object], message: str) -> None:
    likelihood = cf.build_likelihood("ccm-200", model="signal-strength")
    with pytest.raises(CevnsfitError, match=message):
        cf.forecast(likelihood, **asked)  # type: ignore[call-overload]
