"""Form factors and numbers of electrons that a folder brings in tables, and form factors that are uncertain."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.errors import CevnsfitError, SpecError
from cevnsfit.core.paths import data_root
from cevnsfit.physics.form_factors import Tabulated, helm, klein_nystrand
from cevnsfit.physics.nuclei import composition

NUCLEI = {nuclide.symbol: nuclide for nuclide, _ in composition("CsI")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(data_root() / "experiments" / "coherent-csi-2021", tmp_path / "csi"))


def written(folder: Path, name: str, header: str, *columns: np.ndarray) -> None:
    rows = "\n".join(",".join(f"{value:.12g}" for value in row) for row in zip(*columns, strict=True))
    (folder / name).write_text(f"{header}\n{rows}\n", encoding="utf-8")


def described(folder: Path, field: str) -> Path:
    """Add a field to the target of an experiment."""
    text = (folder / "experiment.yaml").read_text(encoding="utf-8")
    assert "\ntarget: {" in text
    (folder / "experiment.yaml").write_text(text.replace("\ntarget: {", f"\ntarget: {{{field}, "), encoding="utf-8")
    return folder


def curves(folder: Path, last: float = 120.0, first: float = 1.0, protons: str = "F_p") -> Path:
    """Give both nuclides the Klein-Nystrand form factor in tables."""
    q = np.linspace(0.0, last, 241)
    for symbol, nuclide in NUCLEI.items():
        own = first * klein_nystrand(q, nuclide.r_p), klein_nystrand(q, nuclide.r_n)
        written(folder, f"{symbol}.csv", "q [MeV],F_p [1],F_n [1]", q, *own)
    entries = (f"{symbol}: {{table: {symbol}.csv, protons: {protons}, neutrons: F_n}}" for symbol in NUCLEI)
    return described(folder, f"form_factors: {{{', '.join(entries)}}}")


def test_a_table_of_a_known_form_factor_gives_its_counts(folder: Path) -> None:
    named = cf.rates(cf.build_likelihood("coherent-csi-2021", model="sm", changes={"form_factor": "klein-nystrand"}))
    own = cf.rates(cf.build_likelihood(curves(folder), model="sm"))
    helm_counts = cf.rates(cf.build_likelihood("coherent-csi-2021", model="sm"))
    one, other, default = (found["coherent-csi-2021"].signal for found in (own, named, helm_counts))
    np.testing.assert_allclose(one, other, rtol=1e-5)
    assert abs(np.sum(other) / np.sum(default) - 1.0) > 1e-4


def test_the_radius_stretches_a_table() -> None:
    q = np.linspace(0.0, 150.0, 301)
    radius = NUCLEI["Cs"].r_n
    table = Tabulated({133: (q, helm(q, radius), radius)}, lambda *_: np.zeros(3))
    at = np.array([0.0, 20.0, 60.0])
    np.testing.assert_allclose(table(at, 1.1 * radius, 133), helm(1.1 * at, radius), rtol=1e-4)
    np.testing.assert_array_equal(table(at, radius, 127), np.zeros(3))


def test_a_table_that_ends_too_soon_or_does_not_begin_with_one_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CevnsfitError, match="known up to q = 60 MeV, and is needed at"):
        cf.build_likelihood(curves(folder, last=60.0), model="sm")
    second = Path(shutil.copytree(data_root() / "experiments" / "coherent-csi-2021", tmp_path / "second"))
    with pytest.raises(SpecError, match=r"target.form_factors.Cs: Cs.csv: column 'F_p' must be 1 at q = 0"):
        cf.build_likelihood(curves(second, first=0.9), model="sm")
    third = Path(shutil.copytree(data_root() / "experiments" / "coherent-csi-2021", tmp_path / "third"))
    with pytest.raises(SpecError, match=r"unknown column 'F_q'"):
        cf.build_likelihood(curves(third, protons="F_q"), model="sm")


def test_brought_numbers_of_electrons_scale_their_scattering(folder: Path) -> None:
    energies = np.array([1e-3, 10.0])
    field = "electrons: {Cs: {table: z.csv, column: number}, I: {table: z.csv, column: number}}"
    written(described(folder, field), "z.csv", "e_ee [keVee],number [1]", energies, np.array([11.0, 11.0]))
    at = {"millicharge_nu_e": 1e-7}
    counts = {
        name: cf.rates(cf.build_likelihood(experiment, model="millicharge", electrons=electrons), at=at)["coherent-csi-2021"].signal
        for name, experiment, electrons in (("nuclei", folder, False), ("all", folder, True), ("shells", "coherent-csi-2021", True))
    }
    of_electrons, of_shells = np.sum(counts["all"] - counts["nuclei"]), np.sum(counts["shells"] - counts["nuclei"])
    assert 0.0 < of_electrons < of_shells
    (folder / "z.csv").write_text("e_ee [keVee],number [1]\n0.001,22\n10,22\n", encoding="utf-8")
    twice = cf.rates(cf.build_likelihood(folder, model="millicharge", electrons=True), at=at)["coherent-csi-2021"].signal
    assert np.sum(twice - counts["nuclei"]) == pytest.approx(2.0 * of_electrons, rel=1e-10, abs=0.0)
    (folder / "z.csv").write_text("e_ee [keVee],number [1]\n0.001,22\n10,60\n", encoding="utf-8")
    with pytest.raises(SpecError, match="column 'number' reaches 60, but Cs has 55 electrons"):
        cf.build_likelihood(folder, model="millicharge", electrons=True)


def csi(at: dict[str, float] | None = None, **changes: object) -> np.ndarray:
    likelihood = cf.build_likelihood("coherent-csi-2021", model="sm", changes=changes)
    return np.asarray(cf.rates(likelihood, at=at)["coherent-csi-2021"].signal)


RADII = {"Cs": (4.804, 5.01), "I": (4.749, 4.94)}


def test_a_deviation_is_what_other_radii_give() -> None:
    changes = {"systematics.radius": {"kind": "form-factor", "sigma": "0.3 fm"}}
    for sign in (1.0, -1.0):
        larger = {name: {"proton": f"{r_p} fm", "neutron": f"{r_n + 0.3 * sign} fm"} for name, (r_p, r_n) in RADII.items()}
        found, wanted = csi({"coherent-csi-2021.radius": sign}, **changes), csi(**{"target.radii": larger})
        np.testing.assert_allclose(found, wanted, rtol=1e-3)  # the ratio is that of nu_mu
        assert np.max(np.abs(found / csi() - 1.0)) > 0.01
    np.testing.assert_allclose(csi({"coherent-csi-2021.radius": 0.0}, **changes), csi(), rtol=1e-12)


def test_another_form_factor_is_mirrored_and_may_be_that_of_one_nucleus() -> None:
    changes = {"systematics.shape": {"kind": "form-factor", "other": "klein-nystrand"}}
    up, nominal = csi({"coherent-csi-2021.shape": 1.0}, **changes), csi()
    np.testing.assert_allclose(up, csi(form_factor="klein-nystrand"), rtol=1e-5)
    np.testing.assert_allclose(csi({"coherent-csi-2021.shape": -1.0}, **changes), 2.0 * nominal - up, rtol=1e-9)
    parts = [
        csi({"coherent-csi-2021.shape": 1.0}, **{"systematics.shape": {"kind": "form-factor", "other": "klein-nystrand", "nuclei": [name]}})
        for name in ("Cs", "I-127")
    ]
    np.testing.assert_allclose(parts[0] + parts[1] - nominal, up, rtol=1e-9)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"sigma": "0.3 fm", "other": "helm"}, "give either sigma"),
        ({}, "give either sigma"),
        ({"sigma": "0.3 fm", "nuclei": ["Ar"]}, "unknown nuclide 'Ar'"),
        ({"other": "helmm"}, "systematics.radius.other"),
    ],
)
def test_what_cannot_be_is_refused(entry: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        csi(**{"systematics.radius": {"kind": "form-factor", **entry}})
