"""A small experiment folder that tests break in one place at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cevnsfit.core.errors import SpecError
from cevnsfit.spec.load import load_experiment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Change = tuple[str, str]
    Make = Callable[..., Path]

YAML = """\
schema_version: 1
name: toy
title: A toy
source:
  name: sns
  exposure_pot: 1.0e+23
  yield_per_pot: 0.08
  distance: 20 m
target: {compound: CsI, mass: 10 kg}
axes:
  pe: {unit: PE, edges: [5, 10, 20, 40]}
  time: {unit: us, edges: [0, 1, 6]}
response:
  quenching: {kind: linear-quenching, constant: 0.09, slope: 1e-5 keVee/keVnr**2}
  light_yield: {kind: light-yield, value: 13 PE/keVee}
  smearing: {kind: poisson-smearing}
  acceptance:
    kind: logistic-efficiency
    axis: pe
    amplitude: 0.7
    steepness: 0.5 / PE
    position: 10 PE
time_efficiency: {start: 0.5 us, rate: 0.05 / us}
observed: {table: counts.csv, column: observed}
backgrounds:
  beam:
    shape: {kind: joint, table: counts.csv, column: beam}
    count: {kind: gaussian, mean: 10, sigma: 3}
systematics:
  flux: {kind: normalisation, shared: true, sigma: 10 %, components: [cevns]}
  quenching:
    kind: response
    up: {quenching.constant: 0.1}
    down: {quenching.constant: 0.08}
"""

COUNTS = """\
# a toy
pe_low [PE],pe_high [PE],time_low [us],time_high [us],observed [1],beam [1]
5,10,0,1,3,1.5
5,10,1,6,4,2
10,20,0,1,5,1
10,20,1,6,6,2.5
20,40,0,1,2,0.5
20,40,1,6,1,0.25
"""


@pytest.fixture
def make_folder(tmp_path: Path) -> Make:
    """Return a function that writes the folder with texts replaced in its two files, and further files added."""

    def make(*changes: Change, counts: tuple[Change, ...] = (), files: Mapping[str, bytes] | None = None) -> Path:
        texts = {"experiment.yaml": YAML, "counts.csv": COUNTS}
        for name, replacements in (("experiment.yaml", changes), ("counts.csv", counts)):
            for old, new in replacements:
                assert old in texts[name], old
                texts[name] = texts[name].replace(old, new)
        for name, text in texts.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        for name, content in ({} if files is None else files).items():
            (tmp_path / name).write_bytes(content)
        return tmp_path

    return make


@pytest.fixture
def problems() -> Callable[..., list[str]]:
    """Return a function that loads a broken folder and gives its problems as "file:line: field: message"."""

    def find(folder: Path, overrides: Mapping[str, object] | None = None) -> list[str]:
        with pytest.raises(SpecError) as caught:
            load_experiment(folder, overrides)
        return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]

    return find
