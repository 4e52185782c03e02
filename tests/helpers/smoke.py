"""The matrix of commands, models and data sets: what is called, and what every answer must be."""

from __future__ import annotations

import atexit
import json
import math
import os
import random
import re
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from threadpoolctl import threadpool_limits
from typer.main import get_command
from typer.testing import CliRunner
from watched import strays

from cevnsfit.cli.main import app
from cevnsfit.cli.models import _model
from cevnsfit.studies.setup import all_models

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from typer.testing import Result

    from cevnsfit.core.parameters import Parameter

CSI: Final = "coherent-csi-2021"
LAR: Final = "coherent-lar-2020"
DATA: Final = {"csi": (CSI,), "lar": (LAR,), "both": (CSI, LAR)}
THREADS: Final = (1, 2)
ANSWERED, REFUSED, INCOMPLETE = 0, 2, 3
TOYS: Final = ("--toys", "128")


@dataclass(frozen=True, slots=True)
class Case:
    """One place of the matrix."""

    entry: str
    model: str
    data: str

    def __str__(self) -> str:
        return f"{self.entry}, {self.model}, {self.data}"

    @property
    def experiments(self) -> tuple[str, ...]:
        """Return the names of the experiments."""
        return DATA[self.data]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Return the parameters of the model."""
        return tuple(_model(self.model).parameters)

    @property
    def poi(self) -> Parameter | None:
        """Return the parameter of interest: the first one that floats, else the first one."""
        return next((one for one in self.parameters if not one.fixed), self.parameters[0] if self.parameters else None)

    @property
    def chosen(self) -> list[str]:
        """Return the model with what is held in it: masses and the like that float, and further couplings over many orders of magnitude."""
        held = [one for one in self.parameters if (one.kind == "nonlinear" or one.scale == "log") and not one.fixed and one != self.poi]
        return [
            "-m",
            self.model,
            *(text for one in held for text in ("--at", f"{one.name}={30.0 if one.name == 'mass' else one.default:g}")),
        ]

    @property
    def interest(self) -> list[str]:
        """Return the parameter of interest as an option, where it is not that of the model."""
        return ["--poi", self.poi.name] if self.poi is not None and self.poi.fixed else []

    @property
    def truth(self) -> str:
        """Return a true value; of the flux for a model without parameters."""
        return "sns_flux=0" if self.poi is None else f"{self.poi.name}={self.poi.default:.12g}"

    def plane(self, *counts: int) -> list[str]:
        """Return the grids of a plane of two parameters, of one where there is no other."""
        two = sorted(self.parameters[:2], key=lambda one: one.kind != "nonlinear")
        return [text for one, count in zip(two, counts, strict=False) for text in ("--grid", grid(one, count))]


NEAR: Final = {
    "mass": (10.0, 1000.0),
    "g": (1e-5, 1e-1),
    "mu": (1e-11, 1e-7),
    "d": (1e-11, 1e-7),
    "r2": (-50.0, 50.0),
    "millicharge": (-1e-6, 1e-6),
}
"""Where values of parameters are tried whose domain is much wider than what data allow."""


def grid(one: Parameter, count: int) -> str:
    """Return a coarse grid over the domain of a parameter."""
    around = max(1.0, abs(one.default))
    low, high = next((ends for name, ends in NEAR.items() if one.name == name or one.name.startswith(f"{name}_")), (one.lower, one.upper))
    low, high = (low if math.isfinite(low) else one.default - around), (high if math.isfinite(high) else one.default + around)
    logarithmic = one.scale == "log"
    return f"{one.name}={max(low, 1e-5 * high) if logarithmic else low:g}:{high:g}:{count}{':log' if logarithmic else ''}"


Build = "Callable[[Case, Path], list[str]]"


def _statistics(name: str, *further: str, interest: bool = True) -> Build:
    return lambda case, out: [
        name,
        *case.experiments,
        *case.chosen,
        *(case.interest if interest else []),
        *(text.format(out=out) for text in further),
    ]


def _planes(name: str, *further: str, counts: tuple[int, int] = (3, 7)) -> Build:
    def build(case: Case, out: Path) -> list[str]:
        return [name, *case.experiments, "-m", case.model, *case.plane(*counts), *(text.format(out=out) for text in further)]

    return build


def _of_a_scan(*words: str) -> Build:
    """Return what a command does with the folder of a scan, which is made first."""

    def build(case: Case, out: Path) -> list[str]:
        made = _scanned(case.model, case.data)
        if made.is_dir():
            shutil.copytree(made, out / "scan")
        return [text.format(out=out, scan=out / "scan") for text in words]

    return build


@cache
def _scanned(model: str, data: str) -> Path:
    """Return the folder of a scan, which other commands are to read; there is none where the scan is refused."""
    folder = Path(tempfile.mkdtemp(prefix="smoke-scan-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    invoke([*_planes("scan", "--no-plot")(Case("", model, data), folder), "-o", str(folder / "scan")])
    return folder / "scan"


def _analysis_file(case: Case, out: Path) -> list[str]:
    grids = json.dumps(case.plane(3, 7)[1::2])
    held = {one.name: one.default for one in case.parameters[2:] if one.kind == "nonlinear" and not one.fixed}
    text = f"schema_version: 1\ntitle: one plane\nmodel: {case.model}\ngrid: {grids}\nat: {json.dumps(held)}\n"
    text += f"results: [{{label: one, experiments: {json.dumps(case.experiments)}}}]\nspectra: [{case.experiments[0]}]\n"
    (out / "analysis.yaml").write_text(text, encoding="utf-8")
    return ["run", str(out / "analysis.yaml"), "-o", str(out / "run")]


def _one(case: Case) -> str:
    return case.experiments[-1]


MATRIX: Final[dict[str, Build]] = {
    "rates": lambda case, _: ["rates", _one(case), *case.chosen],
    "fit": _statistics("fit", interest=False),
    "fit --toy": _statistics("fit", "--toy", "1", interest=False),
    "spectra": _statistics("spectra", "-o", "{out}/spectra.png", interest=False),
    "intervals": _statistics("intervals"),
    "intervals --method feldman-cousins": _statistics("intervals", "--method", "feldman-cousins", *TOYS),
    "intervals --method cls": _statistics("intervals", "--method", "cls"),
    "gof": _statistics("gof", *TOYS, "-o", "{out}", interest=False),
    "compare": lambda case, out: [
        "compare",
        *case.experiments,
        *case.chosen,
        "-m",
        "signal-strength" if case.model == "sm" else "sm",
        *TOYS,
        "-o",
        str(out),
    ],
    "compatibility": _statistics("compatibility", interest=False),
    "significance": _statistics("significance", *TOYS),
    "significance --grid": lambda case, _: ["significance", *case.experiments, "-m", case.model, *case.plane(3), *TOYS],
    "impacts --groups": _statistics("impacts", "--groups", "-o", "{out}/groups.svg"),
    "impacts": _statistics("impacts", "-o", "{out}/impacts.svg"),
    "coverage": lambda case, out: ["coverage", *case.experiments, *case.chosen, "--true", case.truth, *TOYS, "-o", str(out)],
    "posterior": _statistics("posterior", "--steps", "100", "--ensembles", "2", "-o", "{out}"),
    "region": _planes("region", *TOYS, "-o", "{out}", counts=(3, 3)),
    "critical-values": _planes("critical-values", *TOYS, "-o", "{out}", counts=(3, 3)),
    "forecast --method feldman-cousins": _statistics("forecast", "--method", "feldman-cousins", *TOYS),
    "forecast": _statistics("forecast", "-o", "{out}"),
    "forecast --vary": _statistics("forecast", "--vary", "source.exposure_pot=1e23:1e24:3:log"),
    "scan": _planes("scan", "-o", "{out}"),
    "run": _analysis_file,
    "plot": _of_a_scan("plot", "{scan}", "-o", "{out}/plane.pdf"),
    "export csv": _of_a_scan("export", "{scan}", "--to", "csv"),
    "export json": _of_a_scan("export", "{scan}", "--to", "json"),
    "export hepdata": _of_a_scan("export", "{scan}", "--to", "hepdata"),
    "export root": _of_a_scan("export", "{scan}", "--to", "root"),
    "export darkcast": _of_a_scan("export", "{scan}", "--to", "darkcast"),
    "export netcdf": _of_a_scan("export", "{scan}", "--to", "netcdf"),
    "export-likelihood pyhf": _statistics("export-likelihood", "--to", "pyhf", "-o", "{out}/likelihood.json", interest=False),
    "export-likelihood hs3": _statistics("export-likelihood", "--to", "hs3", "-o", "{out}/likelihood.json", interest=False),
    "export-likelihood simplified": lambda case, out: [
        *("export-likelihood", *case.experiments, "-m", case.model, *case.plane(3)),
        *("--to", "simplified", "-o", str(out / "simplified")),
    ],
    "report": _of_a_scan("report", "{scan}"),
    "show": _of_a_scan("show", "{scan}"),
    "cite": lambda case, _: ["cite", *case.experiments, "-m", case.model],
    "models show": lambda case, _: ["models", "show", case.model],
    "overlays show": lambda case, _: ["overlays", "show", "borexino", "-m", case.model, "--grid", "mass=1:1000:3:log"],
    "slice": lambda case, out: [
        "slice",
        "--overlay",
        "borexino",
        "-m",
        case.model,
        "--grid",
        "mass=10:100:3:log",
        "-o",
        f"{out}/slice.csv",
    ],
}
"""What is called for every model and every data set, by words that begin with those of the command."""

ONCE: Final[dict[str, list[str]]] = {
    "fit --constrain": ["fit", CSI, "-m", "sm", "--constrain", "sns_flux=0.95+-0.03", "--correlate", f"sns_flux,{CSI}.quenching_0=0.5"],
    "experiments": ["experiments"],
    "experiments list": ["experiments"],
    "experiments show": ["experiments", "show", CSI],
    "experiments check": ["experiments", "check", LAR],
    "models": ["models"],
    "overlays": ["overlays"],
    "overlays list": ["overlays", "list"],
    "export slha": ["export", "{out}/susy", "--to", "slha", "--point", "0", "-o", "{out}/point.slha"],
    "g-2": ["g-2", "muon-2025", "-o", "{out}/band.csv"],
    "susy-scan": ["susy-scan", LAR, "-n", "2000", "-o", "{out}/susy"],
    "import-release": ["import-release", CSI, "{out}", "-o", "{out}/release"],
    "new-experiment": ["new-experiment", "mine", "-o", "{out}/mine"],
    "init": ["init", "{out}/analysis.yaml"],
    "schema": ["schema", "analysis"],
    "validate": ["validate"],
}
"""What has no model, or one of its own."""


def commands() -> Iterator[str]:
    """Yield the words of every command of the program."""

    def below(command: Any, words: str) -> Iterator[str]:
        children = getattr(command, "commands", {})
        if not children or getattr(command, "invoke_without_command", False):
            yield words
        for name, child in children.items():
            yield from below(child, f"{words} {name}".strip())

    yield from below(get_command(app), "")


def entries_of(command: str) -> list[str]:
    """Return the entries of the matrix that call a command."""
    known = sorted({*commands()}, key=len, reverse=True)
    return [entry for entry in (*MATRIX, *ONCE) if command == next((name for name in known if f"{entry} ".startswith(f"{name} ")), "")]


def invoke(arguments: Iterable[str]) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, list(arguments))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command did, and what is wrong with that."""

    code: int
    document: Any
    text: str
    wrong: tuple[str, ...]


