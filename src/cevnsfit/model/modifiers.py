"""Modifiers of pyhf workspaces as factors of rows, with what a measurement says of their parameters.

A normfactor is a free factor (or a monomial of couplings, where the metadata name it), a normsys a log-normal factor (code 4), a histosys an
excursion (code 4p). The others are factors c + s a in a bin: of all bins for lumi, of one bin for staterror, both with a normal constraint, whose
centre is a = 0 and whose unit is its error; of one free parameter a bin for shapefactor and shapesys. The latter has an auxiliary channel with
the Poisson counts of its constraint.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np

from cevnsfit.core.parameters import Parameter
from cevnsfit.model.rows import LINEAR, MAX_NUMBERS, Excursion, Factors, TemplateRow, coefficients, excursions
from cevnsfit.stats.channel import Channel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from cevnsfit.core.arrays import Bools, Floats

    Spec = Mapping[str, Any]

FREE: Final = (0.0, 10.0)
"""Bounds of a free factor, those of pyhf."""

_GAMMA: Final = (1e-10, 10.0)
"""Bounds of the factor of a bin with a constraint, those of pyhf."""


class Slope(NamedTuple):
    """What a parameter adds to a factor in some bins, per unit."""

    parameter: str
    bins: slice
    size: float


class Factor(NamedTuple):
    """A factor in each bin: constants (nb,), and the slopes of its parameters, which are `free` or have a constraint."""

    constant: Floats
    slopes: Sequence[Slope]
    free: bool


class StatErrors(NamedTuple):
    """The relative errors of one staterror in the bins of all its channels, in the order of their names: those of its samples in quadrature over their sum.

    `starts` are the numbers of the first bins; `lost` are the bins with an error of no or fewer events.
    """

    starts: Mapping[str, int]
    relative: Floats
    lost: Bools


def stat_errors(channels: Sequence[Spec]) -> dict[str, StatErrors]:
    """Return the relative errors of each staterror."""
    parts: dict[str, dict[str, list[tuple[Floats, Floats]]]] = {}
    for channel in sorted(channels, key=lambda one: str(one["name"])):
        for sample in channel["samples"]:
            for modifier in sample["modifiers"]:
                if modifier["type"] == "staterror":
                    pair = np.array(sample["data"], dtype=np.float64), np.array(modifier["data"], dtype=np.float64)
                    parts.setdefault(modifier["name"], {}).setdefault(channel["name"], []).append(pair)
    found = {}
    for name, by_channel in parts.items():
        ends = np.cumsum([0, *(len(pairs[0][0]) for pairs in by_channel.values())])
        sums = [np.sum([(n, e**2, np.abs(n)) for n, e in pairs], axis=0) for pairs in by_channel.values()]
        total, error, filled = np.concatenate(sums, axis=1)
        relative = np.divide(np.sqrt(error), total, out=np.zeros_like(total), where=total > 0)
        lost = (error > 0) & (total <= 0) & (filled > 0)
        found[name] = StatErrors(dict(zip(by_channel, ends[:-1].tolist(), strict=True)), relative, lost)
    return found


@dataclass(slots=True, eq=False)
class Reader:
    """A measurement of a workspace being read: its parameters in order of appearance, and the auxiliary channels of shapesys by name.

    `monomials` and `couplings` are the metadata of normfactors that stand for powers of couplings, `settings` what the measurement says of its
    parameters, `sizes` the kind and the number of values of each parameter, `numbers` how many the templates have.
    """

    settings: Mapping[str, Spec]
    poi: str = ""
    monomials: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    couplings: Mapping[str, Spec] = field(default_factory=dict)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    auxiliary: dict[str, Channel] = field(default_factory=dict)
    sizes: dict[str, tuple[str, int]] = field(default_factory=dict)
    numbers: int = 0

    def factor(self, name: str) -> dict[str, int]:
        """Return the powers of a normfactor."""
        if name in self.monomials:
            powers = dict(self.monomials[name])
            for coupling in powers:
                self.add(self.coupling(coupling), "coupling")
            return powers
        given, of_interest = self.asked("normfactor", name, values(1, FREE)), name == self.poi
        parameter = Parameter(name, "polynomial" if of_interest else "nuisance", *_first(given), fixed=bool(given["fixed"][0]))
        self.add(replace(parameter, least=0.0) if of_interest else parameter, "normfactor")
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
        """Return the name of the parameter of a normsys or histosys, whose constraint may be centred anywhere."""
        given = self.asked("normsys or histosys", name, {**values(1, (-5.0, 5.0), 0.0), "auxdata": np.zeros(1)})
        fixed, centre = bool(given["fixed"][0]), float(given["auxdata"][0])
        self.add(Parameter(name, "nuisance", *_first(given), constrained=True, fixed=fixed, centre=centre), "normsys or histosys")
        return name

    def lumi(self, name: str, bins: int) -> Factor:
        """Return the factor of a luminosity, of which the measurement must state value and error."""
        entry = self.settings.get(name, {})
        if not {"auxdata", "sigmas"} <= set(entry):
            message = f"the settings of the lumi {name} need auxdata and sigmas"
            raise ValueError(message)
        value = np.array(entry["auxdata"], dtype=np.float64)
        known = {**values(1, (0.0, 10.0 * float(value[0]))), "inits": value, "auxdata": value, "sigmas": value}
        given = self.asked("lumi", name, known)
        self._normal(name, given, 0, "lumi")
        centre, sigma = float(given["auxdata"][0]), float(given["sigmas"][0])
        return Factor(np.full(bins, centre), (Slope(name, slice(None), sigma),), free=False)

    def staterror(self, name: str, errors: StatErrors, channel: str, bins: int) -> Factor:
        """Return the factors of the bins of one channel; bins without an error stay as they are, unless they are told to float."""
        none = errors.relative == 0.0
        known = {**values(len(none), _GAMMA), "fixed": none, "auxdata": np.ones(len(none)), "sigmas": np.where(none, 1.0, errors.relative)}
        entry, given = self.settings.get(name, {}), self.asked("staterror", name, known)
        self._check_lost("staterror", name, errors.lost if "sigmas" not in entry else np.zeros_like(none))
        constant, slopes = np.ones(bins), []
        for k, place in enumerate(range(errors.starts[channel], errors.starts[channel] + bins)):
            if none[place] and given["fixed"][place] and "sigmas" not in entry:
                constant[k] = given["inits"][place]
                continue
            constant[k] = given["auxdata"][place]
            own = self._normal(f"{name}[{place}]", given, place, "staterror")
            slopes.append(Slope(own, slice(k, k + 1), float(given["sigmas"][place])))
        return Factor(constant, slopes, free=False)

    def shapefactor(self, name: str, bins: int) -> Factor:
        """Return the free factors of the bins."""
        given = self.asked("shapefactor", name, values(bins, FREE))
        return self._free(name, given, np.zeros(bins, dtype=np.bool_), "shapefactor")

    def shapesys(self, name: str, nominal: Floats, errors: Floats, channel: str) -> Factor:
        """Return the factors of the bins, and keep the auxiliary channel with the counts that measure them."""
        given, held = self.constraint(name, nominal, errors)
        left = np.flatnonzero(~held)
        rows = [
            TemplateRow(Factors(name, {f"{name}[{place}]": 1}, {}), given["factors"][place] * (left == place))
            for place in left.tolist()
            if self.room(len(left))
        ]
        if rows:
            rule, own = coefficients([row.factors for row in rows]), f"{name}_auxiliary"
            data = (given["auxdata"][left], None, (len(left),))
            templates, components = np.array([row.template for row in rows]), (name,) * len(rows)
            self.auxiliary[name] = Channel(own, templates, rule, components, *data, experiment=channel, auxiliary=True)
        return self._free(name, given, held, "shapesys")

    def constraint(self, name: str, nominal: Floats, errors: Floats) -> tuple[dict[str, Floats], Bools]:
        """Return what is known of a shapesys, and the bins that it leaves as they are: without an error, and not told to float."""
        valid = (nominal > 0) & (errors > 0)
        factors = np.divide(nominal, errors, out=np.ones_like(nominal), where=valid) ** 2
        known = {**values(len(nominal), _GAMMA), "fixed": ~valid, "auxdata": factors, "factors": factors}
        given = self.asked("shapesys", name, known)
        self._check_lost("shapesys", name, (errors < 0) | ((nominal < 0) & (errors > 0)))
        return given, ~valid & (given["fixed"] != 0)

    def asked(self, kind: str, name: str, known: Mapping[str, ArrayLike]) -> dict[str, Floats]:
        """Return what is known of a parameter: what the measurement says of it, and `known` for what it leaves open, which is all that it can say."""
        entry, size = self.settings.get(name, {}), len(np.asarray(known["fixed"]))
        before = self.sizes.setdefault(name, (kind, size))
        if before != (kind, size):
            message = f"{name} is both a {before[0]} of {before[1]} and a {kind} of {size} values"
            raise ValueError(message)
        strange = sorted(set(entry) - {"name", *known})
        if strange:
            message = f"a {kind} has no {', '.join(strange)}, which the settings of {name} give"
            raise ValueError(message)
        asked = {**known, **entry, "fixed": np.full(size, entry["fixed"]) if "fixed" in entry else known["fixed"]}
        found = {key: np.asarray(asked[key], dtype=np.float64) for key in known}
        for key, values in found.items():
            if values.shape != ((size, 2) if key == "bounds" else (size,)):
                message = f"the settings of {name} have {len(values)} {key} in place of {size}"
                raise ValueError(message)
        (low, high), start = found["bounds"].T, found["inits"]
        if (
            not np.all((low < high) & (low <= start) & (start <= high))
            or min(np.min(found.get(key, 1.0)) for key in ("sigmas", "factors")) <= 0
        ):
            message = f"the settings of {name} need increasing bounds, inits inside, and positive sigmas and factors"
            raise ValueError(message)
        return found

    def add(self, parameter: Parameter, kind: str) -> None:
        """Add a parameter, which must be what it was before."""
        same = self.sizes.setdefault(parameter.name, (kind, 1))[0] == kind
        if not same or self.parameters.setdefault(parameter.name, parameter) != parameter:
            message = f"{parameter.name} stands for two different parameters"
            raise ValueError(message)

    def room(self, numbers: int) -> bool:
        """Return True and count further numbers of templates; ValueError where they are too many."""
        self.numbers += numbers
        if self.numbers > MAX_NUMBERS:
            message = f"its templates have more than {MAX_NUMBERS} numbers"
            raise ValueError(message)
        return True

    def _normal(self, name: str, given: Mapping[str, Floats], place: int, kind: str) -> str:
        """Add the parameter of a value with a normal constraint, counted from the centre in units of the error; return its name."""
        centre, sigma = given["auxdata"][place], given["sigmas"][place]
        value, low, high = ((x - centre) / sigma for x in (given["inits"][place], *given["bounds"][place]))
        self.add(
            Parameter(name, "nuisance", float(value), float(low), float(high), constrained=True, fixed=bool(given["fixed"][place])), kind
        )
        return name

    def _free(self, name: str, given: Mapping[str, Floats], held: Bools, kind: str) -> Factor:
        """Add a free parameter for each bin that is not held, and return the factors of the bins."""
        slopes = []
        for k in np.flatnonzero(~held).tolist():
            start, low, high = map(float, (given["inits"][k], *given["bounds"][k]))
            self.add(Parameter(f"{name}[{k}]", "nuisance", start, low, high, fixed=bool(given["fixed"][k])), kind)
            slopes.append(Slope(f"{name}[{k}]", slice(k, k + 1), 1.0))
        return Factor(np.where(held, given["inits"], 0.0), slopes, free=True)

    def _check_lost(self, kind: str, name: str, lost: Bools) -> None:
        """Raise ValueError where an error of no or fewer events would be left out, unless the measurement says whether it is."""
        if np.any(lost) and "fixed" not in self.settings.get(name, {}):
            bins = ", ".join(map(str, np.flatnonzero(lost)[:5]))
            message = f"the {kind} {name} has an error of events that are not above 0, which is not relative to anything, in the bins {bins}; give it `fixed`"
            raise ValueError(message)


def values(size: int, bounds: tuple[float, float], start: float = 1.0) -> dict[str, ArrayLike]:
    """Return the start, the bounds and whether it is held, of a parameter of which nothing is said."""
    return {"inits": np.full(size, start), "bounds": np.tile(bounds, (size, 1)), "fixed": np.zeros(size)}


def _first(given: Mapping[str, Floats]) -> tuple[float, float, float]:
    """Return the start and the bounds of a parameter with one value."""
    low, high = given["bounds"][0].tolist()
    return float(given["inits"][0]), low, high


def sample_rows(sample: Spec, channel: str, reader: Reader, errors: Mapping[str, StatErrors]) -> list[TemplateRow]:
    """Return the rows of one sample, the nominal one first."""
    nominal = np.array(sample["data"], dtype=np.float64)
    powers: dict[str, int] = {}
    norms: dict[str, tuple[float, float]] = {}
    moved: list[tuple[Excursion, Floats]] = []
    factors: list[Factor] = []
    for modifier in sample["modifiers"]:
        kind, name, data = modifier["type"], modifier["name"], modifier["data"]
        if kind == "normfactor":
            for key, power in reader.factor(name).items():
                powers[key] = powers.get(key, 0) + power
        elif kind == "normsys":
            if min(data["hi"], data["lo"]) <= 0.0:
                message = f"{sample['name']}: the factors hi and lo of the normsys {name} are positive"
                raise ValueError(message)
            norms[reader.nuisance(name)] = (float(data["hi"]), float(data["lo"]))
        elif kind == "histosys":
            up, down = (np.array(data[key], dtype=np.float64) for key in ("hi_data", "lo_data"))
            moved += excursions(reader.nuisance(name), nominal, up, down)
        else:
            factors.append(_factor(modifier, nominal, channel, reader, errors))
    component = sample["name"]
    rows = [TemplateRow(Factors(component, powers, norms), nominal)]
    rows += [TemplateRow(Factors(component, powers, norms, excursion), template) for excursion, template in moved]
    reader.room(len(rows) * len(nominal))
    for factor in factors:
        rows = _times(rows, factor, reader)
    return [row for place, row in enumerate(rows) if place == 0 or np.any(row.template)]


def _factor(modifier: Spec, nominal: Floats, channel: str, reader: Reader, errors: Mapping[str, StatErrors]) -> Factor:
    """Return what multiplies a sample bin by bin."""
    kind, name, bins = modifier["type"], modifier["name"], len(nominal)
    if kind == "lumi":
        return reader.lumi(name, bins)
    if kind == "shapefactor":
        return reader.shapefactor(name, bins)
    if kind == "staterror":
        return reader.staterror(name, errors[name], channel, bins)
    return reader.shapesys(name, nominal, np.array(modifier["data"], dtype=np.float64), channel)


def _times(rows: Sequence[TemplateRow], factor: Factor, reader: Reader) -> list[TemplateRow]:
    """Return rows times a factor in each bin: a parameter is a power of what moves already, and an excursion of what does not."""
    made = [row._replace(template=row.template * factor.constant) for row in rows]
    for row in rows:
        for name, bins, size in factor.slopes:
            if not np.any(row.template[bins]):
                continue
            reader.room(len(row.template))
            template = np.zeros_like(row.template)
            template[bins] = size * row.template[bins]
            known = row.factors
            if factor.free or known.excursion is not None:
                known = replace(known, powers={**known.powers, name: known.powers.get(name, 0) + 1})
            else:
                known = replace(known, excursion=Excursion(name, LINEAR))
            made.append(TemplateRow(known, template))
    return made
