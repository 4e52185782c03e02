"""Record what the command line says, and compare a later program with it; README.md beside this file has the use."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import gzip
import hashlib
import io
import json
import math
import os
import random
import re
import shlex
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

HERE: Final = Path(__file__).resolve().parent
ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

CSI, LAR = "coherent-csi-2021", "coherent-lar-2020"
DATA: Final = (CSI, LAR, f"{CSI} {LAR}")
MEDIATORS: Final = (
    *("universal", "b-l", "b-3l-e", "b-3l-mu", "b-3l-tau", "b-2l-e-l-mu", "b-y-l-mu-l-tau", "lmu-ltau", "le-lmu", "le-ltau", "vector"),
    *("scalar-universal", "scalar"),
)
OTHERS: Final = {
    "sm": "",
    "sm-axial": "",
    "signal-strength": "--at signal_strength=1.2",
    "flavour-strengths": "--at strength_nu_e=0.7 --at strength_nu_mu=1.2",
    "weak-mixing-angle": "--at sin2_theta_w=0.21",
    "neutron-radius": "--at r_n=5.5",
    "neutron-radii": "--at r_n_cs=5.5 --at r_n_i=5.3 --at r_n_ar=3.2",
    "neutron-skin": "--at skin=0.4",
    "cross-section": "--at sigma_csi=150 --at sigma_ar=20",
    "nsi": "--at eps_ee_u=0.1 --at eps_mumu_d=-0.05 --at eps_emu_u=0.07 --at eps_mutau_d_im=0.2",
    "magnetic-moment": "--at mu_nu_e=3e-9 --at mu_nu_mu=2e-9 --at mu_emu=1e-9",
    "charge-radius": "--at r2_nu_e=5 --at r2_nu_mu=-8 --at r2_mutau=12",
    "millicharge": "--at millicharge_nu_e=1e-7 --at millicharge_nu_mu=-2e-7 --at millicharge_etau=1e-7",
    "sterile": "--at sin2_2theta_ee=0.1 --at sin2_2theta_mumu=0.3 --at delta_m2=1",
    "released-templates": "",
}
"""The models without a mediator, with values at which their rates are printed."""


SLOW: Final = rf"^(fit|intervals) .*{LAR} -m (magnetic-moment|millicharge)|^fit .*{LAR} -m neutron-(radi|skin)"
"""Systematic commands that take 5 s and more."""


def systematic() -> Iterator[str]:
    """Yield the commands that run over all models: rates, fits, intervals."""
    for model in MEDIATORS:
        yield from (f"rates {CSI} -m {model} --at mass=30 --at g=3e-4", f"rates {LAR} -m {model} --at mass=300 --at g=2e-3")
        for data in DATA:
            yield from (f"{verb} {data} -m {model} --at mass=100" for verb in ("fit", "intervals"))
        yield from (f"intervals {DATA[2]} -m {model} --at mass={mass}" for mass in (10, 1000))
    for model, values in OTHERS.items():
        yield from (f"rates {data} -m {model} {values}".rstrip() for data in DATA[:2])
        for data in DATA:
            yield f"fit {data} -m {model} {_floating(model, data)}".rstrip()
            yield from (f"intervals {data} -m {model} {options}".rstrip() for options in _pois(model, data))


def _floating(model: str, data: str) -> str:
    if model in {"cross-section", "neutron-radii"}:
        first, second = ("sigma_csi", "sigma_ar") if model == "cross-section" else ("r_n_cs", "r_n_ar")
        return " ".join(f"--profile {name}" for name, experiment in ((first, CSI), (second, LAR)) if experiment in data)
    return {"nsi": "--profile eps_ee_u", "sterile": "--at delta_m2=1"}.get(model, "")


def _pois(model: str, data: str) -> tuple[str, ...]:
    if model in {"cross-section", "neutron-radii"}:
        return tuple(f"--poi {name}" for name in _floating(model, data).split()[1::2])
    names = {
        "sm": (),
        "sm-axial": (),
        "flavour-strengths": ("--poi strength_nu_e", "--poi strength_nu_mu"),
        "nsi": ("--poi eps_ee_u", "--poi eps_mumu_d", "--poi eps_emu_u", "--poi eps_mutau_d_im", "--poi eps_mumu_u --profile eps_ee_u"),
        "magnetic-moment": ("--poi mu_nu_e", "--poi mu_nu_mu", "--poi mu_emu"),
        "charge-radius": ("--poi r2_nu_e", "--poi r2_nu_mu", "--poi r2_etau"),
        "millicharge": ("--poi millicharge_nu_e", "--poi millicharge_nu_mu", "--poi millicharge_mutau"),
        "sterile": ("--at delta_m2=1", "--at delta_m2=30"),
    }
    return names.get(model, ("",))


@dataclasses.dataclass(frozen=True, slots=True)
class Chain:
    """Commands that run one after the other in a folder of their own; `slow` ones are left out by --fast."""

    lines: tuple[str, ...]
    slow: bool = False


def chains() -> list[Chain]:
    """Return all commands: the systematic ones, and the blocks of commands.txt.

    Raises
    ------
    ValueError
        If a command occurs twice: it is the key of its entry.
    """
    found = [Chain((line,), slow=re.search(SLOW, line) is not None) for line in systematic()]
    for block in (HERE / "commands.txt").read_text(encoding="utf-8").split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        if lines:
            found.append(Chain(tuple(line for line in lines if line != "@slow"), "@slow" in lines))
    keys = [line for chain in found for line in chain.lines]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        message = f"commands that occur twice: {sorted(twice)}"
        raise ValueError(message)
    return found


# Running


def run_chain(chain: Chain) -> dict[str, dict[str, Any]]:
    """Return what each command of a chain says and writes; it runs in an empty folder with the contents of files/."""
    from typer.testing import CliRunner

    from cevnsfit.cli.main import app

    entries = {}
    start = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="recording-") as name:
        folder = Path(name).resolve()
        shutil.copytree(HERE / "files", folder, dirs_exist_ok=True)
        os.chdir(folder)
        try:
            for line in chain.lines:
                before, begun = _stamps(folder), time.process_time()
                # "$ " marks a command that prints text, as in the pages.
                words = shlex.split(line.removeprefix("$ ").replace("ROOT", str(_root()))) + ([] if line.startswith("$ ") else ["--json"])
                result = CliRunner().invoke(app, words)
                written = sorted(path for path, stamp in _stamps(folder).items() if before.get(path) != stamp)
                entries[line] = {
                    "rc": result.exit_code,
                    **_said(_neutral(result.stdout, folder)),
                    "errors": _errors(_neutral(result.stderr, folder)),
                    "files": {str(path.relative_to(folder)): _contents(path, folder) for path in written},
                    "seconds": round(time.process_time() - begun, 2),
                }
        finally:
            os.chdir(start)
    return entries


def _stamps(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return the files under a folder with size and time; stores are left out, their layout may change."""
    paths = (path for path in folder.rglob("*") if path.is_file() and not any(part.endswith(".zarr") for part in path.parts))
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in paths}


