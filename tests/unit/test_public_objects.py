"""Whatever a public name returns fits a screen when it is printed."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

import cevnsfit as cf
from cevnsfit.cli.main import app
from cevnsfit.core.documents import Document
from cevnsfit.infer.results import PointTest, ToyRecord
from cevnsfit.report.tables import ResultTable
from cevnsfit.studies import shown
from cevnsfit.studies.validate import Check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cevnsfit.stats.likelihood import Likelihood

NAMES: Final = ("coherent-csi-2021", "coherent-lar-2020")
MASS: Final = {"mass": 20.0}


def strength() -> Likelihood:
    return cf.build_likelihood(*NAMES, model="signal-strength")


def stored(likelihood: Likelihood) -> object:
    with TemporaryDirectory() as folder:
        cf.scan(likelihood, mass=[10.0, 30.0, 100.0], g=[1e-4, 1e-3, 1e-2], store=folder)
        return cf.open(folder)


def exported(_: Likelihood) -> object:
    with TemporaryDirectory() as folder:
        cf.export(cf.build_likelihood(NAMES[0], model="signal-strength"), "pyhf", f"{folder}/likelihood.json")
        return cf.load_likelihood(f"{folder}/likelihood.json")


NO_OBJECTS: Final = {"CevnsfitError", "__version__", "export", "import_release", "new_experiment"}
"""An error, a text, and functions that return paths."""

MADE: Final[dict[str, Callable[[Likelihood], object]]] = {
    "Toys": lambda _: cf.Toys(2048, seed=1),
    "build_likelihood": lambda likelihood: likelihood,
    "compare": lambda likelihood: cf.compare(cf.build_likelihood(*NAMES, model="sm"), likelihood, at=MASS),
    "compatibility": lambda _: cf.compatibility(strength()),
    "coverage": lambda _: cf.coverage(strength(), "signal_strength", [1.0], toys=cf.Toys(128)),
    "critical_values": lambda likelihood: cf.critical_values(likelihood, at=MASS, g=[1e-4, 5e-4, 1e-3], toys=cf.Toys(128)),
    "experiment_names": lambda _: cf.experiment_names(),
    "fit": lambda likelihood: cf.fit(likelihood, at=MASS),
    "forecast": lambda likelihood: cf.forecast(likelihood, at=MASS),
    "global_significance": lambda likelihood: cf.global_significance(likelihood, "g", mass=[20.0, 100.0]),
    "goodness": lambda likelihood: cf.goodness(likelihood, at=MASS),
    "impacts": lambda likelihood: cf.impacts(likelihood, "g", at=MASS),
    "intervals": lambda likelihood: cf.intervals(likelihood, "g", at=MASS),
    "load_experiment": lambda _: cf.load_experiment(NAMES[1]),
    "load_likelihood": exported,
    "moments": lambda _: cf.moments.susy_scan(2000, cf.moments.SusyInputs(mu_sign="both")),
    "model_names": lambda _: cf.model_names(),
    "open": stored,
    "rates": lambda likelihood: cf.rates(likelihood, at=MASS)[NAMES[1]],
    "posterior": lambda _: cf.posterior(strength(), steps=100, ensembles=2),
    "plot": lambda likelihood: cf.plot(likelihood.counts()),
    "region": lambda _: cf.region(
        cf.build_likelihood(NAMES[0], model="lmu-ltau", changes={"systematics.onset.enabled": False}),
        mass=[300.0, 350.0, 400.0],
        g=np.geomspace(1e-3, 1e-1, 8),
        toys=cf.Toys(128),
    ),
    "scan": lambda likelihood: cf.scan(likelihood, mass=[10.0, 30.0, 100.0], g=[1e-4, 1e-3, 1e-2]),
    "signal_model": lambda _: cf.signal_model("lmu-ltau"),
    "significance": lambda likelihood: cf.significance(likelihood, "g", at=MASS),
    "table": lambda likelihood: cf.table(cf.goodness(likelihood, at=MASS)),
    "validate": lambda _: Check("a", "CsI", "n", "1", 1.0, None, 1.0, None, 0.1, 0.0, True, "x" * 300, "published", "because" * 50),
}
"""What each public name returns; one check in the place of all, which take minutes."""

SLOW: Final = {"compare", "compatibility", "coverage", "forecast", "impacts", "posterior", "region"}


def each(names: Iterable[str]) -> list[Any]:
    """Return the names as parameters; those whose results take seconds run with the slow tests."""
    return [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in names]


@pytest.fixture(scope="module")
def likelihood() -> Likelihood:
    return cf.build_likelihood(*NAMES, model="lmu-ltau")


@pytest.fixture(scope="module")
def made(likelihood: Likelihood) -> Callable[[str], Any]:
    """Return the function that gives what a public name returns, made once."""
    return cache(lambda name: MADE[name](likelihood))


def lines(text: str) -> int:
    """Return the lines of a text on a screen of 100 columns."""
    return sum(max(-(-len(line) // 100), 1) for line in text.split("\n"))


def test_every_public_name_is_looked_at() -> None:
    assert {*MADE, *NO_OBJECTS} == {*cf.__all__}


@pytest.mark.parametrize("name", each(MADE))
def test_what_is_returned_fits_a_screen(name: str, made: Callable[[str], Any]) -> None:
    found = made(name)
    assert lines(repr(found)) <= 24
    if isinstance(found, Document):
        assert type(found).__name__ in repr(found)
        assert json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert found._repr_html_().startswith(f"<table><caption>{type(found).__name__}</caption>")


COMMANDS: Final = {
    "compare": f"compare {' '.join(NAMES)} -m sm -m lmu-ltau --at mass=20",
    "compatibility": f"compatibility {' '.join(NAMES)} -m signal-strength",
    "coverage": f"coverage {' '.join(NAMES)} -m signal-strength --true signal_strength=1 --toys 128",
    "fit": f"fit {' '.join(NAMES)} -m lmu-ltau --at mass=20",
    "forecast": f"forecast {' '.join(NAMES)} -m lmu-ltau --at mass=20",
    "goodness": f"gof {' '.join(NAMES)} -m lmu-ltau --at mass=20",
    "impacts": f"impacts {' '.join(NAMES)} -m lmu-ltau --at mass=20",
    "intervals": f"intervals {' '.join(NAMES)} -m lmu-ltau --at mass=20",
    "posterior": f"posterior {' '.join(NAMES)} -m signal-strength --steps 100 --ensembles 2",
    "rates": f"rates {NAMES[1]} -m lmu-ltau --at mass=20",
    "load_experiment": f"experiments show {NAMES[1]}",
    "signal_model": "models show lmu-ltau",
    "significance": f"significance {' '.join(NAMES)} -m lmu-ltau --at mass=20",
}
"""Commands that give the same results."""

WITHOUT_TABLE: Final = {"Toys", "build_likelihood", "experiment_names", "load_likelihood", "model_names", "plot", "table"}


@pytest.mark.parametrize("name", each(sorted({*MADE} - WITHOUT_TABLE)))
def test_a_result_is_a_table_with_the_text_of_its_command(name: str, made: Callable[[str], Any]) -> None:
    found = cf.table(made(name))
    text = found.text(80)
    for sheet in (part for part in found.parts if not isinstance(part, str)):
        cells = [cell for column in sheet.columns if all(re.match(r"[-+[(]*\d", cell) for cell in column) for cell in column]
        assert [cell for cell in cells if cell not in text] == []
        assert max(map(len, ResultTable((sheet,)).text(80).splitlines())) <= 80
    if name in COMMANDS:
        assert CliRunner().invoke(app, COMMANDS[name].split()).stdout.endswith(f"{found}\n")


@pytest.mark.parametrize("thing", [3, "text", cf.Toys(), (1, 2), {"a": 1}])
def test_what_has_no_table_is_refused_with_what_has_one(thing: object) -> None:
    with pytest.raises(TypeError, match=r"has no table; these have one: ChannelRates, Check, Comparison, Compatibility, .*WhatIf") as error:
        cf.table(thing)
    assert isinstance(error.value, cf.CevnsfitError)


@pytest.mark.parametrize(
    "name",
    each(("coverage", "fit", "forecast", "global_significance", "impacts", "intervals", "open", "posterior", "rates", "region", "scan")),
)
def test_a_result_has_a_picture(name: str, made: Callable[[str], Any]) -> None:
    figure = cf.plot(made(name))
    assert isinstance(figure, Figure)
    assert figure.axes
    given = Figure()
    ax = given.add_subplot()
    if name in {"fit", "impacts", "rates"}:  # these have several axes
        with pytest.raises(cf.CevnsfitError, match="has several axes: draw it without `ax`"):
            cf.plot(made(name), ax=ax)
    else:
        assert cf.plot(made(name), ax=ax) is given
        assert ax.has_data()


@pytest.mark.slow
def test_scans_and_regions_share_a_picture(made: Callable[[str], Any]) -> None:
    ax = Figure().add_subplot()
    cf.plot([made("region"), made("scan")], ax=ax)
    labels = [text.get_text().replace("\n", " ") for text in ax.get_legend().get_texts()]
    found = [label for label in labels if "COHERENT" in label]
    assert found == ["COHERENT CsI 2021 + LAr 2020, excluded", "COHERENT CsI 2021"]


def test_expected_counts_are_drawn_by_experiment_and_axis(likelihood: Likelihood) -> None:
    figure = cf.plot(likelihood.counts(components=True))
    panels = [panel for panel in figure.axes if panel.get_visible()]
    assert len(panels) == 5
    counts = likelihood.counts(components=True)[NAMES[1]]
    stack = sum(patch.get_data().values.sum() for patch in panels[-1].patches[-1:])
    assert stack == pytest.approx(sum(histogram.total for histogram in counts.values()), rel=1e-9)


@pytest.mark.parametrize("thing", [3, cf.Toys(), (), (1, 2), {}])
def test_what_has_no_picture_is_refused_with_what_has_one(thing: object) -> None:
    with pytest.raises(
        TypeError, match=r"has no picture; these have one: ChannelRates, Comparison, Compatibility, CoverageStudy, .*WhatIf"
    ):
        cf.plot(thing)


@pytest.mark.slow
def test_a_result_has_pictures_of_several_kinds(made: Callable[[str], Any]) -> None:
    fit, posterior = made("fit"), made("posterior")
    (matrix,) = cf.plot(fit, kind="correlations").axes
    assert len(matrix.get_yticklabels()) == len(fit.floating)
    assert "pull" in cf.plot(fit, kind="pulls").axes[0].get_xlabel()
    assert any("minus" in text.get_text() for ax in cf.plot([fit], kind="subtracted").axes for text in ax.texts)
    assert len(cf.plot(posterior, kind="corner").axes) == min(len(posterior.names), 5) ** 2
    with pytest.raises(TypeError, match="a Fit has no picture 'corner'; it has spectra, subtracted, pulls, correlations"):
        cf.plot(fit, kind="corner")
    with pytest.raises(TypeError, match="'pulls' is one of a single Fit"):
        cf.plot([fit, fit], kind="pulls")


def test_toys_are_drawn_where_there_are_some(made: Callable[[str], Any]) -> None:
    with pytest.raises(cf.CevnsfitError, match="has no pseudo-experiments to draw"):
        cf.plot(made("goodness"))
    record = ToyRecord(1, (PointTest(0.0, 3.0, 0.25, 0.1, 4, 0, True, (np.array([1.0, 2.0, 2.5, 4.0]),)),))
    (ax,) = cf.plot(replace(made("goodness"), toys=record)).axes
    assert [text.get_text() for text in ax.get_legend().get_texts()][:2] == ["4 toys", "asymptotic"]


def test_what_is_shown_and_how_exists() -> None:
    known = {
        node.name
        for path in Path(shown.__file__).parents[1].rglob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    pictures = [kinds for homes in (shown._PICTURES, shown._TOGETHER) for kinds in homes.values()]
    assert {*shown._PICTURES, *shown._TOGETHER} <= known
    for homes in (shown._TEXTS, shown._LISTS, *pictures):
        assert homes in pictures or {*homes} <= known
        for home in homes.values():
            assert callable(shown._function(home))


def test_a_likelihood_says_in_one_line_what_it_is(likelihood: Likelihood) -> None:
    assert repr(likelihood) == (
        "Likelihood(lmu-ltau, [coherent-csi-2021, coherent-lar-2020]: 1059 bins; [g, mass] floating, 18 nuisances, 1 shared)"
    )
    assert likelihood.to_dict()["bins"] == {NAMES[0]: 99, NAMES[1]: 960}
    assert cf.build_likelihood(NAMES[0], model="sm").to_dict()["shared"] == 0


def test_an_experiment_shows_its_target_bins_and_events() -> None:
    found = cf.load_experiment("coherent-csi-2017").to_dict()
    assert found["target"].startswith("CsI, 14.")
    assert found["bins"] == found["axes"]["pe"] * found["axes"]["time"]
    assert found["observed"] == 547
    assert cf.load_experiment("ccm-200").observed is None


def test_no_document_has_the_long_text_of_a_dataclass() -> None:
    for module in walk_packages(import_module("cevnsfit").__path__, "cevnsfit."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    known = [Document]
    for kind in known:
        known += [other for other in kind.__subclasses__() if other.__module__.startswith("cevnsfit.")]
    assert len(known) > 20
    own = [kind.__name__ for kind in known if kind.__repr__ is not Document.__repr__ and kind.__name__ != "Likelihood"]
    assert own == []
