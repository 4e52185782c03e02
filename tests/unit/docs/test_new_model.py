"""docs/new-model.md: its models are installed as plug-ins and give what the page says."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from dirac_sums import slash
from scipy.integrate import quad
from scipy.interpolate import PchipInterpolator
from typer.testing import CliRunner

import cevnsfit as cf
from cevnsfit.cli.main import app
from cevnsfit.core.errors import SpecError, UnknownNameError
from cevnsfit.physics.kernels import fold
from cevnsfit.physics.kinematics import panel_nodes, recoil_edges
from cevnsfit.physics.sources import pion_decay_at_rest
from cevnsfit.plugins import FINE_STRUCTURE, HBAR_C, Kernel, Kinematics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILE = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
BLOCK = re.compile(r"(?<!-->\n)```(\w+)\n(.*?)```", re.DOTALL)
ENTRY = re.compile(r'\[project\.entry-points\."(\S+)"\]\n(\S+) = "(\S+)"')


@pytest.fixture(scope="module")
def page(project_root: Path) -> str:
    return (project_root / "docs" / "new-model.md").read_text(encoding="utf-8")


@pytest.fixture
def installed(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put the page's modules and their metadata where Python finds distributions; return the names of the models."""
    for name, code in FILE.findall(page):
        (tmp_path / name).write_text(code, encoding="utf-8")
    entries = ENTRY.findall(page)
    for group, model, value in entries:
        metadata = tmp_path / f"{model.replace('-', '_')}-1.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {model}\nVersion: 1\n", encoding="utf-8")
        (metadata / "entry_points.txt").write_text(f"[{group}]\n{model} = {value}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return [model for _, model, _ in entries]


@pytest.mark.parametrize("name", ["neutron_mediator", "heavy_fermion", "dark_matter"])
def test_the_models_take_about_20_lines(page: str, name: str) -> None:
    code = dict(FILE.findall(page))[f"{name}.py"]
    lines = code[code.index(f"def {name}") :].splitlines()
    assert len([line for line in lines if line.strip()]) <= 20


@pytest.mark.usefixtures("installed")
def test_the_command_prints_what_the_page_says(page: str, check_commands: Callable[[str], list[str]]) -> None:
    assert check_commands(page) == ["rates", "intervals"]


@pytest.mark.usefixtures("installed")
def test_the_limits_hold(page: str) -> None:
    (code,) = (text for language, text in BLOCK.findall(page) if language == "python")
    assert code.count("assert ") == 2
    exec(code, {})  # noqa: S102 (the code of the page)


def test_they_are_listed_after_the_shipped_ones(installed: list[str]) -> None:
    for name, text in zip(installed, ("nbar gamma^mu n]", "by traces", "traces"), strict=True):
        result = CliRunner().invoke(app, ["models", "show", name], catch_exceptions=False)
        assert text in result.stdout


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("mass", [0.0, 10.0, 25.0, 45.0])
def test_the_kernel_of_the_page_is_folded_between_its_ends(mass: float) -> None:
    """An independent integral over energies and recoils of muon decay, with the formulas of the page and no form factor."""
    import heavy_fermion

    target, spectrum = 37215.53, pion_decay_at_rest()["nubar_mu"]
    kernel = Kernel("to-heavy", heavy_fermion.ToHeavy(mass), heavy_fermion.prefactor, kinematics=Kinematics(outgoing=mass))
    edges = recoil_edges(target, pion_decay_at_rest().values())
    t, weights = panel_nodes(edges)
    found = float(weights @ fold(kernel, [spectrum], target, t, edges=edges)[0])

    def over_recoils(energy: float) -> float:
        s, difference = target**2 + 2.0 * target * energy, 2.0 * target * energy - mass**2
        middle = 2.0 * target * energy**2 - mass**2 * (energy + target)
        root = energy * math.sqrt(max(difference**2 - (2.0 * target * mass) ** 2, 0.0))
        low, high = (max(middle - root, 0.0) / (2.0 * s), (middle + root) / (2.0 * s)) if mass else (0.0, middle / s)
        return (target * (high**2 - low**2) + mass**2 * (high - low)) / energy**2

    start = mass + mass**2 / (2.0 * target)
    expected = quad(lambda e: float(spectrum.density(e)) * over_recoils(e), start, spectrum.end, epsrel=1e-10, limit=200)[0]
    assert found == pytest.approx(target / (8.0 * math.pi) * HBAR_C**2 * expected, rel=1e-4, abs=0.0)


M_CHI, M_V, ALPHA_D, EPS = 20.0, 60.0, 0.5, 1e-4
ENERGIES = np.linspace(25.0, 160.0, 55)
FLUX = 1e-6 * (ENERGIES - 25.0) ** 2 * (160.0 - ENERGIES) ** 2 / 1e4
EDGES = (0.02, 0.05, 0.2, 0.5, 1.1)
ARGON = """
schema_version: 1
name: argon-beam
title: made up
status: projection
source:
  name: sns
  exposure_pot: 1.0e+23
  yield_per_pot: 0.09
  distance: 20 m
  species:
    chi: {table: chi.csv, column: flux}
target: {compound: "Ar[40]", mass: 1 t}
form_factor: unity
axes:
  t_recoil: {unit: keVnr, edges: [20, 50, 200, 500, 1100]}
"""


@pytest.fixture
def argon(tmp_path: Path) -> Path:
    folder = tmp_path / "argon-beam"
    folder.mkdir()
    (folder / "experiment.yaml").write_text(ARGON, encoding="utf-8")
    rows = [f"{energy:.12g},{value:.12g}" for energy, value in zip(ENERGIES, FLUX, strict=True)]
    (folder / "chi.csv").write_text("\n".join(["# Made up.", "energy [MeV],flux [1/MeV]", *rows]), encoding="utf-8")
    return folder


def dark_counts(folder: Path, changes: dict[str, object] | None = None) -> np.ndarray:
    """Return the counts of dark matter alone."""
    likelihood = cf.build_likelihood(folder, model="dark-matter", changes=changes)
    with_dark, without = (
        next(iter(cf.rates(likelihood, at={"eps": eps, "m_chi": M_CHI, "m_v": M_V, "alpha_d": ALPHA_D}).values())) for eps in (EPS, 0.0)
    )
    return np.asarray(with_dark.signal) - np.asarray(without.signal)


def integrated(mass: float) -> list[float]:
    """Return the counts in each bin by nested integrals, for nuclei of a mass in MeV."""
    number = 1e6 * 6.02214076e23 / 39.9623831
    fluence = 1e23 / (4.0 * math.pi * 2000.0**2)
    curve = PchipInterpolator(ENERGIES, FLUX)
    charge = 4.0 * math.pi * FINE_STRUCTURE**0.5 * ALPHA_D**0.5 * EPS**2 * 18.0

    def cross(energy: float, t: float) -> float:
        square = (charge / (2.0 * mass * t + t**2 + M_V**2)) ** 2
        return (
            square
            * HBAR_C**2
            * mass
            * energy**2
            / (2.0 * math.pi * (energy**2 - M_CHI**2))
            * (1.0 - t / energy - mass * t / (2.0 * energy**2))
        )

    def over(energy: float, low: float, high: float) -> float:
        most = 2.0 * mass * (energy**2 - M_CHI**2) / (mass**2 + M_CHI**2 + 2.0 * mass * energy)
        return quad(lambda t: cross(energy, t), low, min(high, most), epsrel=1e-9)[0] if most > low else 0.0

    points = ENERGIES.tolist()
    return [
        number
        * fluence
        * sum(quad(lambda e, a=a, b=b: float(curve(e)) * over(e, a, b), *ends, epsrel=1e-7)[0] for ends in pairwise(points))
        for a, b in pairwise(EDGES)
    ]


@pytest.mark.usefixtures("installed")
def test_dark_matter_of_the_page_agrees_with_an_independent_integral(argon: Path) -> None:
    expected = integrated(39.9623831 * 931.49410242 - 18.0 * 0.51099895)
    assert min(expected[:3]) > 1.0
    np.testing.assert_allclose(dark_counts(argon), expected, rtol=1e-4)


def test_the_kernel_of_dark_matter_is_the_trace_of_the_page(installed: list[str]) -> None:
    """With explicit matrices: <|A|^2>/(32 pi M p^2) is prefactor times K for unit charges."""
    assert "dark-matter" in installed
    import dark_matter

    mass, m, energy, t = 3.7e4, 20.0, 75.0, 0.12
    p, after = math.sqrt(energy**2 - m**2), energy - t
    out = math.sqrt(after**2 - m**2)
    cosine = (energy * after - m**2 - mass * t) / (p * out)  # (k - k')^2 = -2 M T
    k, prime = np.array([energy, 0.0, 0.0, p]), np.array([after, out * math.sqrt(1.0 - cosine**2), 0.0, out * cosine])
    both = 2.0 * np.array([mass, 0.0, 0.0, 0.0]) + k - prime
    line = (slash(prime) + m * np.eye(4)) @ slash(both) @ (slash(k) + m * np.eye(4)) @ slash(both)
    squared = 0.5 * float(np.trace(line).real)
    found = dark_matter.prefactor(mass) / HBAR_C**2 * dark_matter.DarkVector(m)(energy, t, mass)
    assert found == pytest.approx(squared / (32.0 * math.pi * mass * p**2), rel=1e-9)


@pytest.mark.usefixtures("installed")
def test_dark_matter_arrives_when_it_is_said_to(argon: Path) -> None:
    """A delay of a bin moves the counts by a bin; a curve in time is followed."""
    (argon / "times.csv").write_text("time [us],chi [1]\n0.5,0\n1,3\n1.5,0\n", encoding="utf-8")
    axes = {
        "t_recoil": {"unit": "keVnr", "edges": [20, 1100]},
        "time": {"unit": "us", "start": 0, "stop": 3, "bins": 12},
    }
    prompt = dark_counts(argon, {"axes": axes}).ravel()
    moved = dark_counts(argon, {"axes": axes, "source.species.chi.delay": "0.25 us"}).ravel()
    np.testing.assert_allclose(moved[1:], prompt[:-1], rtol=1e-6, atol=1e-9 * prompt.sum())
    table = dark_counts(argon, {"axes": axes, "source.species.chi.arrival": {"table": "times.csv", "column": "chi"}}).ravel()
    np.testing.assert_allclose(table / table.sum(), [0, 0, 0.125, 0.375, 0.375, 0.125, *[0] * 6], atol=1e-9)
    assert table.sum() == pytest.approx(dark_counts(argon).sum(), rel=1e-6)


@pytest.mark.usefixtures("installed")
def test_an_experiment_without_the_flux_sees_no_dark_matter_and_alone_is_refused(argon: Path) -> None:
    both = cf.build_likelihood(argon, "ccm-200", model="dark-matter")
    counts = [cf.rates(both, at={"eps": eps, "m_chi": M_CHI, "m_v": M_V})["ccm-200"].total for eps in (EPS, 0.0)]
    np.testing.assert_array_equal(*counts)
    with pytest.raises(UnknownNameError, match=r"unknown species of the beam in the model dark-matter 'chi'; known: nu_e, nu_mu, nubar_mu"):
        dark_counts(argon, {"source.species": {}})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source.species": {"nu_x": {"table": "chi.csv", "column": "flux"}}}, "this is the name of a neutrino"),
        ({"source.species.chi.column": "f"}, "source.species.chi: chi.csv: unknown column 'f'"),
        ({"source.species.chi.column": "energy"}, r"column 'energy' is in \[MeV\], but \[1/MeV\] is needed"),
        ({"source.species.chi.arrival": {"table": "chi.csv", "column": "flux"}}, "a curve with an increasing column time is needed"),
    ],
)
def test_species_that_cannot_be_are_refused(argon: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        cf.load_experiment(argon, changes)
