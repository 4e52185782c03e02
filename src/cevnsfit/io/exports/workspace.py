"""Workspaces of pyhf as likelihoods: exported ones come back with their couplings, others with a parameter for each modifier.

A channel's samples become rows: normfactors are free factors (or monomials of couplings, where the metadata beside the file name them), normsys
are log-normal factors (code 4), histosys are excursions (code 4p), staterror is a constrained excursion of single bins, and a
shapefactor that a sample shares with a channel of its own is a background measured in a control region. Everything else is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError, ResultError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.io.exports.histfactory import quiet, validate
from cevnsfit.io.exports.text import read_document
from cevnsfit.model.rows import LINEAR, QUADRATIC, Factors, coefficients, excursion
from cevnsfit.stats.channel import Channel, ControlRegion
from cevnsfit.stats.likelihood import Likelihood

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Spec = Mapping[str, Any]

MAX_BYTES: Final = 200_000_000
MAX_NUMBERS: Final = 20_000_000
"""Most template entries, rows times bins."""

_KNOWN: Final = ("normfactor", "normsys", "histosys", "shapefactor", "staterror")
_SIGNAL: Final = "cevns"
_SIGNAL_SAMPLES: Final = ("sm", "int", "quad")


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """A template with its factors; `norms` are (hi, lo), which need not be each other's inverse."""

    factors: Factors
    norms: Mapping[str, tuple[float, float]]
    template: Floats


@dataclass(slots=True, eq=False)
class _Reader:
    """A workspace being read: its parameters in order of appearance."""

    monomials: Mapping[str, Mapping[str, int]]
    settings: Mapping[str, Spec]
    couplings: Mapping[str, Spec]
    poi: str
    parameters: dict[str, Parameter] = field(default_factory=dict)

    def factor(self, name: str) -> dict[str, int]:
        """Return the powers of a normfactor."""
        if name in self.monomials:
            powers = dict(self.monomials[name])
            for coupling in powers:
                self.add(self.coupling(coupling))
            return powers
        low, high = self.bounds(name, (0.0, 10.0))
        value, fixed = self.start(name, 1.0)
        self.add(Parameter(name, "polynomial" if name == self.poi else "nuisance", value, low, high, fixed=fixed))
        return {name: 1}

    def coupling(self, name: str) -> Parameter:
        """Return a coupling as the metadata describe it."""
        entry = self.couplings.get(name, {})
        lower, upper = (float(entry.get(key, default)) for key, default in (("lower", 0.0), ("upper", 1.0)))
        unit, fixed, value = str(entry.get("unit", "1")), bool(entry.get("fixed", False)), float(entry.get("default", 0.0))
        return Parameter(name, "polynomial", value, lower, upper, unit, "log" if entry.get("scale") == "log" else "linear", fixed=fixed)

    def nuisance(self, name: str) -> str:
        """Return the name of a constrained parameter."""
        low, high = self.bounds(name, (-5.0, 5.0))
        value, fixed = self.start(name, 0.0)
        if any(centre != 0.0 for centre in self.settings.get(name, {}).get("auxdata", [])):
            message = f"the constraint of {name} is not centred at 0"
            raise ValueError(message)
        self.add(Parameter(name, "nuisance", value, low, high, constrained=True, fixed=fixed))
        return name

    def add(self, parameter: Parameter) -> None:
        """Add a parameter, which must be what it was before."""
        if self.parameters.setdefault(parameter.name, parameter) != parameter:
            message = f"{parameter.name} is both constrained and free"
            raise ValueError(message)

    def bounds(self, name: str, default: tuple[float, float]) -> tuple[float, float]:
        """Return the bounds of a parameter with one value."""
        ((low, high),) = self.settings.get(name, {}).get("bounds", [default])
        return float(low), float(high)

    def start(self, name: str, default: float) -> tuple[float, bool]:
        """Return the value at which a parameter starts, and whether it is held there."""
        entry = self.settings.get(name, {})
        (value,) = entry.get("inits", [default])
        return float(value), bool(entry.get("fixed", False))