def tried(arguments: Sequence[str], out: Path, threads: int = 1) -> Answer:
    """Return what a command with --json answers in a folder of its own."""
    before, here, temporary = Path.cwd(), out / "here", out / "temporary"
    for folder in (here, temporary):
        folder.mkdir(parents=True, exist_ok=True)
    os.chdir(here)
    tempfile.tempdir = str(temporary)
    try:
        with threadpool_limits(threads), strays(out) as outside:
            result = invoke([*arguments, "--json"])
    finally:
        tempfile.tempdir = None
        os.chdir(before)
    wrong = list(_faults(result))
    wrong += [f"wrote {place}" for place in outside]
    wrong += [f"left {place.name} where it was called" for place in here.iterdir()]
    document = json.loads(result.stdout) if result.exit_code in {ANSWERED, INCOMPLETE} and result.stdout else None
    return Answer(result.exit_code, document, result.stderr + (result.stdout if result.exit_code == REFUSED else ""), tuple(wrong))


def _faults(result: Result) -> Iterator[str]:
    """Yield what is wrong with an exit code and what stands on stdout and stderr."""
    code, error = result.exit_code, result.stderr
    if code not in {ANSWERED, REFUSED, INCOMPLETE}:
        yield f"exit code {code}: {error.strip()} {result.exception!r}"
        return
    if "Traceback" in result.output:
        yield "a traceback"
    if code == REFUSED:
        if not result.stdout and not re.search(r"(?m)^(error: |Usage: )\S", error):
            yield f"refused without a reason: {error!r}"
        return
    if code == INCOMPLETE and not re.search(r"(?m)^incomplete: \S", error):
        yield f"incomplete without a reason: {error!r}"
    try:
        document = json.loads(result.stdout)
    except ValueError as problem:
        yield f"no JSON on stdout: {problem}"
        return
    if code == ANSWERED:
        yield from (f"no number at {place}" for place in sorted(set(nulls(document))))


