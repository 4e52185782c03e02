"""docs/formats.md: its commands run, its examples read what they write, and the numbers are those of the scan."""

from __future__ import annotations

import re
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner

import cevnsfit as cf
from cevnsfit.cli.main import app
from cevnsfit.infer.profile import profile
from cevnsfit.io.exports.simplified import evaluate, read_simplified
from cevnsfit.io.exports.text import read_json
from cevnsfit.studies.export import writers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cevnsfit.io.exports.limits import Limits

pytestmark = pytest.mark.slow  # the example takes seconds
COMMANDS = re.compile(r"^\$ cevnsfit (.*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def page(project_root: Path) -> str:
    return (project_root / "docs" / "formats.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(page: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run the page's commands in an empty folder, which stays the current one."""
    path = tmp_path_factory.mktemp("formats")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        for line in COMMANDS.findall(page):
            result = CliRunner().invoke(app, line.split(), catch_exceptions=False)
            assert result.exit_code == 0, result.output
        yield path


@pytest.fixture
def example(page: str, folder: Path) -> Callable[[str], dict[str, Any]]:
    """Return the function that runs the Python of one section and returns its names."""
    assert folder.exists()

    def run(section: str) -> dict[str, Any]:
        text = re.split(r"^#+ ", page.split(f"### {section}\n", maxsplit=1)[1], maxsplit=1, flags=re.MULTILINE)[0]
        names: dict[str, Any] = {}
        blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        assert blocks
        for block in blocks:
            exec(compile(block, section, "exec"), names)  # noqa: S102
        return names

    return run


@pytest.fixture
def limits(folder: Path) -> Limits:
    return read_json(folder / "limits.json")


def branch(limits: Limits) -> np.ndarray:
    return limits.results[0][1][0].branches[0]


def darkcast(charges: dict[str, float]) -> SimpleNamespace:
    """Return a model as the version of 2023 has it: the axial and the vector coupling of each fermion, functions of the mass."""
    return SimpleNamespace(xfs={name: (lambda _: 0.0, lambda _, value=value: value) for name, value in charges.items()})


def test_the_recipe_recasts_a_limit_into_that_of_another_model(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    b_l = {"u": 1 / 3, "d": 1 / 3, "nue": -1.0, "numu": -1.0}
    stub = SimpleNamespace(
        Model=lambda _: darkcast(b_l), Production=lambda mechanism: SimpleNamespace(mechanism=mechanism), Dataset=str, Efficiency=dict
    )
    monkeypatch.setitem(sys.modules, "darkcast", stub)
    (code,) = re.findall(r"```text\n(import darkcast.*?)```", page, re.DOTALL)
    recipe: dict[str, Any] = {}
    exec(compile(code, "recipe", "exec"), recipe)  # noqa: S102
    other = {"u": 1.0, "d": 0.25, "nue": -0.5, "numu": -0.5}
    strength = recipe["production"].mechanism
    known = cf.intervals(cf.build_likelihood("coherent-csi-2021", model="b-l"), at={"mass": 30.0}).allowed[0][1]
    at = {"mass": 30.0, "q_u": 1.0, "q_d": 0.25, **dict.fromkeys(("q_nu_e", "q_nu_mu", "q_nu_tau"), -0.5)}
    found = cf.intervals(cf.build_likelihood("coherent-csi-2021", model="vector"), at=at).allowed[0][1]
    ratio = strength(0.03, darkcast(other)) / strength(0.03, recipe["model"])
    assert ratio == pytest.approx(0.5 * (2.25 + 1.406 * 1.5) / (1.0 + 1.406), rel=1e-3)
    assert known / np.sqrt(ratio) == pytest.approx(found, rel=3e-3)
    assert strength(0.03, darkcast({**other, "nue": 0.5, "numu": 0.5})) == 0.0


def test_every_format_has_an_example(page: str) -> None:
    for kind in (*writers(), "pyhf", "hs3", "simplified"):
        assert f"\n### {kind}\n" in page
        assert f"| `{kind}`" in page


def test_csv(example: Callable[[str], dict[str, Any]], limits: Limits) -> None:
    np.testing.assert_array_equal(example("csv")["branch"], branch(limits))


def test_json(example: Callable[[str], dict[str, Any]], limits: Limits) -> None:
    names = example("json")
    assert set(names["branches"]) == {0.9, 0.95}
    np.testing.assert_array_equal(names["branches"][0.9][0], branch(limits))


def test_root(example: Callable[[str], dict[str, Any]], limits: Limits) -> None:
    names = example("root")
    plane = limits.results[0][0]
    np.testing.assert_array_equal(np.column_stack([names["mass"], names["g"]]), branch(limits))
    np.testing.assert_array_equal(names["delta_chi2"], plane.nll2 - plane.best["nll2"])
    np.testing.assert_array_equal(np.unique(names["points"]["mass"]), plane.x.values)
    assert np.all((names["mass_edges"][:-1] < plane.x.values) & (plane.x.values < names["mass_edges"][1:]))


def test_netcdf(example: Callable[[str], dict[str, Any]], limits: Limits) -> None:
    pytest.importorskip("xarray", reason="the extra [xarray] is not installed")
    names = example("netcdf")
    plane = limits.results[0][0]
    np.testing.assert_array_equal(names["limits"].delta_chi2.values[0], plane.nll2 - plane.best["nll2"])
    assert names["curve"].sizes == {"g": len(plane.y.values)}
    names["limits"].close()


def test_hepdata(example: Callable[[str], dict[str, Any]], limits: Limits, page: str) -> None:
    pytest.importorskip("hepdata_lib", reason="the extra [hepdata] is not installed")
    command = re.search(r"`cevnsfit (export limits.json --to hepdata [^`]*)`", page)
    assert command is not None
    assert CliRunner().invoke(app, command.group(1).split(), catch_exceptions=False).exit_code == 0
    names = example("hepdata")
    first = branch(limits)
    np.testing.assert_array_equal(np.column_stack([names["mass"], names["g"]])[: len(first)], first)


def test_darkcast(example: Callable[[str], dict[str, Any]], limits: Limits) -> None:
    names = example("darkcast")
    plane, regions = limits.results[0]
    np.testing.assert_allclose(names["mass_gev"], plane.x.values / 1e3, rtol=1e-15)
    np.testing.assert_array_equal(names["lower"][names["excluded"]], [column[-1][1] for column in regions[0].columns])


@pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")
def test_pyhf(example: Callable[[str], dict[str, Any]], request: pytest.FixtureRequest) -> None:
    import pyhf

    request.addfinalizer(lambda: pyhf.set_backend("numpy", "scipy"))
    names = example("pyhf")
    joint = names["likelihood"].at({})
    assert "g" in joint.parameters
    ends = np.array(names["allowed"])
    assert ends.shape == (1, 2)
    ours = profile(joint, {"g": np.array([5e-5, 0.0])}).nll2
    assert names["delta_chi2"] == pytest.approx(ours[0] - ours[1], abs=2e-4)


def test_hs3(example: Callable[[str], dict[str, Any]]) -> None:
    names = example("hs3")
    assert {p.name for p in names["likelihood"].parameters} == {
        *(entry["name"] for entry in names["document"]["parameter_points"][0]["parameters"])
    }
    assert names["log_prob"].ndim == 0
    assert {entry["name"]: entry["factors"] for entry in names["document"]["functions"]} == {"g2": ["g"] * 2, "g4": ["g"] * 4}


def test_simplified(example: Callable[[str], dict[str, Any]], page: str, folder: Path) -> None:
    names = example("simplified")
    loader = re.search(r"def load\(path\):\n(.*?)    return delta_chi2\n", page, re.DOTALL)
    assert loader is not None
    assert len(loader.group(0).splitlines()) <= 30
    table = read_simplified(folder / "simplified.json")
    mass, g = np.geomspace(10.0, 100.0, 40), np.geomspace(1e-6, 1e-2, 40)
    np.testing.assert_allclose(names["delta_chi2"](mass, g), evaluate(table, mass, g), rtol=1e-12)
    assert names["delta_chi2"](mass[:1], np.zeros(1))[0] == pytest.approx(table.metadata["standard_model_nll2"] - table.minimum, abs=0.02)
