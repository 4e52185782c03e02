"""Files of every kind with something wrong in them, and the commands that read them."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import smoke
import uproot
from mutations import Step, changed_bytes, changed_csv, changed_json, changed_text, changed_yaml

from cevnsfit.core.paths import data_root
from cevnsfit.studies.analysis import read_study
from cevnsfit.studies.start import new_experiment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Commands = list[list[str]]

STARTS: Final = ("counting", "germanium", "csi", "lar", "reactor", "response-matrix")
SHIPPED: Final = ("ccm-200", "ccm-200-recoil", "coherent-cryo-csi-10", "coherent-ge-mini-2024", "conus-plus-2025", "xenonnt-s2only-2026")

_HEAD: Final = """\
schema_version: 1
name: mine
title: Three bins of germanium (invented counts)
source: {name: sns, exposure_pot: 1e+23, yield_per_pot: 0.08, distance: 20 m}
target: {compound: Ge, mass: 50 kg}
axes:
  e_ee: {unit: keVee, edges: [0.5, 1, 2, 6]}
response:
  quenching: {kind: constant-quenching, factor: 0.2}
systematics:
  sns_flux: {kind: normalisation, shared: true, sigma: 10 %, components: [cevns]}
"""
_BACKGROUND: Final = """\
backgrounds:
  flat: {shape: {kind: product, factors: {e_ee: {kind: uniform}}}, count: {kind: gaussian, mean: 10, sigma: 2}}
"""
_BINS: Final = ((0.5, 1), (1, 2), (2, 6))


def temporary(name: str) -> Path:
    """Return a folder that goes with the process."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def originals(name: str) -> dict[str, str]:
    """Return the files of a folder that there is to begin with, or of a shipped one."""
    folder = data_root() / "experiments" / name
    if name in STARTS:
        folder = temporary("start") / name
        new_experiment("mine", folder, like=name)
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())}