def _neutral(text: str, folder: Path) -> str:
    """Return a text without the names of folders of this machine."""
    return text.replace(str(folder), "TMP").replace(str(_root()), "ROOT")


def _root() -> Path:
    """Return the folder of the project whose cevnsfit is imported."""
    import cevnsfit

    return Path(cevnsfit.__file__).resolve().parents[2]


def _said(text: str) -> dict[str, Any]:
    try:
        return {"json": reduced(json.loads(text))}
    except ValueError:
        return {"text": text.split()}


def _errors(text: str) -> list[str]:
    return [line for line in text.splitlines() if re.match(r"(error|internal error|incomplete|interrupted)", line)]


def _contents(path: Path, folder: Path) -> Any:
    reader = _READERS.get(path.suffix)
    return None if reader is None else reader(path, folder)


def _json_file(path: Path, folder: Path) -> Any:
    return reduced(json.loads(_neutral(path.read_text(encoding="utf-8"), folder)))


def _yaml_file(path: Path, folder: Path) -> Any:
    import yaml

    return reduced(list(yaml.safe_load_all(_neutral(path.read_text(encoding="utf-8"), folder))))


def _csv_file(path: Path, folder: Path) -> Any:
    """Return the columns of a table; comment lines are left out, they say where a result comes from."""
    lines = [line for line in _neutral(path.read_text(encoding="utf-8"), folder).splitlines() if line and not line.startswith("#")]
    header, *rows = csv.reader(io.StringIO("\n".join(lines)))
    return {name: reduced([_number(word) for word in column]) for name, column in zip(header, zip(*rows, strict=True), strict=False)}


