"""Reactor, sun and tables: fluxes by hand, spectra, and what is wrong with a description."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.errors import AxisError, DomainError, SpecError
from cevnsfit.core.paths import data_root
from cevnsfit.model.flux import highest_energy
from cevnsfit.model.nuclei import mass_fractions
from cevnsfit.model.sources import source_of
from cevnsfit.physics.sources import pion_decay_at_rest, smooth
from cevnsfit.spec.load import load_experiment
from cevnsfit.spec.tables import read_table

if TYPE_CHECKING:
    from pathlib import Path

    from cevnsfit.spec.load import Experiment

POWER = "kind: reactor, power: 2.96 GW, distance: 10.39 m, live_time: 1 d"
TABLE = "kind: table, flavours: {nubar_e: {table: flux.csv, column: nubar_e}}, live_time: 10 s, distance: 1 m"
FLAT = "e_nu [MeV],nubar_e [{}]\n1,2\n2,2\n5,2\n"
URANIUM = "fissions: {u235: 58 %, u238: 8 %, pu239: 29 %, pu241: 5 %}"


def made(folder: Path, source: str, *, table: str = "", axes: str = "") -> Experiment:
    """Return a germanium detector at a source."""
    text = (
        f"schema_version: 1\nname: toy\ntitle: A toy\nstatus: projection\nsource: {{{source}}}\ntarget: {{compound: Ge, mass: 1 kg}}\n"
        f"axes:\n  t_recoil: {{unit: keVnr, edges: [0.1, 5]}}\n{axes}"
    )
    (folder / "experiment.yaml").write_text(text, encoding="utf-8")
    if table:
        (folder / "flux.csv").write_text(table, encoding="utf-8")
    return load_experiment(folder)


def test_the_flux_of_a_reactor_follows_from_its_power(tmp_path: Path) -> None:
    source = source_of(made(tmp_path, f"{POWER}, {URANIUM}, capture: false"))
    (emission,) = source.emissions
    per_fission = {"u235": 5.72, "u238": 6.79, "pu239": 5.13, "pu241": 5.91}
    fractions = {"u235": 0.58, "u238": 0.08, "pu239": 0.29, "pu241": 0.05}
    energies = {"u235": 202.36, "u238": 205.99, "pu239": 211.12, "pu241": 214.26}
    fissions = 2.96e9 / 1.602176634e-13 / sum(fractions[name] * energies[name] for name in fractions)
    flux = fissions * sum(fractions[name] * per_fission[name] for name in fractions) / (4 * math.pi * 1039.0**2)
    assert source.fluence / 86400.0 == pytest.approx(flux, rel=0.01)
    assert emission.flavour == "nubar_e"
    assert emission.weights.sum() == pytest.approx(1.0, rel=1e-12)


def test_captures_add_one_antineutrino_per_fission_below_their_end(tmp_path: Path) -> None:
    bare, full = (source_of(made(tmp_path, f"{POWER}, {URANIUM}, capture: {capture}")) for capture in ("false", "true"))
    per_fission = bare.fluence / (full.fluence - bare.fluence)
    assert per_fission == pytest.approx(5.64 / 1.01, rel=0.01)
    assert full.emissions[0].spectra[-1].end == pytest.approx(1.30)


def test_a_flux_at_the_detector_is_what_it_says(tmp_path: Path) -> None:
    source = source_of(made(tmp_path, f"kind: reactor, flux: 1.5e13 / cm**2 / s, distance: 20.7 m, live_time: 2 d, {URANIUM}"))
    assert source.fluence * source.emissions[0].weights.sum() == pytest.approx(1.5e13 * 2 * 86400.0, rel=1e-12)


def test_the_spectra_of_a_reactor_are_those_of_huber_and_mueller() -> None:
    table = read_table(data_root() / "spectra" / "reactor.csv")
    at = {
        energy: dict(
            zip(("u235", "pu239"), (np.interp(energy, table.values("e_nu"), table.values(n)) for n in ("u235", "pu239")), strict=True)
        )
        for energy in (4.0, 7.5)
    }
    assert at[4.0]["u235"] == pytest.approx(0.292, rel=0.003)
    assert at[7.5]["u235"] == pytest.approx(
        math.exp(np.polynomial.polynomial.polyval(7.5, [4.367, -4.577, 2.1, -0.5294, 0.06186, -0.002777])), rel=1e-4
    )


def test_the_sun_has_its_flavours(tmp_path: Path) -> None:
    experiment = made(
        tmp_path,
        "kind: solar, fluxes: {b8: 5.16e6 / cm**2 / s, hep: 8e3 / cm**2 / s}, fractions: {nu_e: 0.35, nu_mu: 0.65}, live_time: 1 yr",
    )
    source = source_of(experiment)
    seen = {emission.flavour: source.fluence * emission.weights.sum() for emission in source.emissions}
    assert seen == pytest.approx({name: part * 5.168e6 * 31557600.0 for name, part in (("nu_e", 0.35), ("nu_mu", 0.65))}, rel=1e-12)
    assert highest_energy(experiment) == pytest.approx(18.78, abs=0.02)
    spectrum = source.emissions[0].spectra[0]
    assert spectrum.mean() == pytest.approx(6.7, abs=0.1)


def test_a_table_is_a_flux_per_energy(tmp_path: Path) -> None:
    for unit, flux, wanted in (
        ("1", "", 80.0),
        ("1/MeV/cm**2/s", "", 80.0),
        ("1/keV/cm**2/s", "", 80e3),
        ("MeV-1 m-2 s-1", "", 80e-4),
        ("1/keV", ", flux: 3 / cm**2 / s", 240e3),
    ):
        source = source_of(made(tmp_path, TABLE + flux, table=FLAT.format(unit)))
        assert source.fluence * source.emissions[0].weights.sum() == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    ("unit", "flux", "wanted"),
    [
        ("1/MeV", "", "column 'nubar_e' is in [1/MeV], but [1/MeV/cm**2/s] is needed"),
        ("banana", "", "is in [banana]"),
        ("1/MeV/cm**2/s", ", flux: 3 / cm**2 / s", "but [1/MeV] is needed (flux multiplies it)"),
    ],
)
def test_a_table_in_another_unit_is_refused(tmp_path: Path, unit: str, flux: str, wanted: str) -> None:
    with pytest.raises(SpecError) as caught:
        made(tmp_path, TABLE + flux, table=FLAT.format(unit))
    assert wanted in str(caught.value)
    assert "source.flavours.nubar_e: flux.csv: " in str(caught.value)


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        (f"kind: reactor, distance: 1 m, live_time: 1 d, {URANIUM}", "give either power"),
        (f"{POWER}, fissions: {{u235: 58 %}}", "sum to 0.58, not to 1"),
        (f"{POWER.replace('GW', 'GeV')}, {URANIUM}", "source.power"),
        ("kind: solar, fluxes: {b8: 5e6}, live_time: 1 d", "has no unit"),
        ("kind: solar, fluxes: {b8: 5e6 / cm**2 / s}, fractions: {nu_e: 0.5, nu_mu: 0.6}, live_time: 1 d", "more than 1"),
        ("kind: moon, live_time: 1 d", "source"),
    ],
)
def test_what_is_wrong_with_a_source(tmp_path: Path, source: str, wanted: str) -> None:
    with pytest.raises(SpecError) as caught:
        made(tmp_path, source)
    assert any(wanted in str(problem) for problem in caught.value.problems), caught.value.problems


def test_a_steady_source_has_no_time_axis(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no arrival times"):
        made(tmp_path, f"{POWER}, {URANIUM}", axes="  time: {unit: us, edges: [0, 1]}\n")


def test_a_smooth_spectrum_goes_through_its_points_and_holds_one_neutrino() -> None:
    energies = np.linspace(0.0, 52.8, 34)
    (exact,) = pion_decay_at_rest()["nu_e"].segments
    spectrum, total = smooth(energies, exact.density(energies))
    assert total == pytest.approx(1.0, abs=2e-4)
    np.testing.assert_allclose(spectrum.density(energies[:-1]) * total, exact.density(energies[:-1]), rtol=1e-9, atol=1e-12)
    between = (energies[1:] + energies[:-1]) / 2
    np.testing.assert_allclose(spectrum.density(between) * total, exact.density(between), atol=1e-4)
    assert spectrum.jumps == ()


@pytest.mark.parametrize(
    ("energies", "densities", "error"),
    [
        ([1.0], [1.0], AxisError),
        ([2.0, 1.0], [1.0, 1.0], AxisError),
        ([1.0, 2.0], [1.0, -1.0], DomainError),
        ([1.0, 2.0], [0.0, 0.0], DomainError),
    ],
)
def test_what_is_no_spectrum(energies: list[float], densities: list[float], error: type[Exception]) -> None:
    with pytest.raises(error):
        smooth(energies, densities)


def test_mass_fractions_of_a_dopant_that_is_in_the_formula_add_up(tmp_path: Path) -> None:
    made(tmp_path, f"{POWER}, {URANIUM}")
    experiment = load_experiment(tmp_path, {"target.compound": "CsI", "target.dopants": {"I": 0.1}})
    fractions = mass_fractions(experiment)
    assert fractions["I-127"] == pytest.approx(0.1 + 0.9 * 126.904 / (126.904 + 132.905), rel=1e-4)
    assert sum(fractions.values()) == pytest.approx(1.0, rel=1e-12)