def read_workspace(path: Path, patchset: Path | None = None, patch: str | None = None) -> Likelihood:
    """Return the likelihood of a workspace, which has no shape parameters.

    Parameters
    ----------
    path
        The workspace. `FILE.metadata.json` beside it says which normfactors are monomials of couplings, where there are any.
    patchset, patch
        A patchset and the name of the patch to apply; the patchset must have been made for this workspace.

    Raises
    ------
    ResultError
        If a file is not readable, too large, not valid, or holds what has no counterpart here.
    """
    spec: Spec = read_document(path, MAX_BYTES)
    beside = path.with_name(f"{path.stem}.metadata.json")
    metadata = read_document(beside, MAX_BYTES) if beside.exists() else {}
    try:
        if patchset is not None:
            spec = _patched(spec, read_document(patchset, MAX_BYTES), patch)
        validate(dict(spec), "workspace")
        return likelihood_of(spec, metadata)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, CevnsfitError) as error:
        message = f"{path}: cannot be used as a workspace ({' '.join(str(error).split())[:300]})"
        raise ResultError(message) from None


def _patched(spec: Spec, patches: Spec, name: str | None) -> Spec:
    from jsonpatch import JsonPatchException, JsonPointerException
    from pyhf import PatchSet, exceptions

    refused = (exceptions.InvalidPatchSet, exceptions.InvalidPatchLookup, exceptions.PatchSetVerificationError)
    try:
        validate(dict(patches), "patchset")
        with quiet():
            found = PatchSet(patches)
            found.verify(spec)
            result: Spec = found.apply(spec, name)
    except (*refused, JsonPatchException, JsonPointerException) as error:
        message = f"patch {name}: {error}"
        raise ValueError(message) from None
    return result


def likelihood_of(spec: Spec, metadata: Spec) -> Likelihood:
    """Return the likelihood of a workspace; ValueError and the like say what has no counterpart."""
    config = spec["measurements"][0]["config"]
    settings = {entry["name"]: entry for entry in config["parameters"]}
    reader = _Reader(metadata.get("normfactors", {}), settings, metadata.get("couplings", {}), config["poi"])
    observed = {entry["name"]: np.array(entry["data"], dtype=np.float64) for entry in spec["observations"]}
    _check(spec)
    controls = _controls(spec)
    channels = tuple(
        _channel(channel, reader, observed, controls)
        for channel in spec["channels"]
        if channel["name"] not in {c for c, _ in controls.values()}
    )
    return Likelihood(ParameterSet(tuple(reader.parameters.values())), lambda _: channels)


def _check(spec: Spec) -> None:
    """Raise ValueError where a modifier has no counterpart, or the numbers are too many or not finite."""
    count = 0
    observed = {entry["name"]: len(entry["data"]) for entry in spec["observations"]}
    for channel in spec["channels"]:
        bins = {observed[channel["name"]], *(size for sample in channel["samples"] for size in _lengths(sample))}
        for sample in channel["samples"]:
            strange = sorted({m["type"] for m in sample["modifiers"]} - set(_KNOWN))
            types = [m["type"] for m in sample["modifiers"]]
            if strange:
                message = f"{channel['name']}, {sample['name']}: {', '.join(strange)} has no counterpart"
                raise ValueError(message)
            if "staterror" in types and "histosys" in types:
                message = f"{channel['name']}, {sample['name']}: a histosys and a staterror of one sample multiply each other"
                raise ValueError(message)
            count += sum(len(sample["data"]) * (2 if kind == "histosys" else 1) for kind in ("nominal", *types))
        if len(bins) != 1 or count > MAX_NUMBERS:
            message = f"{channel['name']}: lists of different lengths, or more than {MAX_NUMBERS} numbers"
            raise ValueError(message)


def _lengths(sample: Spec) -> Iterator[int]:
    """Yield the lengths of all lists of numbers of a sample."""
    yield len(sample["data"])
    for modifier in sample["modifiers"]:
        data = modifier["data"]
        if modifier["type"] == "histosys":
            yield len(data["hi_data"])
            yield len(data["lo_data"])
        elif modifier["type"] == "staterror":
            yield len(data)