def _text_file(path: Path, folder: Path) -> Any:
    lines = [line for line in _neutral(path.read_text(encoding="utf-8"), folder).splitlines() if not line.startswith("#")]
    return reduced([_number(word) for line in lines for word in re.split(r"[\s,]+", line) if word])


def _root_file(path: Path, _: Path) -> Any:
    import uproot

    with uproot.open(path) as file:
        return {name: reduced(_root_object(file[name])) for name in sorted(file.keys(cycle=False))}


def _root_object(item: Any) -> Any:
    if hasattr(item, "arrays"):
        return {name: array.tolist() for name, array in item.arrays(library="np").items()}
    if hasattr(item, "to_numpy"):
        return [part.tolist() for part in item.to_numpy()]
    return type(item).__name__


def _netcdf_file(path: Path, _: Path) -> Any:
    from scipy.io import netcdf_file

    with netcdf_file(path, mmap=False) as file:
        return {name: reduced(variable[:].tolist()) if variable.shape else None for name, variable in file.variables.items()}


_READERS: Final = {
    ".json": _json_file,
    ".yaml": _yaml_file,
    ".csv": _csv_file,
    ".txt": _text_file,
    ".lmt": _text_file,
    ".root": _root_file,
    ".nc": _netcdf_file,
}
"""Of pictures and archives only the name is recorded."""


def _number(word: str) -> float | str:
    try:
        return float(word)
    except ValueError:
        return word


# Reducing

_LEFT_OUT: Final = {"provenance", "version", "versions", "packages", "inputs", "digests", "digest", "sha256", "created", "date"}
_LONGEST: Final = 40
_SAMPLES: Final = 12


def reduced(value: Any) -> Any:
    """Return a document without its provenance, long arrays replaced by their size, sums and some of their numbers."""
    if isinstance(value, dict):
        return {str(key): reduced(item) for key, item in value.items() if key not in _LEFT_OUT}
    if isinstance(value, list | tuple):
        leaves = list(_leaves(value))
        if len(leaves) <= _LONGEST or any(isinstance(leaf, dict) for leaf in leaves):
            return [reduced(item) for item in value]
        if all(isinstance(leaf, bool | int | float | None) for leaf in leaves):
            return _summary(leaves)
        return {"#words": len(leaves), "sha": hashlib.sha256(json.dumps(leaves).encode()).hexdigest()[:16], "first": leaves[:3]}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _leaves(value: Iterable[Any]) -> Iterator[Any]:
    for item in value:
        if isinstance(item, list | tuple):
            yield from _leaves(item)
        else:
            yield item


def _summary(leaves: Sequence[float | None]) -> dict[str, Any]:
    finite = [float(leaf) for leaf in leaves if leaf is not None and math.isfinite(leaf)]
    places = sorted({round(k * (len(leaves) - 1) / (_SAMPLES - 1)) for k in range(_SAMPLES)})
    return {
        "#numbers": len(leaves),
        "finite": len(finite),
        "sum": math.fsum(finite),
        "absolute": math.fsum(map(abs, finite)),
        "squares": math.fsum(leaf * leaf for leaf in finite),
        "largest": max(map(abs, finite), default=0.0),
        "samples": [reduced(leaves[place]) for place in places],
    }


# Comparing