def folders(place: Path, which: int, steps: Sequence[Step]) -> Commands:
    """Write the folder of an experiment with changes in one of its files, more often in the description than in a table."""
    name = (*STARTS, *SHIPPED)[which % 12]
    files = originals(name)
    chosen = [*files, *["experiment.yaml"] * len(files)][which // 12 % (2 * len(files))]
    for file, text in files.items():
        change = changed_yaml if file.endswith(".yaml") else changed_csv
        (place / file).write_bytes(change(text, steps) if file == chosen else text.encode())
    return _read(place)


def _read(folder: Path) -> Commands:
    return [["experiments", "check", str(folder)], ["fit", str(folder), "-m", "signal-strength"]]


def analyses(place: Path, _: int, steps: Sequence[Step]) -> Commands:
    """Write an analysis of a small folder with changes; it is run where that takes no long time."""
    for file, text in originals("counting").items():
        (place / file).write_text(text, encoding="utf-8")
    text = (data_root() / "start" / "analysis.yaml").read_text(encoding="utf-8")
    for old, new in (
        ("coherent-csi-2021, coherent-lar-2020", "."),
        ("coherent-csi-2021", "."),
        ("coherent-lar-2020", "."),
        ("1000:13:log", "1000:3:log"),
        ("1e-1:31:log", "1e-1:7:log"),
        ("# at:", "at:"),
        ("# look:", "look:"),
        ("# overlays: [ccfr-trident, borexino]", "overlays: [{label: BaBar, file: limit.csv}]"),
        ("# slice:", "slice:"),
        ("ccfr-trident", "borexino"),
    ):
        text = text.replace(old, new)
    shutil.copyfile(data_root() / "overlays" / "lmu-ltau-babar-4mu.csv", place / "limit.csv")
    (place / "analysis.yaml").write_bytes(changed_yaml(text, steps))
    return [["run", str(place / "analysis.yaml"), "-o", str(place / "run")]] if _short(place / "analysis.yaml") else []


def _short(file: Path) -> bool:
    """Return whether an analysis is malformed or small."""
    try:
        study = read_study(file)
    except Exception:  # noqa: BLE001 (the command is to say it)
        return True
    return np.prod([len(values) for values in study.grid.values()]) < 64 and study.superpartners is None


def sample(name: str, data: list[float], *modifiers: tuple[str, str, Any]) -> dict[str, Any]:
    """Return a sample of a workspace."""
    return {"name": name, "data": data, "modifiers": [{"name": n, "type": kind, "data": values} for n, kind, values in modifiers]}


_SIGNAL: Final = sample("signal", [30.0, 20.0, 10.0], ("mu", "normfactor", None), ("flux", "normsys", {"hi": 1.1, "lo": 0.9}))
WORKSPACES: Final = (
    (
        sample("neutrons", [40.0, 30.0, 20.0], ("n", "normsys", {"hi": 1.2, "lo": 0.9}), ("stat", "staterror", [2.0, 1.0, 1.0])),
        sample("other", [10.0, 10.0, 10.0], ("tilt", "histosys", {"hi_data": [12.0, 10.0, 8.0], "lo_data": [9.0, 10.0, 11.0]})),
    ),
    (sample("neutrons", [50.0, 40.0, 30.0], ("off", "shapesys", [5.0, 6.0, 4.0]), ("lumi", "lumi", None)),),
    (
        sample("neutrons", [50.0, 40.0, 30.0], ("free", "normfactor", None)),
        sample("other", [1.0, 0.0, 2.0], ("shape", "shapefactor", None)),
    ),
)
_LUMI: Final = {"name": "lumi", "auxdata": [1.0], "sigmas": [0.02], "bounds": [[0.5, 1.5]], "inits": [1.0]}


def workspaces(place: Path, which: int, steps: Sequence[Step]) -> Commands:
    """Write an experiment whose backgrounds are a pyhf workspace with changes."""
    samples = WORKSPACES[which % len(WORKSPACES)]
    document = {
        "channels": [{"name": "region", "samples": [_SIGNAL, *samples]}],
        "observations": [{"name": "region", "data": [82.0, 57.0, 43.0]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": [_LUMI] if which % len(WORKSPACES) == 1 else []}}],
        "version": "1.0.0",
    }
    (place / "experiment.yaml").write_text(f"{_HEAD}workspace: {{file: workspace.json, signal: [signal]}}\n", encoding="utf-8")
    (place / "workspace.json").write_bytes(changed_json(json.dumps(document, indent=1), steps))
    return _read(place)


def hepdata(place: Path, which: int, steps: Sequence[Step]) -> Commands:
    """Write an experiment whose counts are a table of HEPData with changes."""
    values = [
        f"  - {{value: {n}, errors: [{{symerror: {n / 10}, label: stat}}, {{asymerror: {{plus: 1, minus: -2}}}}]}}" for n in (80, 55, 40)
    ]
    twice = [
        ("- header: {name: Events, units: counts}", "  qualifiers: [{name: SQRT(S), units: GEV, value: '7'}]", "  values:", *values),
        ("- header: {name: Events, units: counts}", "  qualifiers: [{name: SQRT(S), units: GEV, value: '8'}]", "  values:", *values),
    ]
    lines = [
        "independent_variables:",
        "- header: {name: 'Energy [keVee]'}",
        "  values:",
        *(f"  - {{low: {a}, high: {b}}}" for a, b in _BINS),
    ]
    lines += ["dependent_variables:", *(line for column in twice[: 1 + which % 2] for line in column)]
    column = "Events" if which % 2 == 0 else "Events, SQRT(S) = 7"
    kind = ", kind: gaussian, errors: Events error" if which % 4 == 2 else ""
    text = f"{_HEAD}{_BACKGROUND}observed: {{table: release.yaml, column: '{column}'{kind}}}\n"
    (place / "experiment.yaml").write_text(text, encoding="utf-8")
    (place / "release.yaml").write_bytes(changed_yaml("\n".join(lines) + "\n", steps))
    return _read(place)


@cache
def _root() -> bytes:
    path = temporary("root") / "release.root"
    with uproot.recreate(path) as file:
        file["counts"] = (np.array([80.0, 55.0, 40.0]), np.array([0.5, 1.0, 2.0, 6.0]))
    return path.read_bytes()


def root(place: Path, _: int, steps: Sequence[Step]) -> Commands:
    """Write an experiment whose counts are a histogram of a ROOT file with changes."""
    tables = "tables: {'release.root:counts': {axes: {e_ee: keVee}}}\n"
    (place / "experiment.yaml").write_text(
        f"{_HEAD}{_BACKGROUND}{tables}observed: {{table: 'release.root:counts', column: content}}\n", encoding="utf-8"
    )
    (place / "release.root").write_bytes(changed_bytes(_root(), steps))
    return _read(place)


def overlays(place: Path, which: int, steps: Sequence[Step]) -> Commands:
    """Write a limit with changes."""
    if which % 3:
        file = place / "limit.csv"
        text = (data_root() / "overlays" / "lmu-ltau-babar-4mu.csv").read_text(encoding="utf-8")
        file.write_bytes(changed_csv("\n".join(text.splitlines()[:25]) + "\n", steps))
    else:
        file = place / "limit.lmt"
        rows = "".join(f"{m} {g} {10 * g}\n" for m, g in ((0.01, 1e-4), (0.02, 2e-4), (0.1, 3e-4), (1.0, 5e-3)))
        file.write_bytes(changed_text(f"# mass lower upper\n{rows}", steps))
    masses = ["--grid", "mass=10:1000:3:log"]
    return [["overlays", "show", str(file), *masses], ["slice", "--overlay", str(file), *masses, "-o", str(place / "slice.csv")]]


@cache
def _experiment() -> Path:
    folder = temporary("experiment") / "mine"
    new_experiment("mine", folder, like="germanium")
    return folder


STORES: Final[dict[str, tuple[str, ...]]] = {
    "scan": ("scan", "{experiment}", "-m", "lmu-ltau", "--grid", "mass=10:1000:3:log", "--grid", "g=1e-5:1e-1:5:log", "--no-plot"),
    "toys": ("gof", "{experiment}", "-m", "signal-strength", "--toys", "256"),
    "posterior": ("posterior", "{experiment}", "-m", "signal-strength", "--steps", "200", "--ensembles", "2", "--walkers", "8"),
    "points": ("susy-scan", "-n", "2000"),
}
"""Commands that keep what they find."""


@cache
def stored(kind: str) -> tuple[tuple[str, ...], Path, Any]:
    """Return a command that keeps what it finds, the folder with that, and its answer."""
    folder = temporary("store") / "kept"
    command = tuple(word.format(experiment=_experiment()) for word in STORES[kind])
    answer = smoke.tried([*command, "-o", str(folder)], folder.parent)
    assert not answer.wrong, answer.wrong
    return command, folder, answer.document


def stores(place: Path, which: int, steps: Sequence[Step]) -> Commands:
    """Copy the store of a command, change one of its files, and resume the command or look at what is stored."""
    command, folder, _ = stored([*STORES][which % len(STORES)])
    kept = place / "kept"
    shutil.copytree(folder, kept)
    files = sorted(path for path in kept.rglob("*") if path.is_file() and ".zarr" in str(path))
    chosen = files[steps[0].place % len(files)]
    if steps[0].kind % 8 == 7:
        chosen.unlink()
    elif steps[0].kind % 8 == 6:
        chosen.write_bytes(files[steps[0].value % len(files)].read_bytes())
    else:
        chosen.write_bytes(changed_bytes(chosen.read_bytes(), steps))
    again = [*command, "-o", str(kept)]
    return [again] if which // 4 % 2 else [["show", str(kept)], ["plot", str(kept), "-o", str(place / "picture.svg")], again]


KINDS: Final[dict[str, Callable[[Path, int, Sequence[Step]], Commands]]] = {
    one.__name__: one for one in (folders, analyses, workspaces, hepdata, root, overlays, stores)
}
"""What is changed, by name."""


def outcomes(kind: str, which: int, steps: Sequence[Step], place: Path) -> list[tuple[list[str], smoke.Answer]]:
    """Return what the commands about one changed input answer, up to the first one that is refused."""
    found = []
    inputs = place / "inputs"
    inputs.mkdir()
    for command in KINDS[kind](inputs, which, steps):
        answer = smoke.tried(command, place)
        found.append((command, answer))
        if answer.code == smoke.REFUSED and kind != "stores":
            break
    return found


ENDLESS: Final = tuple(f"no number at {key}" for key in ("significance", "signal_significance", "points[][]"))
"""A significance is infinite, and null in JSON, where changed data are impossible without signal; a gap between two pieces of a limit is null too."""


def faults(kind: str, which: int, steps: Sequence[Step]) -> list[str]:
    """Return what is wrong with the answers about one changed input."""
    place = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        found = outcomes(kind, which, steps, place)
        wrong = [f"{command[0]}: {text}" for command, answer in found for text in answer.wrong if text not in ENDLESS]
        wrong += [f"{command[0]}: the file is not named: {answer.text}" for command, answer in found[:1] if not names_it(answer, place)]
        if kind == "stores":
            command, _, document = stored([*STORES][which % len(STORES)])
            again = [answer.document for asked, answer in found if asked[0] == command[0] and answer.code == smoke.ANSWERED]
            wrong += [text for answer in again for text in smoke.differences(document, answer, within=0.0)]
        return wrong
    finally:
        shutil.rmtree(place)


def names_it(answer: smoke.Answer, place: Path) -> bool:
    """Return whether an answer that refuses an input names one of its files, or the experiment."""
    own = [f"{name}: " for name in ("mine", *SHIPPED)]
    names = [f"{place / 'inputs'}", "'mine'", *own, *(path.name for path in (place / "inputs").iterdir())]
    return answer.code != smoke.REFUSED or any(name in answer.text for name in names)
