"""One analysis in plain values: there and back."""

from __future__ import annotations

import dataclasses
import json

import pytest

from cevnsfit.core.analysis import Analysis, Constraint, Correlation
from cevnsfit.core.documents import plain

WHOLE = Analysis(
    experiments=("coherent-csi-2021", "/somewhere/mine"),
    model="lmu-ltau",
    overrides=(("source.distance", "20 m"), ("a.b", "{c: 1}")),
    signal_systematics="shapes",
    allow_overlap=True,
    electrons=True,
    floating=("slepton_log",),
    at=(("mass", 100.0), ("sns_flux", -0.5)),
    constraints=(Constraint("sns_flux", 0.95, 0.03, source="us"), Constraint("r_n_cs", 5.0, 0.2, "fm")),
    correlations=(Correlation("sns_flux", "r_n_cs", 0.5),),
)


def test_plain_values_give_the_analysis_back() -> None:
    values = json.loads(json.dumps(plain(WHOLE)))
    assert Analysis.of(values) == WHOLE
    assert set(values) == {field.name for field in dataclasses.fields(Analysis)}
    assert values["at"] == {"mass": 100.0, "sns_flux": -0.5}
    assert values["overrides"] == [["source.distance", "20 m"], ["a.b", "{c: 1}"]]


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Analysis)])
def test_every_option_survives_alone(name: str) -> None:
    smallest = Analysis(("a",), "sm")
    one = dataclasses.replace(smallest, **{name: getattr(WHOLE, name)})
    assert Analysis.of(plain(one)) == one
    assert one != smallest


def test_options_that_are_not_given_have_their_defaults() -> None:
    assert Analysis.of({"experiments": ["a"], "model": "sm", "overrides": {"x.y": 3}}) == Analysis(("a",), "sm", (("x.y", "3"),))


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"model": "sm"}, KeyError),
        ({"experiments": 3, "model": "sm"}, TypeError),
        ({"experiments": ["a"], "model": "sm", "overrides": ["abc"]}, ValueError),
        ({"experiments": ["a"], "model": "sm", "signal_systematics": "all"}, ValueError),
        ({"experiments": ["a"], "model": "sm", "at": {"mass": "heavy"}}, ValueError),
    ],
)
def test_what_is_no_analysis_is_refused(values: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        Analysis.of(values)


def test_it_is_a_key() -> None:
    assert {WHOLE: 1}[Analysis.of(plain(WHOLE))] == 1