RELATIVE: Final = 1e-6
FLOOR: Final = 1e-9
"""Differences are relative to a number, or to the largest number of its array times FLOOR."""


@dataclasses.dataclass(frozen=True, slots=True)
class Tolerance:
    """What numbers may differ by whose path (command | keys) matches; `floor` is absolute."""

    pattern: str
    relative: float
    floor: float
    reason: str


VALLEY: Final = "^fit coherent-csi-2021 -m nsi --profile eps_ee_u --profile eps_ee_d"
TOLERANCES: Final = (
    Tolerance(r"(nll2|statistic|reference_nll2)$", RELATIVE, 1e-6, "-2 ln lambda has an absolute scale; it is 0 for Asimov data"),
    Tolerance(r"\bp$", RELATIVE, 1e-9, "a probability"),
    Tolerance(r"^(fit|spectra) .* correlation ", 1e-5, 3e-6, "second derivatives of a minimisation, of order one"),
    Tolerance(r"^(fit|spectra) .* parameters \S+ error$", 1e-5, 0.0, "second derivatives of a minimisation"),
    Tolerance(
        r"(values|combined|separate \S+) g$|parameters g value$", RELATIVE, 1e-10, "a coupling at its bound, 0, to some 1e-6 of its error"
    ),
    Tolerance(r"^scan .* -m nsi .* best_fit eps_", 1e-4, 1e-4, "the square of eps_etau enters: the minimum at 0 is flat"),
    Tolerance(rf"{VALLEY} .* parameters \S+ value$", 1e-4, 0.0, "eps_ee_u and eps_ee_d are degenerate: the minimum is a valley"),
    Tolerance(rf"{VALLEY} .* (parameters \S+ error$|correlation )", 5e-2, 3e-3, "second derivatives along a valley"),
    Tolerance(
        r"^scan coherent-lar-2020 -m b-3l-tau .* best_fit g$", 1.0, 1.0, "without nu_tau nothing depends on g: any value is the best"
    ),
)
"""What does not repeat to 1e-6 when the same program runs with other kernels of OpenBLAS (OPENBLAS_CORETYPE=Nehalem, numpy without AVX):
other roundings, no other change."""


UNSTABLE: Final = r"^fit .* -m millicharge$"
"""Commands whose result today depends on the rounding: with other kernels this fit of CsI 2021 ends in another minimum, -2 ln lambda = 94.09
instead of 102.94. What differs in them is a note."""


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """What differs: the command, the path of keys in what it said, and both values; a note is not a failure."""

    command: str
    path: str
    before: Any
    after: Any
    note: bool = False

    def __str__(self) -> str:
        """Return one line."""
        kind = "note: " if self.note else ""
        return f"{kind}{self.command} | {self.path}: {_short(self.before)} -> {_short(self.after)}{_ratio(self.before, self.after)}"


def _short(value: Any) -> str:
    text = repr(value) if isinstance(value, float) else json.dumps(value)
    return text if len(text) <= 160 else f"{text[:160]}..."


def _ratio(before: Any, after: Any) -> str:
    if not (_is_number(before) and _is_number(after)) or before == 0.0:
        return ""
    return f" ({after / before - 1.0:+.1e})"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def differences(command: str, before: dict[str, Any], after: dict[str, Any]) -> list[Difference]:
    """Return where two entries of a command differ."""
    if before["rc"] != after["rc"]:
        return [Difference(command, "rc", [before["rc"], *before["errors"]], [after["rc"], *after["errors"]], before["rc"] == 1)]
    found = [] if before["errors"] == after["errors"] else [Difference(command, "errors", before["errors"], after["errors"], note=True)]
    for part in ("json", "text", "files"):
        found += _compare(command, (part,), before.get(part), after.get(part))
    return [dataclasses.replace(entry, note=True) for entry in found] if re.search(UNSTABLE, command) else found