def _controls(spec: Spec) -> dict[str, tuple[str, float]]:
    """Return for each shapefactor the channel that measures it alone and its counts per expected background count."""
    owners: dict[str, list[tuple[str, Spec, bool]]] = {}
    for channel in spec["channels"]:
        for sample in channel["samples"]:
            alone = len(channel["samples"]) == 1 and len(sample["modifiers"]) == 1
            for modifier in sample["modifiers"]:
                if modifier["type"] == "shapefactor":
                    owners.setdefault(modifier["name"], []).append((channel["name"], sample, alone))
    found = {}
    for name, entries in owners.items():
        control = [entry for entry in entries if entry[2]]
        signal = [entry for entry in entries if not entry[2] and len(entry[1]["modifiers"]) == 1]
        ratios = {
            c / s for _, one, _ in control for _, other, _ in signal for c, s in zip(one["data"], other["data"], strict=True) if s > 0
        }
        if len(control) != 1 or len(signal) != 1 or len(ratios) != 1 or min(signal[0][1]["data"]) <= 0:
            message = f"the shapefactor {name} does not tie one background to one control region with a constant ratio"
            raise ValueError(message)
        found[name] = (control[0][0], ratios.pop())
    return found


def _channel(channel: Spec, reader: _Reader, observed: Mapping[str, Floats], controls: Mapping[str, tuple[str, float]]) -> Channel:
    rows: list[_Row] = []
    control = None
    relative = _relative_errors(channel)
    for sample in channel["samples"]:
        measured = [m["name"] for m in sample["modifiers"] if m["type"] == "shapefactor"]
        if measured:
            name, ratio = controls[measured[0]]
            control = ControlRegion(observed[name], ratio)
        else:
            rows += _rows(sample, reader, relative)
    templates = np.array([row.template for row in rows])
    rule = coefficients([row.factors for row in rows])
    norms = np.ones((len(rows), len(rule.parameters), 2))
    for m, row in enumerate(rows):
        for name, factors in row.norms.items():
            norms[m, rule.parameters.index(name)] = factors
    rule = replace(rule, norm_hi=norms[..., 0], norm_lo=norms[..., 1])
    counts = observed[channel["name"]]
    components = tuple(row.factors.component for row in rows)
    return Channel(channel["name"], templates, rule, components, counts, control, (len(counts),))


def _relative_errors(channel: Spec) -> dict[str, Floats]:
    """Return the relative error of each bin by staterror: errors of its samples in quadrature over their sum."""
    squares: dict[str, Floats] = {}
    sums: dict[str, Floats] = {}
    for sample in channel["samples"]:
        for modifier in sample["modifiers"]:
            if modifier["type"] == "staterror":
                zero = np.zeros(len(sample["data"]))
                squares[modifier["name"]] = squares.get(modifier["name"], zero) + np.square(modifier["data"])
                sums[modifier["name"]] = sums.get(modifier["name"], zero) + np.array(sample["data"], dtype=np.float64)
    return {
        name: np.divide(np.sqrt(square), sums[name], out=np.zeros_like(square), where=sums[name] > 0) for name, square in squares.items()
    }


def _rows(sample: Spec, reader: _Reader, relative: Mapping[str, Floats]) -> list[_Row]:
    """Return the rows of one sample, the nominal one first."""
    nominal = np.array(sample["data"], dtype=np.float64)
    powers: dict[str, int] = {}
    norms: dict[str, tuple[float, float]] = {}
    moved: list[tuple[str, int, Floats]] = []
    for (kind, name), data in {(m["type"], m["name"]): m["data"] for m in sample["modifiers"]}.items():
        if kind == "normfactor":
            for key, power in reader.factor(name).items():
                powers[key] = powers.get(key, 0) + power
        elif kind == "normsys":
            norms[reader.nuisance(name)] = (float(data["hi"]), float(data["lo"]))
        elif kind == "histosys":
            odd, even = excursion(nominal, *(np.array(data[key], dtype=np.float64) for key in ("hi_data", "lo_data")))
            moved += [(reader.nuisance(name), LINEAR, odd), (name, QUADRATIC, even)]
        else:
            moved += [
                (reader.nuisance(f"{name}[{k}]"), LINEAR, nominal * error * (np.arange(len(nominal)) == k))
                for k, error in enumerate(relative[name])
                if error > 0
            ]
    signal = sample["name"] in _SIGNAL_SAMPLES or any(reader.parameters[name].kind == "polynomial" for name in powers)
    component = _SIGNAL if signal else sample["name"]
    listed = dict.fromkeys(norms, 1.0)
    return [
        _Row(Factors(component, powers, listed), norms, nominal),
        *(_Row(Factors(component, powers, listed, (name, kind)), norms, template) for name, kind, template in moved if np.any(template)),
    ]
