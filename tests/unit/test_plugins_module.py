"""`cevnsfit.plugins` is all that the example package imports, and its model has the right limits."""

from __future__ import annotations

import ast
import importlib.util
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit import plugins
from cevnsfit.physics.couplings import weak_couplings
from cevnsfit.physics.form_factors import form_factor
from cevnsfit.physics.interactions import signal_model, squared, target_at
from cevnsfit.physics.interactions.terms import evaluate
from cevnsfit.physics.nuclei import composition

if TYPE_CHECKING:
    from pathlib import Path

CHANNEL = ("mu", "nucleus", "vector")


@pytest.fixture
def package(project_root: Path) -> Path:
    return project_root / "examples" / "cevnsfit-example" / "src" / "cevnsfit_example"


@pytest.fixture
def isovector(package: Path) -> plugins.SignalModel:
    spec = importlib.util.spec_from_file_location("example_models", package / "models.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model: plugins.SignalModel = module.isovector()
    return model


def test_all_names_are_there_and_listed_in_the_docstring() -> None:
    assert len(set(plugins.__all__)) == len(plugins.__all__)
    for name in plugins.__all__:
        assert hasattr(plugins, name)
    missing = [name for name in ("SignalModel", "Term", "Target", "Parameter", "sm_charge") if f"`{name}`" not in str(plugins.__doc__)]
    assert missing == []


def test_the_example_imports_nothing_else(package: Path) -> None:
    modules = set()
    for path in package.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules |= {node.module} if isinstance(node, ast.ImportFrom) else set()
            modules |= {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
    assert {name for name in modules if str(name).startswith("cevnsfit")} == {"cevnsfit.plugins"}


def test_the_function_of_the_model_takes_about_20_lines(package: Path) -> None:
    tree = ast.parse((package / "models.py").read_text(encoding="utf-8"))
    (function,) = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    assert function.end_lineno is not None
    assert function.end_lineno - function.lineno < 20


@pytest.mark.parametrize(("compound", "sign"), [("Ar[40]", 1.0), ("CsI", 1.0), ("C[12]", 0.0)])
def test_limits_of_the_model(isovector: plugins.SignalModel, compound: str, sign: float) -> None:
    for nuclide, _ in composition(compound, {}):
        target = target_at(nuclide, np.array([0.0, 0.005]), weak_couplings("default"), form_factor("unity"))
        polynomial = squared(isovector.prepare(target)(isovector.shapes({"mass": 1e4})))[CHANNEL]
        standard = evaluate(squared(signal_model("sm").prepare(target)({}))[CHANNEL], {})
        np.testing.assert_allclose(evaluate(polynomial, {"g": 0.0}), standard)
        # Heavy mediator: Q + eps (Z - N) with eps = g^2/(sqrt2 G_F M^2)
        eps = 0.01 / (np.sqrt(2.0) * plugins.FERMI_CONSTANT * 1e8)
        expected = (plugins.sm_charge(target, "mu") + eps * (nuclide.Z - nuclide.N)) ** 2
        np.testing.assert_allclose(evaluate(polynomial, {"g": 0.1}), expected, rtol=1e-4)
        assert np.all(np.sign(evaluate(polynomial, {"g": 1e-3}) - standard) == sign)