def _compare(command: str, path: tuple[str, ...], before: Any, after: Any, floor: float = 0.0) -> list[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        return _compare_mappings(command, path, before, after, floor)
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        least = max(floor, FLOOR * _largest(before))
        pairs = enumerate(zip(before, after, strict=True))
        return [entry for index, pair in pairs for entry in _compare(command, (*path, str(index)), *pair, least)]
    where = " ".join(path)
    if _is_number(before) and _is_number(after):
        same = abs(after - before) <= _allowed(f"{command} | {where}", before, after, floor)
    elif path[0] == "text" and isinstance(before, str) and isinstance(after, str):
        same = _same_word(before, after)
    else:
        same = before == after
    return [] if same else [Difference(command, where, before, after)]


def _compare_mappings(command: str, path: tuple[str, ...], before: dict[str, Any], after: dict[str, Any], floor: float) -> list[Difference]:
    """Compare mappings: a new key is a note; values beside an "error" are compared in units of it."""
    where = " ".join(path)
    if "#numbers" in before and "#numbers" in after:
        return _compare_summaries(command, path, before, after)
    found = [Difference(command, f"{where} {key}", before[key], "(gone)") for key in before if key not in after]
    found += [Difference(command, f"{where} {key}", "(new)", after[key], note=True) for key in after if key not in before]
    error = before.get("error")
    least = max(floor, RELATIVE * abs(error)) if _is_number(error) else floor
    return found + [entry for key in before if key in after for entry in _compare(command, (*path, key), before[key], after[key], least)]


def _compare_summaries(command: str, path: tuple[str, ...], before: dict[str, Any], after: dict[str, Any]) -> list[Difference]:
    """Compare two reduced arrays; a sum may differ as much as its terms."""
    where = " ".join(path)
    sizes = [Difference(command, f"{where} {key}", before[key], after[key]) for key in ("#numbers", "finite") if before[key] != after[key]]
    if sizes:
        return sizes
    relative, least = _looseness(f"{command} | {where} ")
    scales = {
        "sum": (before["absolute"], before["finite"]),
        "absolute": (before["absolute"], before["finite"]),
        "squares": (2.0 * before["squares"], 2.0 * before["absolute"]),
        "largest": (before["largest"], 1),
    }
    found = [
        Difference(command, f"{where} {key}", before[key], after[key])
        for key, (scale, number) in scales.items()
        if abs(after[key] - before[key]) > relative * scale + least * number
    ]
    pairs = enumerate(zip(before["samples"], after["samples"], strict=True))
    floor = FLOOR * before["largest"]
    return found + [entry for index, pair in pairs for entry in _compare(command, (*path, "samples", str(index)), *pair, floor)]


def _largest(values: Sequence[Any]) -> float:
    return max((abs(leaf) for leaf in _leaves(values) if _is_number(leaf)), default=0.0)


def _looseness(where: str) -> tuple[float, float]:
    """Return the relative and the absolute tolerance of a number."""
    fitting = [entry for entry in TOLERANCES if re.search(entry.pattern, where)]
    return max((entry.relative for entry in fitting), default=RELATIVE), max((entry.floor for entry in fitting), default=0.0)


def _allowed(where: str, before: float, after: float, floor: float) -> float:
    relative, least = _looseness(where)
    return max(relative * max(abs(before), abs(after)), least, floor)


def _same_word(before: str, after: str) -> bool:
    """Return whether two printed words agree, numbers within one unit of their last digit."""
    if before == after:
        return True
    try:
        a, b = (float(word.strip("[](),;")) for word in (before, after))
    except ValueError:
        return False
    digits = re.search(r"\.(\d+)", before)
    exponent = re.search(r"e([+-]?\d+)", before)
    unit = 10.0 ** ((0 if exponent is None else int(exponent.group(1))) - (0 if digits is None else len(digits.group(1))))
    return abs(a - b) <= 1.01 * unit


# The command line of this script


def run_all(selected: Sequence[Chain], jobs: int) -> Iterator[dict[str, Any]]:
    """Yield the entries of each chain as it is finished; every process uses one thread, set before numpy is imported."""
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"), COLUMNS="160", MPLBACKEND="Agg", NO_COLOR="1")
    order = sorted(selected, key=lambda chain: not chain.slow)
    if jobs == 1:
        yield from (_shown(run_chain(chain)) for chain in order)
        return
    with ProcessPoolExecutor(jobs) as pool:
        for future in as_completed([pool.submit(run_chain, chain) for chain in order]):
            yield _shown(future.result())


def _shown(entries: dict[str, Any]) -> dict[str, Any]:
    for line, entry in entries.items():
        _say(f"rc {entry['rc']} {entry['seconds']:7.2f} s  {line}", sys.stderr)
    return entries


def _say(text: str, stream: Any = None) -> None:
    (sys.stdout if stream is None else stream).write(f"{text}\n")
    (sys.stdout if stream is None else stream).flush()


def read(path: Path) -> dict[str, Any]:
    """Return the entries of a recording."""
    document: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return document


def write(entries: dict[str, Any], path: Path) -> None:
    """Write a recording, in the order of the commands."""
    order = {line: place for place, line in enumerate(line for chain in chains() for line in chain.lines)}
    known = sorted(entries, key=lambda line: order.get(line, -1))
    path.write_bytes(gzip.compress(json.dumps({line: entries[line] for line in known}, indent=0).encode(), mtime=0))


def report(before: dict[str, Any], after: dict[str, Any]) -> int:
    """Print the differences of the commands of `after`, one a line, and their number; return 1 if any is not a note."""
    found = [Difference(line, "", "(not recorded)", "", note=True) for line in after if line not in before]
    for line, entry in after.items():
        if line in before:
            found += differences(line, before[line], entry)
    for difference in found:
        _say(str(difference))
    failures = [entry for entry in found if not entry.note]
    commands = {entry.command for entry in failures}
    _say(f"{len(after)} commands compared: {len(failures)} differences in {len(commands)} commands, {len(found) - len(failures)} notes")
    return 1 if failures else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `record FILE`, `compare FILE` or `diff FILE FILE`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("record", "compare", "diff", "list"))
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--jobs", "-j", type=int, default=1, help="worker processes")
    parser.add_argument("--only", default="", help="only chains of commands in which this regular expression is found")
    parser.add_argument("--fast", action="store_true", help="without the slow commands")
    parser.add_argument("--missing", action="store_true", help="record: only what FILE does not hold yet")
    parser.add_argument("--shuffle", type=int, help="run in another order, from this seed")
    parser.add_argument("--save", type=Path, help="compare: keep what was run here")
    options = parser.parse_args(arguments)
    selected = [
        chain for chain in chains() if any(re.search(options.only, line) for line in chain.lines) and not (options.fast and chain.slow)
    ]
    if options.command == "list":
        for chain in selected:
            _say("\n".join(chain.lines))
        return 0
    if options.command == "diff":
        return report(*(read(path) for path in options.files))
    if options.shuffle is not None:
        random.Random(options.shuffle).shuffle(selected)
    recording = options.files[0]
    before = read(recording) if recording.exists() else {}
    if options.command == "record":
        wanted = [chain for chain in selected if not (options.missing and all(line in before for line in chain.lines))]
        _measured(wanted, options.jobs, recording, before if options.missing else {})
        return 0
    recorded = [chain for chain in selected if all(line in before for line in chain.lines)]
    return report(before, _measured(recorded, options.jobs, options.save, {}))


def _measured(selected: Sequence[Chain], jobs: int, path: Path | None, entries: dict[str, Any]) -> dict[str, Any]:
    """Return the entries with those of the chains; they are written to the path, if any, as they come."""
    begun = time.monotonic()
    for found in run_all(selected, jobs):
        entries.update(found)
        if path is not None:
            write(entries, path)
    cpu = sum(entry["seconds"] for entry in entries.values())
    _say(f"{len(entries)} commands, {time.monotonic() - begun:.0f} s, {cpu:.0f} s of CPU", sys.stderr)
    return entries


if __name__ == "__main__":
    sys.exit(main())
