"""Nominal counts without templates are those of the templates."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.model.build import likelihood_of
from cevnsfit.physics.interactions import model_names, signal_model
from cevnsfit.spec.load import load_experiment

if TYPE_CHECKING:
    from cevnsfit.spec.load import Experiment


@cache
def shipped(name: str) -> Experiment:
    return load_experiment(name)


@pytest.mark.parametrize("model", model_names())
def test_every_model_gives_the_counts_of_its_templates(model: str) -> None:
    electrons = signal_model(model).electrons is not None
    likelihood = likelihood_of([shipped("coherent-csi-2021"), shipped("coherent-lar-2020")], model, electrons=electrons)
    rng = np.random.default_rng(7)
    free = [p for p in likelihood.parameters if p.kind != "nuisance"]
    values = {p.name: p.default * float(rng.uniform(0.9, 1.1)) if p.default != 0 else float(rng.uniform(0.0, 1e-3)) for p in free}
    values = {p.name: min(max(values[p.name], p.lower), p.upper) for p in free}
    assert likelihood.nominal is not None
    stacks = likelihood.counts(values, components=True)
    for name, histogram in replace(likelihood, nominal=None).counts(values).items():
        counts = histogram.values()
        np.testing.assert_allclose(likelihood.counts(values)[name].values(), counts, rtol=1e-11, atol=1e-12 * counts.max())
        stack = np.sum([part.values() for part in stacks[name].values()], axis=0)
        np.testing.assert_allclose(stack, counts, rtol=1e-13, atol=1e-13 * counts.max())


def test_released_templates_have_counts_too() -> None:
    likelihood = likelihood_of([shipped("coherent-lar-2020")], "released-templates")
    one, two = (likelihood.counts({"signal_strength": value})["coherent-lar-2020"] for value in (1.0, 2.0))
    assert two.total - one.total == pytest.approx(128.0, abs=0.5)
