"""What goes wrong at the first attempts in Python is answered with what would be right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

import cevnsfit as cf

if TYPE_CHECKING:
    from collections.abc import Callable

    from cevnsfit.stats.likelihood import Likelihood

CSI: Final = "coherent-csi-2021"
AT: Final = {"mass": 100.0}
GRID: Final = {"mass": [10.0, 30.0, 100.0], "g": [1e-4, 1e-3, 1e-2]}
VERBS: Final = ("compatibility", "fit", "forecast", "goodness", "impacts", "intervals", "posterior", "rates", "significance")


@pytest.fixture(scope="module")
def likelihood() -> Likelihood:
    return cf.build_likelihood(CSI, model="lmu-ltau")


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((), {}, "experiments are names, folders .*; got none"),
        (([CSI, "coherent-lar-2020"],), {}, "each an argument of its own; got list"),
        ((3,), {}, "got int"),
        (("coherent-csi-201",), {}, "unknown experiment 'coherent-csi-201'; did you mean coherent-csi-2021"),
        ((CSI,), {"model": "lmu-tau"}, "unknown model 'lmu-tau'; did you mean lmu-ltau"),
        ((CSI,), {"model": None}, "unknown model 'None'"),
        ((CSI,), {"changes": ["source.distance=20"]}, r"changes are a mapping of fields to values, .* not \[source\.distance=20\]"),
        ((CSI,), {"changes": {"source.distnce": "20 m"}}, "did you mean distance"),
        ((CSI,), {"signal_systematics": "profil"}, "unknown treatment of the signal's systematics 'profil'; did you mean profile"),
        ((CSI,), {"floating": "loop_sign"}, r"floating is a list of names: \['loop_sign'\]"),
        ((CSI,), {"floating": ["loop"]}, "unknown parameter 'loop'; did you mean loop_sign"),
    ],
)
def test_a_likelihood_that_cannot_be_built(arguments: tuple[Any, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises(cf.CevnsfitError, match=message):
        cf.build_likelihood(*arguments, **{"model": "lmu-ltau", **options})


@pytest.mark.parametrize("name", VERBS)
@pytest.mark.parametrize(
    ("at", "message"),
    [
        (3, r"held parameters are a mapping, at=\{'mass': 100.0\}, not 3"),
        (["mass=3"], r"not \[mass=3\]"),
        ("mass=3", "not mass=3"),
        ({"mas": 100.0}, "unknown parameter 'mas'; did you mean mass"),
        ({"mass": "0.1GeV"}, "mass is one number in MeV, not '0.1GeV'"),
        ({"mass": [100.0, 200.0]}, r"mass is one number in MeV, not \[100.0, 200.0\]"),
        ({"mass": None}, "mass is one number in MeV, not None"),
        ({"mass": float("nan")}, "mass = nan is outside its domain"),
        ({"mass": -3}, "mass = -3 is outside its domain"),
    ],
)
def test_what_is_held_is_a_mapping_to_numbers(likelihood: Likelihood, name: str, at: Any, message: str) -> None:
    with pytest.raises(cf.CevnsfitError, match=message):
        getattr(cf, name)(likelihood, at=at)


@pytest.mark.parametrize("name", VERBS)
def test_the_first_argument_is_a_likelihood(name: str) -> None:
    for thing, kind in ((CSI, "str"), (cf.load_experiment(CSI), "Experiment")):
        with pytest.raises(cf.CevnsfitError, match=rf"a verb needs a likelihood, which build_likelihood\(.*\) returns, not a {kind}"):
            getattr(cf, name)(thing, at=AT)
    with pytest.raises(TypeError, match="likelihood"):
        getattr(cf, name)()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda it: cf.intervals(it, "gg", at=AT), "unknown parameter 'gg'; did you mean g"),
        (lambda it: cf.intervals(it, 3, at=AT), "unknown parameter '3'"),
        (lambda it: cf.intervals(it, "g", cl=0.9), r"mass must be held .* --at mass=VALUE, in Python at=\{'mass': VALUE\}"),
        (lambda it: cf.intervals(it, "mass", at=AT), "mass is both held .* and the parameter of interest"),
        (lambda it: cf.intervals(it, "g", at=AT, cl=90), "a confidence level lies between 0 and 1"),
        (lambda it: cf.intervals(it, "g", at=AT, method="fc"), "unknown method 'fc'; known: profile, feldman-cousins, cls"),
        (lambda it: cf.intervals(it, "g", at=AT, method="cls", toys=2048), r"toys are a number and a seed, Toys\(2048, seed=1\), not 2048"),
        (lambda it: cf.coverage(it, "g", [1e-3], at=AT, toys=None), "toys are a number and a seed, .* not None"),
        (lambda _: cf.Toys(0), "a number of at least 1"),
        (lambda _: cf.Toys(1.5), "got 1.5 and 1"),
        (cf.scan, r"two parameters, got 0 \(\); give their values as mass=\[...\], g=\[...\]"),
        (lambda it: cf.scan(it, mass=[1, 2, 3]), "got 1 .mass."),
        (lambda it: cf.scan(it, **GRID, jobs=2), "got 3 .mass, g, jobs."),
        (lambda it: cf.scan(it, mass=[], g=[]), "mass: a grid needs at least three increasing values"),
        (lambda it: cf.scan(it, mas=[1, 2, 3], g=GRID["g"]), "unknown parameter 'mas'; did you mean mass"),
        (lambda it: cf.scan(it, mass="1:10:3", g=GRID["g"]), r"mass needs numbers, for example \[1.0, 2.0\], not 1:10:3"),
        (lambda it: cf.scan(it, **GRID, at=3), "held parameters are a mapping"),
        (lambda _: cf.scan(CSI, **GRID), "a verb needs a likelihood"),
        (cf.region, "a plane needs two parameters"),
        (lambda it: cf.coverage(it, "g", [], at=AT), "true values of g are needed"),
        (lambda it: cf.coverage(it, "g", "a", at=AT), r"g needs numbers, for example \[1.0, 2.0\], not a"),
        (lambda it: cf.forecast(it, at=AT, vary=["source.distance"]), r"vary=\{'PATH': \[\.\.\.\]\}"),
        (lambda it: cf.forecast(it, at=AT, vary={"source.distance": "20 m"}), "source.distance needs numbers, .* not 20 m"),
        (lambda _: cf.import_release("coherent-csi", "x", "y"), "unknown release 'coherent-csi'; did you mean coherent-csi-20"),
        (lambda _: cf.import_release("coherent-csi-2017", "x", "y"), "x: is not a folder"),
        (lambda it: cf.export(it, "nope", "x"), "unknown format 'nope'"),
        (lambda it: cf.export(cf.fit(it, at=AT, minos=()), "csv", "x"), "scans .* and likelihoods can be exported, not a Fit"),
        (lambda _: cf.export(3, "csv", "x"), "not a int"),
        (lambda it: it.logpdf("g=1"), "values are numbers or arrays of one shape"),
        (lambda it: it.logpdf({"g": [1e-3, 2e-3], "mass": [1.0, 2.0, 3.0]}), "shape mismatch"),
        (lambda it: it.counts(g=[1e-3, 2e-3]), r"g is one number, not \[0.001, 0.002\]"),
        (lambda it: it.with_data(3), "data are 'asimov', 'toy', or counts by experiment, got 3"),
        (lambda it: it.with_data("asimov", g="1"), "g is one number, not '1'"),
        (lambda it: it.with_data("asimov", keep=["csi"]), f"unknown experiment 'csi'; known: {CSI}"),
    ],
)  # fmt: skip
def test_questions_that_make_no_sense(likelihood: Likelihood, ask: Callable[[Likelihood], object], message: str) -> None:
    with pytest.raises(cf.CevnsfitError, match=message):
        ask(likelihood)


def test_a_scan_is_exported_in_a_format_of_limits(likelihood: Likelihood) -> None:
    scan = cf.scan(likelihood, **GRID)
    with pytest.raises(cf.CevnsfitError, match="unknown format 'hepdat'; did you mean hepdata"):
        cf.export(scan, "hepdat", "x")
    with pytest.raises(cf.CevnsfitError, match="only results of one kind share a picture, not Fit, Scan"):
        cf.plot([scan, cf.fit(likelihood, at=AT, minos=())])


def test_numbers_of_numpy_are_held(likelihood: Likelihood) -> None:
    found = cf.fit(likelihood, at={"mass": np.int64(100), "g": np.float64(1e-3)}, minos=())
    assert found.nll2 == cf.fit(likelihood, at={"mass": 100, "g": 1e-3}, minos=()).nll2
    assert (found.values["mass"], found.values["g"]) == (100.0, 1e-3)
