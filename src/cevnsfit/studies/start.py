"""What to start from: a commented description of an experiment with small tables, a commented analysis file, and the schemas of both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, TypeAdapter, ValidationError

from cevnsfit.core.errors import CevnsfitError, UnknownNameError
from cevnsfit.spec.analysis import AnalysisSpec
from cevnsfit.spec.catalog import experiment_names
from cevnsfit.spec.fields import Name
from cevnsfit.spec.schema import ExperimentSpec

if TYPE_CHECKING:
    from pathlib import Path

_DESCRIPTION: Final = """\
# Every field is explained in docs/new-experiment.md. Numbers with a dimension are texts of number and unit: 19.3 m, 10 %.
# All counts here are invented: replace them, then run in this folder
#
#     cevnsfit experiments check .
#     cevnsfit fit . --model signal-strength

schema_version: 1
name: NAME                 # prefix of the parameters that belong to this experiment alone
title: 10 kg of germanium at the SNS (invented counts)
status: data                 # or: projection, without `observed`
references: []               # - "authors, arXiv number, doi of the release"
# overlaps: [OTHER]          # experiments that share events with this one are never combined with it

source:
  name: sns                  # spectra and pulse; or: lujan
  exposure_pot: 1.0e+23      # protons on target
  yield_per_pot: 0.09        # neutrinos of each flavour per proton
  distance: 20 m

target: {compound: Ge, mass: 10 kg}

# The energy axis comes first: t_recoil [keVnr], e_ee [keVee] or pe [PE]; time, if there is one, comes last.
axes:
  e_ee: {unit: keVee, edges: [1, 2, 3, 4, 6, 8]}
  time: {unit: us, edges: [0, 1, 3, 6]}

# Stages from the recoil energy to the energy axis, in the order in which they act. The names are yours.
response:
  quenching: {kind: constant-quenching, factor: 0.22}
  smearing: {kind: gaussian-smearing, stochastic: 0.1 keVee**0.5}
  efficiency: {kind: table-efficiency, axis: e_ee, table: efficiency.csv, column: efficiency}

observed: {table: counts.csv, column: on}

backgrounds:
  steady_state:              # as in windows without beam, five times as long
    shape:
      kind: product
      factors: {e_ee: {kind: table, table: background.csv, column: steady_state}, time: {kind: uniform}}
    count: {kind: counted, table: counts.csv, column: off, ratio: 5}
  neutrons:                  # from the beam, 4 +- 2
    shape:
      kind: product
      factors: {e_ee: {kind: table, table: background.csv, column: neutrons}, time: {kind: table, table: neutron_time.csv, column: neutrons}}
    count: {kind: gaussian, mean: 4, sigma: 2}

# Instead of a shape and a prior, a background can be measured in each bin (then take steady_state out above):
# control_region:
#   steady_state: {table: counts.csv, column: off, ratio: 5}

systematics:
  sns_flux:                  # shared: the same parameter in every experiment that names it
    {kind: normalisation, shared: true, sigma: 10 %, components: [cevns]}
  quenching:                 # the signal with another response at +1 and -1 sigma
    kind: response
    description: quenching factor 0.22 +- 0.01
    up: {quenching.factor: 0.23}
    down: {quenching.factor: 0.21}
