"""Histograms of expected counts speak the protocol that plotting libraries read."""

from __future__ import annotations

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.axes import Axis
from cevnsfit.core.histograms import Histogram

TIME = Axis("time", (-1e-7, 4e-7, 1e-6))
LIGHT = Axis("pe", (8.0, 9.0, 10.0, 12.0))
VALUES = np.arange(6.0).reshape(2, 3)


def test_an_axis_is_a_sequence_of_bins_in_its_unit() -> None:
    assert len(TIME) == 2
    assert list(TIME) == [(-0.1, 0.4), (0.4, 1.0)]
    assert TIME[0] == (-0.1, 0.4)
    assert TIME[-1] == (0.4, 1.0)
    with pytest.raises(IndexError):
        TIME[2]
    assert Axis("time", TIME.edges) == TIME
    assert TIME != LIGHT
    assert (TIME.traits.circular, TIME.traits.discrete) == (False, False)
    assert (TIME.label, LIGHT.label, Axis("f90", (0.5, 0.9)).label) == ("time [us]", "pe [PE]", "f90")


def test_a_histogram_has_values_and_their_poisson_variances() -> None:
    histogram = Histogram((TIME, LIGHT), VALUES)
    assert histogram.kind == "COUNT"
    assert tuple(len(axis) for axis in histogram.axes) == histogram.values().shape
    for numbers in (histogram.values(), histogram.variances(), histogram.counts()):
        np.testing.assert_array_equal(numbers, VALUES)
    assert histogram.total == 15.0
    assert histogram.to_dict() == {
        "axes": [{"name": "time", "edges": [-0.1, 0.4, 1.0], "unit": "us"}, {"name": "pe", "edges": [8.0, 9.0, 10.0, 12.0], "unit": "PE"}],
        "values": VALUES.tolist(),
        "total": 15.0,
    }
    assert repr(histogram) == "Histogram(axes=[time, pe], values=[[0, 1, 2], [3, 4, 5]], total=15)"


def test_it_is_what_uhi_calls_plottable() -> None:
    plottable = pytest.importorskip("uhi.typing.plottable")
    histogram = Histogram((TIME, LIGHT), VALUES)
    assert isinstance(histogram, plottable.PlottableHistogram)
    assert all(isinstance(axis, plottable.PlottableAxisGeneric) for axis in histogram.axes)
    assert isinstance(TIME.traits, plottable.PlottableTraits)
    numpy_plottable = pytest.importorskip("uhi.numpy_plottable")
    assert numpy_plottable.ensure_plottable_histogram(histogram) is histogram


def test_the_counts_of_an_experiment_have_its_axes() -> None:
    experiment = cf.load_experiment("coherent-lar-2020")
    likelihood = cf.build_likelihood(experiment, model="lmu-ltau")
    found = likelihood.counts(mass=20.0, g=5e-4)[experiment.name]
    assert found.axes == experiment.axes
    standard = likelihood.counts()[experiment.name]
    stack = likelihood.counts({"mass": 20.0, "g": 5e-4}, components=True)[experiment.name]
    assert stack["steady_state"].total == pytest.approx(3152.0, rel=1e-3)
    without = likelihood.counts(components=True)[experiment.name]
    assert abs(found.total - standard.total) > 1.0
    assert found.total - standard.total == pytest.approx(stack["cevns"].total - without["cevns"].total, rel=1e-9)
    assert sum(part.total for part in stack.values()) == pytest.approx(found.total, rel=1e-12)
    assert likelihood.with_data("asimov").counts()[experiment.name].axes == experiment.axes
