"""pyhf workspaces as rows of channels: exported ones come back with their couplings, others with a parameter for each modifier.

A channel's samples become rows: normfactors are free factors (or monomials of couplings, where the metadata name them), normsys are log-normal
factors (code 4), histosys are excursions (code 4p), staterror is a constrained excursion of single bins, and a shapefactor that a sample
shares with a channel of its own is a background measured in a control region. Everything else is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.model.rows import MAX_NUMBERS, Factors, TemplateRow, bin_by_bin, coefficients, excursions
from cevnsfit.spec.fields import SIGNAL
from cevnsfit.stats.channel import Channel, ControlRegion
from cevnsfit.stats.likelihood import Likelihood

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.model.rows import Excursion
    from cevnsfit.spec.load import Experiment
    from cevnsfit.stats.gaussian import Errors

    Floats = NDArray[np.float64]
    Spec = Mapping[str, Any]

MALFORMED: Final = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, StopIteration)
"""What a document that is no such workspace raises while it is read."""

_KNOWN: Final = ("normfactor", "normsys", "histosys", "shapefactor", "staterror")
_SIGNAL_SAMPLES: Final = ("sm", "int", "quad")


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
        self.add(Parameter(name, "polynomial" if name == self.poi else "nuisance", value, low, high, fixed=fixed, least=0.0))
        return {name: 1}

    def coupling(self, name: str) -> Parameter:
        """Return a coupling as the metadata describe it."""
        entry = self.couplings.get(name, {})
        given = (entry.get("lower", 0.0), entry.get("upper", 1.0), entry.get("least"))
        ends = (-math.inf, math.inf, -math.inf)
        lower, upper, least = (end if value is None else float(value) for value, end in zip(given, ends, strict=True))
        unit, fixed, value = str(entry.get("unit", "1")), bool(entry.get("fixed", False)), float(entry.get("default", 0.0))
        scale: Literal["linear", "log"] = "log" if entry.get("scale") == "log" else "linear"
        return Parameter(name, "polynomial", value, lower, upper, unit, scale, fixed=fixed, least=least)

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
    owners = metadata.get("channels", {})
    channels = tuple(replace(channel, experiment=str(owners.get(channel.name, ""))) for channel in channels)
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
    rows, control = _sample_rows(channel, reader, observed, controls)
    coupled = {name for name, parameter in reader.parameters.items() if parameter.kind == "polynomial"}
    rows = [_of_signal(row) if row.factors.component in _SIGNAL_SAMPLES or coupled & set(row.factors.powers) else row for row in rows]
    templates = np.array([template for _, template in rows])
    rule = coefficients([factors for factors, _ in rows])
    counts = observed[channel["name"]]
    components = tuple(factors.component for factors, _ in rows)
    return Channel(channel["name"], templates, rule, components, counts, control, (len(counts),))


def _sample_rows(
    channel: Spec, reader: _Reader, observed: Mapping[str, Floats], controls: Mapping[str, tuple[str, float]]
) -> tuple[list[TemplateRow], ControlRegion | None]:
    """Return the rows of all samples, named as they are, and the control region."""
    rows: list[TemplateRow] = []
    control = None
    relative = _relative_errors(channel)
    for sample in channel["samples"]:
        measured = [m["name"] for m in sample["modifiers"] if m["type"] == "shapefactor"]
        if measured:
            name, ratio = controls[measured[0]]
            control = ControlRegion(observed[name], ratio)
        else:
            rows += _rows(sample, reader, relative)
    return rows, control


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


def _rows(sample: Spec, reader: _Reader, relative: Mapping[str, Floats]) -> list[TemplateRow]:
    """Return the rows of one sample, the nominal one first."""
    nominal = np.array(sample["data"], dtype=np.float64)
    powers: dict[str, int] = {}
    norms: dict[str, tuple[float, float]] = {}
    moved: list[tuple[Excursion, Floats]] = []
    for (kind, name), data in {(m["type"], m["name"]): m["data"] for m in sample["modifiers"]}.items():
        if kind == "normfactor":
            for key, power in reader.factor(name).items():
                powers[key] = powers.get(key, 0) + power
        elif kind == "normsys":
            norms[reader.nuisance(name)] = (float(data["hi"]), float(data["lo"]))
        elif kind == "histosys":
            up, down = (np.array(data[key], dtype=np.float64) for key in ("hi_data", "lo_data"))
            moved += excursions(reader.nuisance(name), nominal, up, down)
        else:
            errors = bin_by_bin(name, nominal, relative[name])
            moved += [(excursion._replace(parameter=reader.nuisance(excursion.parameter)), values) for excursion, values in errors]
    component = sample["name"]
    return [
        TemplateRow(Factors(component, powers, norms), nominal),
        *(TemplateRow(Factors(component, powers, norms, excursion), template) for excursion, template in moved if np.any(template)),
    ]


# --- counting experiments ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Counting:
    """An experiment without the prediction of a model.

    Attributes
    ----------
    rows
        Its rows.
    parameters
        Their parameters.
    observed
        Observed counts, shape (bins,), or None.
    control
        The control region, or None.
    errors
        Errors of the observed values, None where these are counts.
    """

    rows: tuple[TemplateRow, ...]
    parameters: tuple[Parameter, ...]
    observed: Floats | None
    control: ControlRegion | None
    errors: Errors | None = None


def counting(experiment: Experiment, strength: Parameter | None = None) -> Counting:
    """Return the backgrounds and the counts of the workspace of an experiment, and its own signal if `strength` multiplies it.

    Parameters get the name of the experiment in front, unless they are shared. The strength stands for the workspace's parameter of interest.

    Raises
    ------
    CevnsfitError
        If the workspace holds what has no counterpart here, or its bins are not those of the experiment.
    """
    given, spec = experiment.spec.workspace, experiment.workspace
    assert given is not None
    assert spec is not None
    bins = int(np.prod([axis.nbins for axis in experiment.axes]))
    try:
        found = _counting(spec, given.signal, strength)
        if found.observed is not None and len(found.observed) != bins:
            axes = " x ".join(f"{axis.name}({axis.nbins})" for axis in experiment.axes)
            message = f"the channel has {len(found.observed)} bins, the axes {axes} have {bins}"
            raise ValueError(message)
    except (*MALFORMED, CevnsfitError) as error:
        message = f"{experiment.label}: {given.file}: cannot be used as a counting experiment ({' '.join(str(error).split())[:300]})"
        raise CevnsfitError(message) from None
    own = {} if strength is None else {strength.name: strength.name}
    names = {p.name: own.get(p.name, given.shared.get(p.name, f"{experiment.label}.{p.name}")) for p in found.parameters}
    parameters = tuple(replace(parameter, name=names[parameter.name]) for parameter in found.parameters)
    rows = tuple(row._replace(factors=_renamed(row.factors, names)) for row in found.rows)
    return replace(found, rows=rows, parameters=parameters)


def _renamed(factors: Factors, names: Mapping[str, str]) -> Factors:
    excursion = None if factors.excursion is None else factors.excursion._replace(parameter=names[factors.excursion.parameter])
    powers = {names[name]: power for name, power in factors.powers.items()}
    return Factors(factors.component, powers, {names[name]: norm for name, norm in factors.norms.items()}, excursion)


def _counting(spec: Spec, signal: Sequence[str], strength: Parameter | None) -> Counting:
    config = spec["measurements"][0]["config"]
    poi = config["poi"]
    settings = {entry["name"]: entry for entry in config["parameters"]}
    observed = {entry["name"]: np.array(entry["data"], dtype=np.float64) for entry in spec["observations"]}
    _check(spec)
    controls = _controls(spec)
    measuring = {name for name, _ in controls.values()}
    main = [channel for channel in spec["channels"] if channel["name"] not in measuring]
    if len(main) != 1:
        message = f"one channel beside control regions is needed, it has {', '.join(channel['name'] for channel in main)}"
        raise ValueError(message)
    samples = [_without(sample, poi) if sample["name"] in signal else sample for sample in main[0]["samples"]]
    if any(modifier["name"] == poi for sample in samples for modifier in sample["modifiers"]):
        message = f"the parameter of interest {poi} scales samples that are not named as signal"
        raise ValueError(message)
    if strength is None:
        samples = [sample for sample in samples if sample["name"] not in signal]
    reader = _Reader({}, settings, {}, "")
    rows, control = _sample_rows({**main[0], "samples": samples}, reader, observed, controls)
    if strength is not None:
        reader.add(strength)
        rows = [_of_signal(row, {strength.name: 1}) if row.factors.component in signal else row for row in rows]
    return Counting(tuple(rows), tuple(reader.parameters.values()), observed[main[0]["name"]], control)


def _without(sample: Spec, poi: str) -> Spec:
    return {
        **sample,
        "modifiers": [modifier for modifier in sample["modifiers"] if (modifier["type"], modifier["name"]) != ("normfactor", poi)],
    }


def _of_signal(row: TemplateRow, powers: Mapping[str, int] | None = None) -> TemplateRow:
    """Return a row as one of the signal, times further powers of parameters."""
    further = {} if powers is None else powers
    return row._replace(factors=replace(row.factors, component=SIGNAL, powers={**row.factors.powers, **further}))