"""

_COUNTS: Final = """\
# Invented counts: on during the beam, off in windows five times as long.
e_ee_low [keVee],e_ee_high [keVee],time_low [us],time_high [us],on [1],off [1]
1,2,0,1,21,6
1,2,1,3,13,13
1,2,3,6,10,19
2,3,0,1,17,8
2,3,1,3,15,15
2,3,3,6,8,17
3,4,0,1,13,6
3,4,1,3,12,12
3,4,3,6,6,20
4,6,0,1,11,11
4,6,1,3,17,24
4,6,3,6,13,36
6,8,0,1,7,13
6,8,1,3,9,21
6,8,3,6,10,37
"""

_BACKGROUND: Final = """\
# Shapes of the backgrounds in energy, any normalisation (invented).
e_ee_low [keVee],e_ee_high [keVee],steady_state [1],neutrons [1]
1,2,8,5
2,3,8,3
3,4,8,2
4,6,15,2
6,8,15,1
"""

_NEUTRON_TIME: Final = """\
# Arrival times of the beam neutrons, any normalisation (invented).
time_low [us],time_high [us],neutrons [1]
0,1,0.9
1,3,0.1
3,6,0
"""

_EFFICIENCY: Final = """\
# Efficiency against the reconstructed energy, linear between the points, constant beyond the ends (invented).
e_ee [keVee],efficiency [1]
1,0.5
2,0.8
3,0.85
"""

_FILES: Final = {
    "experiment.yaml": _DESCRIPTION,
    "counts.csv": _COUNTS,
    "background.csv": _BACKGROUND,
    "neutron_time.csv": _NEUTRON_TIME,
    "efficiency.csv": _EFFICIENCY,
}

_ANALYSIS: Final = """\
# Every field is explained in docs/analysis-file.md; lines that start with `# ` and a field are further ones. Run it with
#
#     cevnsfit run FILE -o DIR

schema_version: 1
title: $L_\\mu - L_\\tau$ from COHERENT
# description: what the reader should know

model: lmu-ltau              # see `cevnsfit models`
# at: {loop_sign: -1}
# profile: [slepton_log]
# profile_signal: false      # true profiles the shapes of the signal in `signal-strength`
# electrons: true
# allow_overlap: true

# NAME=START:STOP:COUNT[:log]; the first parameter is drawn horizontally.
grid: ["mass=1:1000:13:log", "g=1e-5:1e-1:31:log"]

# The planes. Experiments are shipped names, or folders relative to this file.
results:
  - label: CsI
    experiments: [coherent-csi-2021]
#   overrides: {source.distance: 19.3 m}
  - {label: LAr, experiments: [coherent-lar-2020]}
  - {label: CsI + LAr, experiments: [coherent-csi-2021, coherent-lar-2020]}

confidence: [{cl: 0.90, dof: 2}, {cl: 0.95, dof: 2}]
g_2: "2025"                  # the band of the muon's magnetic moment, or: none
# overlays: [{label: "CCFR tridents, 95 % CL", computed: neutrino-trident}]   # or a file: {label: LABEL, file: limit.csv}
# spectra: [coherent-csi-2021]
"""

_SCHEMAS: Final[dict[str, type[BaseModel]]] = {"analysis": AnalysisSpec, "experiment": ExperimentSpec}


def new_analysis(path: Path) -> Path:
    """Write an analysis file that runs as it stands, and return its path; CevnsfitError if there is something already."""
    if path.exists():
        message = f"{path} exists already; nothing is overwritten: choose another file"
        raise CevnsfitError(message)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_ANALYSIS, encoding="utf-8")
    return path


def json_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of an analysis file ("analysis") or of experiment.yaml ("experiment")."""
    if kind not in _SCHEMAS:
        raise UnknownNameError("schema", kind, _SCHEMAS)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_SCHEMAS[kind].model_json_schema()}


def new_experiment(name: str, folder: Path) -> tuple[Path, ...]:
    """Write a description and tables that pass `cevnsfit experiments check`, and return their paths.

    Parameters
    ----------
    name
        Name of the experiment.
    folder
        Where to write; made where it is missing.

    Raises
    ------
    CevnsfitError
        If the name is not one an experiment can have, or is taken, or the folder has something in it already.
    """
    _check_name(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        message = f"{folder} exists already; nothing is overwritten: choose another folder with -o DIR"
        raise CevnsfitError(message)
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in _FILES.items():
        (folder / file).write_text(text.replace("name: NAME", f"name: {name}", 1), encoding="utf-8")
    return tuple(folder / file for file in _FILES)


def _check_name(name: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        message = f"'{name}' is no name for an experiment: a lower-case letter, then lower-case letters, digits, '-' and '_'"
        raise CevnsfitError(message) from None
    if name in experiment_names():
        message = f"there is an experiment '{name}' already (`cevnsfit experiments`); choose another name"
        raise CevnsfitError(message)
