"""Kinds of systematics: each has a class, an unknown one is refused, and a further one needs its schema and its class only."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import numpy as np
import pytest
from pydantic import Field

from cevnsfit.core.errors import SpecError, UnknownNameError
from cevnsfit.core.parameters import Parameter
from cevnsfit.model.build import likelihood_of
from cevnsfit.model.effect import NOMINAL, Effect, SignalRow
from cevnsfit.model.rows import LINEAR, Excursion
from cevnsfit.model.systematics import EFFECTS, effect_of
from cevnsfit.spec.fields import SIGNAL, Name
from cevnsfit.spec.load import load_experiment
from cevnsfit.spec.schema import ExperimentSpec
from cevnsfit.spec.systematics import Systematic, SystematicSpec
from cevnsfit.stats.joint import expected

CSI = "coherent-csi-2017"
BENT = {"kind": "bend", "size": 0.1, "component": SIGNAL}


class Bend(SystematicSpec):
    """Counts that change by size x (slope x + curvature x^2), x from -1 to 1 through all bins: one kind, two parameters."""

    kind: Literal["bend"]
    size: float
    component: Name

    @property
    def acts_on(self) -> tuple[str, ...]:
        return (self.component,)


class BendEffect(Effect[Bend]):
    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(Parameter(f"{self.name}_{what}", "nuisance", 0.0, -5.0, 5.0, constrained=True) for what in ("slope", "curvature"))

    def bends(self, bins: int) -> list[tuple[Excursion, np.ndarray]]:
        x = np.linspace(-1.0, 1.0, bins)
        return [(Excursion(p.name, LINEAR), self.entry.size * x**power) for p, power in zip(self.parameters, (1, 2), strict=True)]

    def signal_rows(self, folded):
        return tuple(SignalRow(excursion, folded.variant(NOMINAL), bend) for excursion, bend in self.bends(len(folded.standard)))

    def background_rows(self, name, template):
        assert name == self.entry.component
        return tuple((excursion, bend * template) for excursion, bend in self.bends(len(template)))


class BendableSpec(ExperimentSpec):
    systematics: dict[Name, Annotated[Systematic | Bend, Field(discriminator="kind")]] = Field(default_factory=dict)


@pytest.fixture
def bendable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cevnsfit.spec.load.ExperimentSpec", BendableSpec)
    monkeypatch.setitem(EFFECTS, "bend", BendEffect)


def counts(systematic: dict[str, object] | None = None, **values: float) -> dict[str, np.ndarray]:
    experiment = load_experiment(CSI, {} if systematic is None else {"systematics.bent": systematic})
    joint = likelihood_of([experiment], "sm").at({})
    return expected(joint, joint.parameters.vector({f"{CSI}.bent_{key}": value for key, value in values.items()}))[CSI]


@pytest.mark.usefixtures("bendable")
@pytest.mark.parametrize("component", [SIGNAL, "prompt_neutrons"])
def test_a_further_kind_needs_its_schema_and_its_class_only(component: str) -> None:
    plain, bent = counts(), counts({**BENT, "component": component}, slope=1.0, curvature=-2.0)
    x = np.linspace(-1.0, 1.0, len(plain[component]))
    np.testing.assert_allclose(bent[component], plain[component] * (1.0 + 0.1 * x - 0.2 * x**2), rtol=1e-12)
    for other in set(plain) - {component}:
        np.testing.assert_array_equal(bent[other], plain[other])


@pytest.mark.usefixtures("bendable")
@pytest.mark.parametrize(("treatment", "fixed"), [("profile", False), ("shapes", False), ("hold", True)])
def test_all_parameters_of_a_systematic_are_treated_alike(treatment: str, fixed: bool) -> None:
    experiment = load_experiment(CSI, {"systematics.bent": {**BENT, "shared": True}})
    parameters = likelihood_of([experiment], "signal-strength", signal_systematics=treatment).parameters
    assert [parameters[name].fixed for name in ("bent_slope", "bent_curvature")] == [fixed, fixed]


def test_every_kind_of_the_schema_has_a_class() -> None:
    union, *_ = get_args(Systematic)
    kinds = {kind for entry in get_args(union) for kind in get_args(entry.model_fields["kind"].annotation)}
    assert len(kinds) == len(get_args(union))
    assert kinds == set(EFFECTS)


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        SpecError,
        match=r"systematics.bent.*'bend'.*'normalisation', 'response', 'response-nodes', 'energy-scale', 'flux-shape', 'arrival-shift', 'template', 'covariance'",
    ):
        load_experiment(CSI, {"systematics.bent": BENT})


def test_a_kind_without_a_class_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no variant of the response."""
    monkeypatch.setattr("cevnsfit.spec.load.ExperimentSpec", BendableSpec)
    experiment = load_experiment(CSI, {"systematics.bent": BENT})
    known = "arrival-shift, covariance, energy-scale, flux-shape, form-factor, normalisation, response, response-nodes, template"
    with pytest.raises(UnknownNameError, match=f"{CSI}, bent: 'bend'; known: {known}"):
        likelihood_of([experiment], "sm")
    with pytest.raises(UnknownNameError, match="unknown kind of systematic"):
        effect_of(experiment, "bent")
