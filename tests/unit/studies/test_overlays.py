"""The library of limits: its tables against published numbers, recasts that are exact, and refusals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.errors import CevnsfitError, DomainError, UnknownNameError
from cevnsfit.io.releases import import_release
from cevnsfit.physics.borexino import borexino_limit
from cevnsfit.physics.trident import trident_limit, trident_spectrum
from cevnsfit.studies.overlays import labelled, library, overlay, plane_limit

if TYPE_CHECKING:
    from pathlib import Path

GRID = {"mass": np.geomspace(10.0, 200.0, 5), "g": np.geomspace(1e-4, 1e-2, 5)}


def lower(name: str, mass: float, model: str = "lmu-ltau") -> float:
    return overlay(name, model).excluded(mass)[0][0]


@pytest.mark.slow
def test_everything_says_where_it_comes_from_and_is_there_for_its_models() -> None:
    for name, entry in library().items():
        assert all((entry.title, entry.level, entry.source, entry.normalisation, entry.made, entry.models)), name
        for model in entry.models if entry.compute is not None else ():
            points = entry.compute(model, np.geomspace(5.0, 500.0, 3), 0.95)
            assert points.shape[1] == 2, (name, model)
            assert not np.any(points <= 0.0), (name, model)
        for model in {entry.models[0], entry.models[-1]}:
            limit = overlay(name, model, (5.0, 500.0))
            assert limit.name == name
            assert limit.kind == ("band" if entry.kind == "band" else "limit")


@pytest.mark.slow
@pytest.mark.parametrize(("mass", "g"), [(10.0, 0.94e-3), (20.0, 1.00e-3), (50.0, 1.11e-3), (100.0, 1.24e-3), (200.0, 1.46e-3)])
def test_tridents_are_those_of_the_formula(mass: float, g: float) -> None:
    assert lower("ccfr-trident", mass) == pytest.approx(g, rel=0.01)
    assert lower("ccfr-trident", mass) == pytest.approx(float(trident_limit(mass, trident_spectrum())), rel=1e-5)
    assert lower("charm-ii-trident", mass) > lower("ccfr-trident", mass)


def test_points_between_those_of_a_curve_are_right() -> None:
    assert lower("borexino", 33.3) == pytest.approx(float(borexino_limit(33.3)), rel=1e-6)


def test_tridents_scale_with_the_charge_of_the_muon() -> None:
    assert lower("ccfr-trident", 50.0, "b-3l-mu") == pytest.approx(lower("ccfr-trident", 50.0) / 3.0)
    assert lower("ccfr-trident", 50.0, "b-l") == pytest.approx(lower("ccfr-trident", 50.0))


def test_the_old_name_of_tridents() -> None:
    np.testing.assert_array_equal(overlay("neutrino-trident").points, overlay("ccfr-trident").points)


def test_babar_with_four_muons_reaches_the_published_coupling() -> None:
    points = overlay("babar-4mu").points
    assert np.nanmin(points[:, 1]) == pytest.approx(7e-4, rel=0.07)  # "as low as 7e-4", arXiv:1606.03501
    assert np.nanmin(points[:, 0]) > 211.0


def test_belle_ii_and_na64_have_their_published_size() -> None:
    assert lower("belle-ii", 100.0) == pytest.approx(5e-2, rel=0.05)  # arXiv:1912.11276
    mixing = 0.940797 * 2.0 / (137.036 * math.pi)  # of the electron's charge over g, section "loop"
    dark_photon = lower("na64-e", 1.2, "b-l") / math.sqrt(4.0 * math.pi / 137.036)
    assert 5e-6 < dark_photon < 2e-5  # arXiv:1906.00176
    assert lower("na64-e", 1.01) * mixing == pytest.approx(lower("na64-e", 1.01, "b-l"), rel=1e-3)


def test_the_invisible_fraction_of_b_minus_l_is_three_fifths() -> None:
    mixing = 0.940797 * 2.0 / (137.036 * math.pi)
    assert lower("na64-e", 20.0, "b-l") == pytest.approx(math.sqrt(5.0 / 3.0) * lower("na64-e", 20.0) * mixing, rel=2e-3)


def test_n_eff_excludes_light_bosons_at_all_but_the_smallest_couplings() -> None:
    ((low, high),) = overlay("n-eff").excluded(3.0)
    assert low < 1e-8
    assert high == math.inf
    assert overlay("n-eff").excluded(10.0) == ()


def test_a_band_of_another_measurement() -> None:
    found = overlay("muon-2025/muon-2020")
    assert found.excluded(50.0) == overlay("muon-2020").excluded(50.0)
    with pytest.raises(UnknownNameError, match="unknown measurement 'muon-1999'"):
        overlay("muon-1999/muon-2020")


@pytest.mark.parametrize(("name", "model"), [("cms", "lmu-ltau"), ("borexino", "b-3l-mu"), ("ccfr-trident", "le-ltau"), ("n-eff", "b-l")])
def test_a_limit_of_other_models_is_refused(name: str, model: str) -> None:
    with pytest.raises(CevnsfitError, match=f"'{name}' is a limit in .* of the models .* for {model} there is no exact recast"):
        overlay(name, model)


def test_a_file_of_another_model_is_refused(project_root: Path, tmp_path: Path) -> None:
    path = project_root / "data" / "overlays" / "b-l-cms.csv"
    assert overlay(path, "b-l").model == "b-l"
    for limit in (lambda: overlay(path), lambda: plane_limit(path, "lmu-ltau", GRID)):
        with pytest.raises(CevnsfitError, match="a limit in b-l; for lmu-ltau there is no exact recast"):
            limit()
    own = tmp_path / "own.csv"
    own.write_text("# source: us\n# model: L_mu - L_tau in words\nmass [MeV],g [1]\n10,1e-3\n100,1e-3\n", encoding="utf-8")
    assert overlay(own).model == "L_mu - L_tau in words"


def test_names_that_are_unknown_list_the_near_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean .*borexino"):
        overlay("borxino")
    with pytest.raises(UnknownNameError, match="unknown model"):
        overlay("borexino", "lmu-ltua")
    with pytest.raises(DomainError, match="a confidence level is between 0 and 1"):
        overlay("borexino", cl=90.0)
    with pytest.raises(DomainError, match="masses are positive and increase"):
        overlay("borexino", mass=(10.0, 1.0))


def test_a_plane_of_other_parameters_takes_files_only(tmp_path: Path) -> None:
    grid = {"eps_ee_u": np.array([-1.0, 1.0]), "eps_ee_d": np.array([-1.0, 1.0])}
    with pytest.raises(CevnsfitError, match="no exact recast"):
        plane_limit("ccfr-trident", "nsi", grid)
    path = tmp_path / "a.csv"
    path.write_text("# source: us\neps_ee_u [1],eps_ee_d [1]\n-0.5,0.1\n0.5,0.1\n", encoding="utf-8")
    assert plane_limit(path, "nsi", grid).kind == "line"
    with pytest.raises(CevnsfitError, match="the plane is one of g and mass"):
        plane_limit("ccfr-trident", "lmu-ltau", {"g": GRID["g"], "mass": GRID["mass"]})


def test_a_text_is_a_name_a_file_or_has_a_label(tmp_path: Path) -> None:
    path = tmp_path / "a=b.csv"
    path.write_text("# source: us\n# title: theirs\nmass [MeV],g [1]\n10,1e-3\n100,1e-3\n", encoding="utf-8")
    assert labelled("borexino") == (None, "borexino")
    assert labelled("sun=borexino") == ("sun", "borexino")
    assert labelled(str(path)) == (None, str(path))
    assert labelled(f"x={path}") == ("x", str(path))
    assert plane_limit(path, "lmu-ltau", GRID).label == "theirs"
    assert plane_limit("borexino", "lmu-ltau", GRID, "sun").label == "sun"
    for text in ("=borexino", "sun="):
        with pytest.raises(CevnsfitError, match="should read NAME, FILE, LABEL=NAME or LABEL=FILE"):
            labelled(text)


def test_the_shipped_tables_are_those_of_the_importer(shared_data: Path, project_root: Path, tmp_path: Path) -> None:
    for path in import_release("overlays", shared_data / "overlays", tmp_path):
        assert path.read_bytes() == (project_root / "data" / "overlays" / path.name).read_bytes()