_UNCHOSEN: Final = r"\[\]\.(curve|error|our_error|paper)|(provenance|parts\[\]|overrides|specs?)\..*|.*\bdefault|signal_systematics"
_ABSENT: Final = (
    r".*\b(observed|toys|tail|over|setting|quantile|seed|delta_nll2_sm|reference_nll2)|evidence|wilks|left_out\[\]\.(rms|monte_carlo)"
)
"""A projection has no data, an asymptotic result no pseudo-experiments, a model without couplings none to compare; evidences that are not asked for,
models that are not nested, nodes that no toys decide."""
_OPEN: Final = (
    r".*\b(allowed|excluded)\[\]\[\]|expected\[\]|significance|(columns\[\]\.)?g\[\]|.*\b(limit|statistics_only)|.*\b(bands|discovery)\..*"
)
"""An interval without an end, a limit, observed or expected, where nothing is excluded, a significance beyond all toys."""
_ENDS: Final = (
    r"error|(.*\.)?parameters(\[\])?\..*(lower|upper|least|error)|(.*\.)?correlations?\[\]\[\]|quadrature|groups\[\]\.(error|up|down)"
)
"""Parameters without bounds, counts, which have no centre; MINOS errors that are not asked for; errors at an end of a domain, and correlations with what is the same everywhere."""
NOTHING: Final = re.compile(f"{_UNCHOSEN}|{_ABSENT}|{_OPEN}|{_ENDS}")
"""Places of a document where nothing may stand."""


