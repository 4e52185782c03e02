"""docs/new-model.md: its models are installed as plug-ins and give what the page says."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import pytest
from scipy.integrate import quad
from typer.testing import CliRunner

from cevnsfit.cli.main import app
from cevnsfit.physics.kernels import fold
from cevnsfit.physics.kinematics import panel_nodes, recoil_edges
from cevnsfit.physics.sources import pion_decay_at_rest
from cevnsfit.plugins import HBAR_C, Kernel, Kinematics

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


@pytest.mark.parametrize("name", ["neutron_mediator", "heavy_fermion"])
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
    for name, text in zip(installed, ("nbar gamma^mu n]", "by traces"), strict=True):
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
    found = float(weights @ fold(kernel, spectrum, target, t, edges=edges))

    def over_recoils(energy: float) -> float:
        s, difference = target**2 + 2.0 * target * energy, 2.0 * target * energy - mass**2
        middle = 2.0 * target * energy**2 - mass**2 * (energy + target)
        root = energy * math.sqrt(max(difference**2 - (2.0 * target * mass) ** 2, 0.0))
        low, high = (max(middle - root, 0.0) / (2.0 * s), (middle + root) / (2.0 * s)) if mass else (0.0, middle / s)
        return (target * (high**2 - low**2) + mass**2 * (high - low)) / energy**2

    start = mass + mass**2 / (2.0 * target)
    expected = quad(lambda e: float(spectrum.density(e)) * over_recoils(e), start, spectrum.end, epsrel=1e-10, limit=200)[0]
    assert found == pytest.approx(target / (8.0 * math.pi) * HBAR_C**2 * expected, rel=1e-4, abs=0.0)
