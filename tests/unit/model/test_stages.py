"""Kinds of response stages: each has a function, one without is refused, and a further one needs its schema and its function only."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import numpy as np
import pytest
from pydantic import Field
from scipy import stats

from cevnsfit.core.errors import UnknownNameError
from cevnsfit.detector.response import Smear, Weight
from cevnsfit.model.build import likelihood_of
from cevnsfit.model.stages import STAGES
from cevnsfit.spec.fields import EnergyAxis, Name, Spec
from cevnsfit.spec.instrument import GaussianSmearing, Stage
from cevnsfit.spec.load import load_experiment
from cevnsfit.spec.schema import ExperimentSpec
from cevnsfit.stats.joint import expected


class Shade(Spec):
    """A window that lets a part through."""

    kind: Literal["shade"]
    axis: EnergyAxis
    part: float


class ShadedSpec(ExperimentSpec):
    response: dict[Name, Annotated[Stage | Shade, Field(discriminator="kind")]]


def counts(changes: dict[str, object]) -> np.ndarray:
    joint = likelihood_of([load_experiment("ccm-200", changes)], "sm").at({})
    return expected(joint, joint.parameters.defaults())["ccm-200"]["cevns"]


def test_a_further_kind_needs_its_schema_and_its_function_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cevnsfit.spec.load.ExperimentSpec", ShadedSpec)
    monkeypatch.setitem(STAGES, "shade", lambda entry, _: Weight(entry.axis, lambda x: np.full_like(x, entry.part)))
    shade = {"kind": "shade", "axis": "e_ee", "part": 0.25}
    np.testing.assert_allclose(counts({"response.shade": shade}), 0.25 * counts({}), rtol=1e-12)


def test_every_kind_of_the_schema_has_a_function() -> None:
    union, *_ = get_args(Stage)
    kinds = [kind for entry in get_args(union) for kind in get_args(entry.model_fields["kind"].annotation)]
    assert sorted(kinds) == sorted(STAGES)


def test_a_kind_without_a_function_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(STAGES, "poisson-smearing")
    with pytest.raises(UnknownNameError, match=r"unknown kind of response stage 'poisson-smearing'; did you mean .*gaussian-smearing"):
        likelihood_of([load_experiment("coherent-csi-2017")], "sm")


def test_a_gaussian_smearing_is_the_normal_distribution_of_its_width() -> None:
    entry = GaussianSmearing.model_validate(
        {"kind": "gaussian-smearing", "noise": "0.3 keVee", "stochastic": "0.2 keVee**0.5", "linear": "0.1"}
    )
    mean, edges = np.array([1e-3, 4e-3]), np.array([0.0, 1e-3, 2e-3, 5e-3])
    sigma = 1e-3 * np.sqrt(0.3**2 + 0.2**2 * np.array([1.0, 4.0]) + 0.1**2 * np.array([1.0, 16.0]))
    stage = STAGES["gaussian-smearing"](entry, {})
    assert isinstance(stage, Smear)
    np.testing.assert_allclose(stage.probabilities(mean, edges), np.diff(stats.norm.cdf(edges[:, None], mean, sigma), axis=0), rtol=1e-12)