def nulls(value: Any, place: str = "") -> Iterator[str]:
    """Yield the places of a document that hold nothing although a value is promised; entries of lists have one place."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from nulls(item, f"{place}.{key}".strip("."))
    elif isinstance(value, list):
        for item in value:
            yield from nulls(item, f"{place}[]")
    elif value is None and not NOTHING.fullmatch(place):
        yield place


@cache
def families() -> dict[str, list[str]]:
    """Return the models by what they have: couplings, masses and other nonlinear parameters, templates of a release."""
    found: dict[str, list[str]] = {}
    for name in all_models():
        kinds = [one.kind for one in _model(name).parameters if one.name in {"g", "mass"} or one.kind == "polynomial" or not one.fixed]
        words = (
            "templates"
            if "templates" in name
            else f"{min(len(kinds), 2)} parameters"
            if "nonlinear" not in kinds
            else f"{min(kinds.count('polynomial'), 1)} couplings, others"
        )
        found.setdefault(words, []).append(name)
    return found


def every() -> Iterator[Case]:
    """Yield all cases."""
    for entry, model, data in product(MATRIX, all_models(), DATA):
        yield Case(entry, model, data)


@cache
def sample(seed: int = 1) -> tuple[tuple[Case, int], ...]:
    """Return cases with numbers of threads in which each two values meet: of entry, family of the model, data and threads; models of a family in turn."""
    random_numbers = random.Random(seed)
    axes: list[list[Any]] = [list(MATRIX), list(families()), list(DATA), list(THREADS)]
    missing = {(i, a, j, b) for i, j in ((i, j) for j in range(4) for i in range(j)) for a, b in product(axes[i], axes[j])}
    turns = {name: random_numbers.sample(models, len(models)) for name, models in families().items()}
    chosen: list[tuple[Case, int]] = []
    while missing:
        start = min(missing, key=str)
        best, gain = None, set()
        for _ in range(40):
            row = [random_numbers.choice(axis) for axis in axes]
            row[start[0]], row[start[2]] = start[1], start[3]
            met = {(i, row[i], j, row[j]) for j in range(4) for i in range(j)} & missing
            if len(met) > len(gain):
                best, gain = row, met
        missing -= gain
        assert best is not None
        entry, family, data, threads = best
        turns[family].append(turns[family].pop(0))
        chosen.append((Case(entry, turns[family][-1], data), threads))
    return tuple(chosen)


def differences(one: Any, other: Any, place: str = "", within: float = 1e-6) -> Iterator[str]:
    """Yield the places where two documents differ by more than a tolerance, relative above 1; places of files do not count."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}.keys() - {"files", "provenance", "folder"}:
            yield from differences(one.get(key), other.get(key), f"{place}.{key}".strip("."), within)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from differences(a, b, f"{place}[{number}]", within)
    elif one != other and not (_numbers(one, other) and math.isclose(one, other, rel_tol=within, abs_tol=within)):
        yield f"{place}: {one!r}, {other!r}"


def _numbers(*values: object) -> bool:
    return all(isinstance(value, float | int) for value in values)
