"""Spectra that change with the energy: systematics of the flux, fractions of flavours, a source in a file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.errors import DomainError, SpecError, UnknownNameError
from cevnsfit.core.paths import data_root
from cevnsfit.model.build import likelihood_of
from cevnsfit.model.signal import fold_signal
from cevnsfit.model.sources import source_of
from cevnsfit.physics.sources import BinnedArrival, Emission, SpectralFactor, pion_decay_at_rest, smooth
from cevnsfit.spec.load import load_experiment
from cevnsfit.spec.tables import read_table
from cevnsfit.stats.joint import expected_totals

if TYPE_CHECKING:
    from pathlib import Path

    from cevnsfit.spec.load import Experiment

SUN = "kind: solar, fluxes: {b8: 5.16e6 / cm**2 / s}, live_time: 1 yr"
REACTOR = "kind: reactor, power: 3 GW, distance: 20 m, live_time: 1 d, fissions: {u235: 60 %, pu239: 40 %}"
SNS = "name: sns, exposure_pot: 1.0e+23, yield_per_pot: 0.09, distance: 20 m"


def made(folder: Path, source: str, systematic: str = "", *, edges: str = "[0.5, 1, 2, 3]", **tables: str) -> Experiment:
    """Return a xenon detector at a source."""
    text = (
        f"schema_version: 1\nname: toy\ntitle: A toy\nstatus: projection\nsource: {{{source}}}\ntarget: {{compound: Xe, mass: 1 t}}\n"
        f"axes:\n  t_recoil: {{unit: keVnr, edges: {edges}}}\n"
    )
    (folder / "experiment.yaml").write_text(text + (f"systematics:\n  shape: {{{systematic}}}\n" if systematic else ""), encoding="utf-8")
    for name, content in tables.items():
        (folder / f"{name}.csv").write_text(content, encoding="utf-8")
    return load_experiment(folder)


def counts(experiment: Experiment, shape: float = 0.0) -> np.ndarray:
    """Return the counts of the Standard Model at a value of the systematic."""
    likelihood = likelihood_of([experiment], "sm")
    values = likelihood.parameters.defaults()
    for k, name in enumerate(likelihood.parameters.names):
        values[k] = shape if name == "toy.shape" else values[k]
    return np.asarray(expected_totals(likelihood.at({}), values)[0][0])


def test_a_factor_of_one_changes_nothing_and_a_line_changes_as_a_curve_does() -> None:
    for spectrum in pion_decay_at_rest().values():
        one, total = SpectralFactor(np.array([10.0, 30.0]), np.array([1.0, 1.0]))(spectrum)
        assert total == pytest.approx(1.0, rel=1e-14)
        energies = np.linspace(0.1, spectrum.end, 50, endpoint=False)
        np.testing.assert_allclose(one.density(energies), spectrum.density(energies), rtol=1e-12, atol=1e-16)
    rising = SpectralFactor(np.array([0.0, 100.0]), np.array([0.0, 2.0]))
    for name, spectrum in pion_decay_at_rest().items():
        changed, total = rising(spectrum)
        assert total == pytest.approx(spectrum.mean() / 50.0, rel=1e-12), name
        assert changed.mean() > spectrum.mean() * (1.0 - 1e-12)
    nothing = SpectralFactor(np.array([1.0, 2.0]), np.array([0.0, 0.0]))
    assert nothing(pion_decay_at_rest()["nu_e"]) == (pion_decay_at_rest()["nu_e"], 0.0)
    emission = Emission("nu_e", (pion_decay_at_rest()["nu_e"],), (BinnedArrival((1.0,)),), np.ones((1, 1)))
    with pytest.raises(DomainError, match="leaves no neutrinos"):
        emission.reshaped(nothing)


def test_a_bin_of_a_flux_may_vanish(tmp_path: Path) -> None:
    flux = "name: sns, exposure_pot: 1.0e+23, distance: 20 m, flux: {flavours: {nu_mu: {table: flux.csv, column: n}}}"
    table = "e_nu_low [MeV],e_nu_high [MeV],n [1]\n0,30,{}\n30,50,3e-3\n"
    changes = "e_nu [MeV],up [1]\n30,-1\n30.001,0\n"
    systematic = "kind: flux-shape, table: changes.csv, up: up"
    found = counts(made(tmp_path, flux, systematic, flux=table.format("2e-3"), changes=changes), 1.0)
    np.testing.assert_allclose(found, counts(made(tmp_path, flux, flux=table.format("0"))), rtol=1e-4)


CHANGES = "# a toy\ne_nu [MeV],flat [%],tilt [1],line [1]\n1,10,-0.2,-0.3\n20,10,0.3,0.6\n60,10,0.3,0.6\n"


@pytest.mark.slow
@pytest.mark.parametrize("source", [SUN, REACTOR, SNS])
def test_a_flat_change_is_one_of_the_rate(tmp_path: Path, source: str) -> None:
    nominal = counts(made(tmp_path, source, edges="[0.1, 0.5, 1]"))
    experiment = made(tmp_path, source, "kind: flux-shape, table: changes.csv, up: flat", edges="[0.1, 0.5, 1]", changes=CHANGES)
    np.testing.assert_allclose(counts(experiment), nominal, rtol=1e-13)
    np.testing.assert_allclose(counts(experiment, 1.0), 1.1 * nominal, rtol=1e-11)
    np.testing.assert_allclose(counts(experiment, -1.0), 0.9 * nominal, rtol=1e-11)


@pytest.mark.slow
def test_a_change_is_that_of_a_source_with_the_changed_spectrum(tmp_path: Path) -> None:
    """The same spectrum as a table of a flux: the reference does not use the systematic."""
    grid = np.linspace(0.5, 15.0, 400)
    density = grid**2 * (16.0 - grid)
    up = 1.0 + np.interp(grid, [1.0, 20.0], [-0.2, 0.3])

    def flux(values: np.ndarray) -> str:
        return "# a toy\ne_nu [MeV],nu_e [1/MeV]\n" + "".join(f"{e!r},{v!r}\n" for e, v in zip(grid.tolist(), values.tolist(), strict=True))

    source = "kind: table, flavours: {nu_e: {table: flux.csv, column: nu_e}}, flux: 1e6 / cm**2 / s, live_time: 100 d, distance: 1 m"
    changed = counts(made(tmp_path, source, flux=flux(density * up)))
    experiment = made(tmp_path, source, "kind: flux-shape, table: changes.csv, up: tilt", flux=flux(density), changes=CHANGES)
    np.testing.assert_allclose(counts(experiment, 1.0), changed, rtol=1e-6)
    assert np.ptp(changed / counts(experiment)) > 0.02


def test_without_a_table_it_is_the_released_error_of_8b(tmp_path: Path) -> None:
    experiment = made(tmp_path, SUN, "kind: flux-shape, spectra: [b8]")
    table = read_table(data_root() / "spectra" / "b8.csv")
    energies = table.values("e_nu")
    nominal, *sides = (smooth(energies, table.values(name)) for name in ("b8", "b8_up", "b8_down"))
    folded = fold_signal(experiment)
    assert folded.variants == ("nominal", "shape:up", "shape:down")
    for flux, (spectrum, total) in zip(folded.fluxes[1:], sides, strict=True):
        weight = flux.weights[0].sum() / folded.flux.weights[0].sum()
        assert weight == pytest.approx((2.0 + total / nominal[1]) / 3.0, rel=1e-4)
        inner = np.linspace(2.0, 14.0, 40)
        third = (
            2.0 * nominal[0].density(inner) + spectrum.density(inner)
        ) / 3.0  # the deviations that ship are those of three standard errors
        np.testing.assert_allclose(flux.spectra[0][0].density(inner), third, rtol=2e-3)
        assert abs(flux.spectra[0][0].mean() - nominal[0].mean()) == pytest.approx(0.036, abs=1e-3)  # MeV


def test_it_acts_on_what_it_names(tmp_path: Path) -> None:
    tilt = "kind: flux-shape, table: changes.csv, up: tilt, spectra: "
    both, *single = (
        counts(made(tmp_path, REACTOR, f"{tilt}{names}", edges="[0.1, 0.5, 1]", changes=CHANGES), 1.0)
        for names in ("[u235, pu239]", "[u235]", "[pu239]")
    )
    nominal = counts(made(tmp_path, REACTOR, edges="[0.1, 0.5, 1]"))
    np.testing.assert_allclose(single[0] + single[1] - nominal, both, rtol=1e-10)
    assert np.all(np.abs(single[0] - single[1]) > 1e-3 * nominal)


def test_it_is_profiled_and_its_gradient_is_right(tmp_path: Path) -> None:
    experiment = made(tmp_path, SUN, "kind: flux-shape, table: changes.csv, up: tilt, shared: true", changes=CHANGES)
    likelihood = likelihood_of([experiment], "sm").with_data("asimov")
    assert "shape" in likelihood.names
    value, slope = likelihood.logpdf({"shape": 0.4}, gradient=True)
    step = 1e-5
    around = [float(np.squeeze(likelihood.logpdf({"shape": 0.4 + sign * step}))) for sign in (1, -1)]
    assert float(np.ravel(slope["shape"] if isinstance(slope, dict) else slope)[0]) == pytest.approx(
        (around[0] - around[1]) / (2 * step), rel=1e-5
    )
    assert float(np.squeeze(value)) < 0.0


@pytest.mark.parametrize(
    ("source", "systematic", "message"),
    [
        (SUN, "kind: flux-shape", "systematics.shape: give table and up"),
        (SUN, "kind: flux-shape, spectra: [hep]", "only the spectrum of b8 has errors that ship"),
        (SUN, "kind: flux-shape, table: changes.csv, up: tlt", "systematics.shape: changes.csv: unknown column 'tlt'; did you mean"),
        (
            SUN,
            "kind: flux-shape, table: percent.csv, up: up",
            "percent.csv: a change of -500% leaves less than no neutrinos; changes are relative",
        ),
        (SUN, "kind: flux-shape, table: back.csv, up: up", "back.csv: column 'e_nu' must increase"),
        (SUN, "kind: flux-shape, table: none.csv, up: up", "none.csv: systematics.shape.table: no such table"),
    ],
)
def test_descriptions_that_are_wrong(tmp_path: Path, source: str, systematic: str, message: str) -> None:
    tables = {"changes": CHANGES, "percent": "e_nu [MeV],up [1]\n1,4\n15,5\n", "back": "e_nu [MeV],up [1]\n2,0.1\n1,0.1\n"}
    with pytest.raises(SpecError) as caught:
        made(tmp_path, source, systematic, **tables)
    assert message in str(caught.value)


def test_spectra_that_the_source_does_not_have(tmp_path: Path) -> None:
    experiment = made(tmp_path, REACTOR, "kind: flux-shape, spectra: [b8]")
    with pytest.raises(UnknownNameError, match=r"in toy, systematics\.shape\.spectra: 'b8'; known: capture, nubar_e, pu239, u235"):
        counts(experiment)


def test_fractions_of_flavours_may_be_curves(tmp_path: Path) -> None:
    third = counts(made(tmp_path, f"{SUN}, fractions: {{nu_e: 0.4, nu_mu: 0.6}}"))
    curve = f"{SUN}, fractions: {{nu_e: {{table: p.csv, column: p}}, nu_mu: {{table: p.csv, column: q}}}}"
    flat = made(tmp_path, curve, p="e_nu [MeV],p [1],q [1]\n1,0.4,0.6\n15,0.4,0.6\n")
    np.testing.assert_allclose(counts(flat), third, rtol=1e-11)
    falling = made(tmp_path, curve, p="e_nu [MeV],p [1],q [1]\n1,0.5,0.5\n15,0.3,0.7\n")
    np.testing.assert_allclose(counts(falling), third, rtol=2e-3)  # CEvNS sees all flavours; their radiative corrections differ
    electron, muon = source_of(falling).emissions
    assert electron.spectra[0].mean() < muon.spectra[0].mean()
    assert electron.weights.sum() + muon.weights.sum() == pytest.approx(5.16e6, rel=1e-9)
    with pytest.raises(SpecError, match=r"source\.fractions\.nu_e: p\.csv: column 'p' reaches 1\.5, and a fraction is at most 1"):
        made(tmp_path, curve, p="e_nu [MeV],p [1],q [1]\n1,1.5,0\n15,1.5,0\n")


def test_a_source_may_have_a_file_of_its_own(tmp_path: Path) -> None:
    lines = {"kind": "reactor", "power": "3 GW", "distance": "20 m", "live_time": "1 d", "fissions": "{u235: 60 %, pu239: 40 %}"}
    (tmp_path / "plant.yaml").write_text("".join(f"{key}: {value}\n" for key, value in lines.items()), encoding="utf-8")
    plain = made(tmp_path, REACTOR)
    experiment = made(tmp_path, "file: plant.yaml")
    assert experiment.spec.source.name == "plant"
    assert "plant.yaml" in experiment.digests
    np.testing.assert_array_equal(counts(experiment), counts(plain))
    np.testing.assert_allclose(counts(made(tmp_path, "file: plant.yaml, distance: 10 m")), 4.0 * counts(plain), rtol=1e-12)
    changed = load_experiment(tmp_path, {"source.power": "6 GW", "source.distance": "20 m"})
    np.testing.assert_allclose(counts(changed), 2.0 * counts(plain), rtol=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("distance: 20 m", "distance: 20", "plant.yaml:3: source.distance: 20 has no unit"),
        ("distance: 20 m", "distanse: 20 m", "plant.yaml:3: source.distanse: unknown field 'distanse'; did you mean distance"),
        ("power: 3 GW\n", "", "source: give either power (thermal), or flux"),
        ("kind: reactor\n", "kind: [\n", "plant.yaml:"),
    ],
)
def test_problems_of_the_file_of_a_source(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = "kind: reactor\npower: 3 GW\ndistance: 20 m\nlive_time: 1 d\nfissions: {u235: 60 %, pu239: 40 %}\n"
    assert old in text
    (tmp_path / "plant.yaml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        made(tmp_path, "file: plant.yaml")
    assert message in str(caught.value)


def test_a_file_of_a_source_that_is_not_there_or_outside(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"plant\.yaml: no such file"):
        made(tmp_path, "file: plant.yaml")
    with pytest.raises(SpecError, match=r"source\.file: '\.\./plant\.yaml' should match pattern"):
        made(tmp_path, f"{REACTOR}, file: ../plant.yaml")


def test_a_facility_can_be_the_start_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "beam.yaml").write_text("name: sns\nyield_per_pot: 0.09\ndistance: 20 m\n", encoding="utf-8")
    np.testing.assert_array_equal(counts(made(tmp_path, "file: beam.yaml, exposure_pot: 1.0e+23")), counts(made(tmp_path, SNS)))


def test_channels_change_fields_of_the_file_of_a_source(tmp_path: Path) -> None:
    (tmp_path / "beam.yaml").write_text(
        "kind: reactor\npower: 3 GW\ndistance: 20 m\nlive_time: 1 d\nfissions: {u235: 60 %, pu239: 40 %}\n", encoding="utf-8"
    )
    made(tmp_path, "file: beam.yaml")
    with (tmp_path / "experiment.yaml").open("a", encoding="utf-8") as file:
        file.write("channels:\n  near: {}\n  far: {source.distance: 40 m, source.fissions.u235: 59 %, source.fissions.pu239: 41 %}\n")
    near, far = load_experiment(tmp_path).parts
    assert (near.spec.source.distance, far.spec.source.distance) == (2000.0, 4000.0)
    assert (near.spec.source.fissions["u235"], far.spec.source.fissions["u235"]) == (0.6, 0.59)
    assert "beam.yaml" in load_experiment(tmp_path).digests
