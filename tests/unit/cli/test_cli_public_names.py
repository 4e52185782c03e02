from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest

import cevnsfit as cf

if TYPE_CHECKING:
    from pathlib import Path


def test_at_most_thirty_one_names_and_one_module_and_all_exist() -> None:
    modules = [name for name in cf.__all__ if isinstance(getattr(cf, name), ModuleType)]
    assert modules == ["moments"]
    assert len(cf.__all__) - len(modules) <= 31
    assert all(getattr(cf, name) is not None for name in cf.__all__)
    assert dir(cf) == sorted(cf.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = cf.nothing


def test_nothing_is_imported_before_it_is_asked_for(project_root: Path) -> None:
    code = "import sys, cevnsfit; print('numpy' in sys.modules, cevnsfit.CevnsfitError.__name__)"
    environment = {**os.environ, "PYTHONPATH": str(project_root / "src")}
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True, env=environment)
    assert done.stdout.split() == ["False", "CevnsfitError"]


def test_from_experiment_to_region() -> None:
    likelihood = cf.build_likelihood("coherent-csi-2021", model="lmu-ltau")
    scan = cf.scan(likelihood, mass=np.geomspace(300.0, 1000.0, 3), g=np.geomspace(1e-4, 2e-2, 6))
    region = scan.contour(cl=0.90, dof=2)
    assert len(region.columns) == 3
    assert all(column[0][0] == pytest.approx(1e-4) for column in region.columns)
    single = cf.intervals(likelihood, "g", at={"mass": 1000.0}, cl=0.90, dof=2)
    assert single.allowed[0][1] > 1e-2
