"""From texts and names to likelihoods."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.analysis import Analysis
from cevnsfit.core.errors import CevnsfitError, DomainError, ResultError, SpecError, UnknownNameError
from cevnsfit.core.parcels import Sender, run_packed
from cevnsfit.core.paths import data_root
from cevnsfit.infer.grid import grid_column, joint_at, prepare_grid
from cevnsfit.physics.interactions import model_names
from cevnsfit.stats.data import observed_or_asimov
from cevnsfit.stats.joint import expected_totals
from cevnsfit.studies.scan import plane_axes
from cevnsfit.studies.setup import (
    all_models,
    build,
    caveat,
    changes_of,
    check_model,
    load_experiments,
    parse_assignments,
    parse_overrides,
    require_files,
    units_of,
)

if TYPE_CHECKING:
    from pathlib import Path

LAR = Analysis(("coherent-lar-2020",), "lmu-ltau")


def test_changes_reach_every_experiment() -> None:
    analysis = Analysis(("coherent-csi-2021", "coherent-lar-2020"), "sm", (("source.distance", "20"),))
    assert [experiment.spec.source.distance for experiment in load_experiments(analysis)] == pytest.approx([2000.0, 2000.0])
    with pytest.raises(SpecError, match=r"--set source\.distance=-1"):
        load_experiments(Analysis(("coherent-csi-2021",), "sm", (("source.distance", "-1"),)))


def test_a_change_reaches_the_experiments_that_have_the_field() -> None:
    both = ("coherent-csi-2021", "coherent-lar-2020")
    analysis = Analysis(both, "sm", (("systematics.f90.enabled", "false"), ("coherent-csi-2021:source.distance", "20 m")))
    assert changes_of(analysis) == ({"source.distance": "20 m"}, {"systematics.f90.enabled": "false"})
    optional = Analysis(both, "sm", (("couplings", "tree"),))  # a field with a default, in neither file
    assert changes_of(optional) == ({"couplings": "tree"}, {"couplings": "tree"})
    folder = data_root() / "experiments" / both[0]
    assert changes_of(Analysis((str(folder), both[1]), "sm", (("coherent-csi-2021:couplings", "tree"),))) == ({"couplings": "tree"}, {})


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("source.distanc", "did you mean distance"),
        ("systematics.f9.enabled", "unknown field in 'systematics.f9.enabled' 'f9'"),
        ("couplins", "did you mean couplings"),
        ("coherent-csi-2021:systematics.f90.enabled", "unknown field in 'systematics.f90.enabled' 'f90'"),
        (
            "coherent-csi-2017:source.distance",
            "unknown experiment among those combined 'coherent-csi-2017'; did you mean coherent-csi-2021",
        ),
    ],
)
def test_a_change_of_nothing_is_an_error(path: str, text: str) -> None:
    with pytest.raises(CevnsfitError, match=text):
        load_experiments(Analysis(("coherent-csi-2021", "coherent-lar-2020"), "sm", ((path, "20"),)))


@pytest.mark.parametrize("value", ["*x", "{a: &x 1, b: *x}", "[&x [1], *x]"])
def test_changes_have_no_aliases(value: str) -> None:
    with pytest.raises(SpecError, match=r"--set source\.distance=.*: aliases \(\*x\) are not allowed"):
        load_experiments(Analysis(("coherent-csi-2021",), "sm", (("source.distance", value),)))


def test_shape_parameters_are_put_into_the_templates_and_the_others_are_held() -> None:
    likelihood = build(LAR)
    joint, held = joint_at(likelihood, {"mass": 100.0, "g": 1e-3, "sns_flux": 0.5})
    assert held == {"g": 1e-3, "sns_flux": 0.5}
    assert "mass" not in joint.parameters
    np.testing.assert_array_equal(joint.channels[0].templates, likelihood.at({"mass": 100.0}).channels[0].templates)


@pytest.mark.parametrize(
    ("at", "error", "text"),
    [
        ({"mas": 1.0}, UnknownNameError, "mass"),
        ({"mass": -1.0}, DomainError, "mass = -1 is outside its domain"),
        ({"mass": float("nan")}, DomainError, "mass = nan"),
        ({"g": 2.0}, DomainError, "g = 2 is outside its domain"),
    ],
)
def test_a_bad_held_value_is_named(at: dict[str, float], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        joint_at(build(LAR), at)


def test_an_unknown_model_lists_the_near_ones_the_released_templates_among_them() -> None:
    assert "released-templates" in all_models()
    with pytest.raises(UnknownNameError, match="released-templates"):
        check_model("released-template")
    with pytest.raises(UnknownNameError, match="lmu-ltau"):
        build(Analysis(("coherent-lar-2020",), "lmu-tau"))


def test_models_with_electrons_say_what_they_leave_out() -> None:
    for model, wanted in (("universal", "CEvNS only"), ("b-l", "CEvNS only"), ("lmu-ltau", ""), ("released-templates", "")):
        assert caveat(Analysis(("coherent-csi-2021",), model)) == wanted
    assert caveat(Analysis(("coherent-csi-2021",), "vector", at=(("q_e", 1.0),))) == "CEvNS only"


def test_with_electrons_the_caveat_is_that_of_experiments_which_cut_them() -> None:
    both = ("coherent-csi-2021", "coherent-lar-2020")
    assert caveat(Analysis(("coherent-csi-2021",), "universal", electrons=True)) == ""
    assert caveat(Analysis(both, "universal", electrons=True)) == "CEvNS only in coherent-lar-2020"
    assert caveat(Analysis(both, "lmu-ltau", electrons=True)) == ""
    seen = (("auxiliary.f90.electrons", "electrons_at_most"),)
    assert caveat(Analysis(("coherent-lar-2020",), "universal", seen, electrons=True)) == ""


def test_experiments_without_data_take_part_with_their_expectation() -> None:
    likelihood = build(Analysis(("coherent-lar-2020", "ccm-200"), "lmu-ltau"))
    joint = likelihood.at({})
    data = observed_or_asimov(joint)
    np.testing.assert_array_equal(data.counts[0], joint.channels[0].observed)
    assert joint.channels[1].observed is None
    np.testing.assert_allclose(data.counts[1], expected_totals(joint, joint.parameters.defaults())[1][0], rtol=1e-12)


def test_assignments_are_names_and_numbers() -> None:
    assert parse_assignments(["mass=1e2", "coherent-lar-2020.f90=-0.5"]) == {"mass": 100.0, "coherent-lar-2020.f90": -0.5}
    assert parse_assignments([]) == {}


def test_assignments_have_the_units_of_the_parameters() -> None:
    units = {**units_of("lmu-ltau"), **units_of("neutron-radii")}
    texts = ["mass=0.1GeV", "r_n_cs=5.2e-13 cm", "g=10%", "coherent-lar-2020.f90=-0.5"]
    assert parse_assignments(texts, units) == pytest.approx({"mass": 100.0, "r_n_cs": 5.2, "g": 0.1, "coherent-lar-2020.f90": -0.5})
    assert parse_assignments(["mass=.5keV"], units) == {"mass": 0.0005}


@pytest.mark.parametrize("model", model_names())
def test_every_unit_of_a_parameter_can_be_written(model: str) -> None:
    """Also powers, and multiples: 2e-40 cm2 is 2 in units of 1e-40 cm2."""
    for name, unit in units_of(model).items():
        text = f"{name}=2{unit.removeprefix('1')}"
        assert parse_assignments([text], {name: unit}) == pytest.approx({name: 2.0})
    assert parse_assignments(["delta_m2=2e-12 MeV^2"], {"delta_m2": "eV2"}) == pytest.approx({"delta_m2": 2.0})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("mass=5km", r"mass: '5km' has the dimension length, not energy; wanted MeV, for example mass=5MeV"),
        ("mass=5MeVnr", r"mass: '5MeVnr' has .*; wanted MeV, for example mass=5MeV"),
        ("mass=5 GEV", r"'GEV' is not a known unit; wanted MeV, for example mass=5MeV"),
        ("g=3MeV", r"wanted no unit, for example g=3$"),
        ("masss=5MeV", r"unknown parameter of the model 'masss'; did you mean mass\?"),
    ],
)
def test_a_unit_of_another_dimension_says_what_would_be_right(text: str, wanted: str) -> None:
    with pytest.raises(CevnsfitError, match=wanted):
        parse_assignments([text], units_of("lmu-ltau"))


@pytest.mark.parametrize("text", ["mass", "mass=", "=3", "mass=heavy", "mass=1=2", ""])
def test_what_is_no_assignment_is_refused(text: str) -> None:
    with pytest.raises(CevnsfitError, match="should read name=value"):
        parse_assignments([text])


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(CevnsfitError, match="'mass' is given twice"):
        parse_assignments(["mass=1", "mass=1"])


def test_changes_keep_their_text_and_the_last_one_counts() -> None:
    assert parse_overrides(["source.distance=20 m", "a.b={c: 1=2}", "source.distance=23"]) == (
        ("source.distance", "23"),
        ("a.b", "{c: 1=2}"),
    )


@pytest.mark.parametrize("text", ["source.distance", "=3", "source.distance=", ":source.distance=3", "ccm-200:=3"])
def test_what_is_no_change_is_refused(text: str) -> None:
    with pytest.raises(CevnsfitError, match="should read PATH=value"):
        parse_overrides([text])


def test_a_worker_gets_the_likelihood_that_was_built(tmp_path: Path) -> None:
    """Once, and whatever becomes of the folder; a second column finds it there."""
    folder = tmp_path / "mine"
    shutil.copytree(data_root() / "experiments" / "ccm-200", folder)
    likelihood = build(Analysis((str(folder),), "lmu-ltau"))
    made = prepare_grid(likelihood, plane_axes(likelihood, {"mass": [10.0, 20.0, 30.0], "g": [1e-4, 2e-4, 3e-4]}), at={})
    shutil.rmtree(folder)
    sent: list[bytes] = []
    sender = Sender(lambda _, content: sent.append(content) or content)
    for index in range(3):
        np.testing.assert_array_equal(run_packed(*sender.packed(grid_column, made, index)).nll2, grid_column(made, index).nll2)
    one, other = (run_packed(*sender.packed(same, made)) for _ in range(2))
    assert one is other is not made
    assert len(sent) == 3  # the grid, its likelihood, its data
    assert b"Likelihood" not in sender.packed(same, made)[0]


def test_files_that_have_changed_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(data_root() / "experiments" / "ccm-200", folder)
    analysis = Analysis((str(folder),), "lmu-ltau")
    known = build(analysis).inputs
    require_files(build(analysis), known)
    likelihood = cf.build_likelihood(folder, model="lmu-ltau")
    description = folder / "experiment.yaml"
    description.write_text(description.read_text(encoding="utf-8") + "# one more line\n", encoding="utf-8")
    with pytest.raises(ResultError, match=r"ccm-200: .* a folder has changed"):
        require_files(build(analysis), known)
    with pytest.raises(ResultError, match=r"ccm-200: .* a folder has changed"):
        cf.forecast(likelihood, at={"mass": 30.0}, vary={"source.exposure_pot": [1e22, 1e23]})


def same(value: object) -> object:
    return value
