"""Joint likelihoods as HistFactory workspaces for pyhf.

A row family of a channel (one component, one monomial in the couplings, one set of normsys factors) is one sample: its nominal template is
the sample, its excursions (U, V) are histosys with hi = S + U + 8 V and lo = S - U + 8 V (code 4p), its log-normal factors are normsys (code
4), and its monomial is a normfactor ("g2", "g4"). The background of a control region is a sample of one count a bin under a
shapefactor, in the channel and in a second channel with the counts of the control region.

References
----------
Cranmer, Lewis, Moneta, Shibata, Verkerke, CERN-OPEN-2012-016, section 4; Heinrich, Feickert, Stark, JOSS 6 (2021) 2823 (pyhf).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.spec.fields import SIGNAL
from cevnsfit.stats.channel import MEASURED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cevnsfit.core.arrays import Floats
    from cevnsfit.core.parameters import Parameter, ParameterSet
    from cevnsfit.stats.channel import Channel
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint

    Monomial = tuple[tuple[str, int], ...]
    Spec = dict[str, Any]

INTERPOLATION: Final = {"normsys": {"interpcode": "code4"}, "histosys": {"interpcode": "code4p"}}
"""The `modifier_settings` with which pyhf gives the same likelihood; they are the default of `pyhf.Workspace.model`, not of ROOT."""

VERSION: Final = "1.0.0"
"""Version of the workspace and patchset schemas."""

_CONTROL: Final = "_control"


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """One sample of one channel.

    Attributes
    ----------
    component
        "cevns" for the signal, else the background.
    monomial
        Powers of the model's couplings, sorted by name; empty for what no coupling scales.
    free
        Free factors (background counts without a prior).
    norms
        (hi, lo) of each log-normal factor by nuisance.
    nominal
        The template, shape (nb,).
    odd, even
        U and V of each excursion by nuisance, shape (nb,).
    """

    component: str
    monomial: Monomial
    free: tuple[str, ...]
    norms: dict[str, tuple[float, float]]
    nominal: Floats
    odd: dict[str, Floats]
    even: dict[str, Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Exported:
    """A workspace and what it means.

    Attributes
    ----------
    spec
        The workspace, plain values.
    monomials
        Powers of the couplings behind each normfactor that stands for a monomial.
    without_effect
        Constrained parameters of the likelihood that change no template: pyhf has no such parameters.
    """

    spec: Spec
    monomials: dict[str, dict[str, int]]
    without_effect: tuple[str, ...]


def families(channel: Channel, parameters: ParameterSet) -> tuple[Family, ...]:
    """Return the samples of a channel.

    Raises
    ------
    CevnsfitError
        If a row does not fit HistFactory: a log-normal factor or an excursion of a parameter without a constraint, a power of a nuisance.
    """
    rule, found = channel.coefficients, dict[tuple[object, ...], Family]()
    for m, template in enumerate(channel.templates):
        powers = {name: int(p) for name, p in zip(rule.parameters, rule.powers[m], strict=True) if p}
        norms = {
            name: (float(hi), float(lo))
            for name, hi, lo in zip(rule.parameters, rule.norm_hi[m], rule.norm_lo[m], strict=True)
            if (hi, lo) != (1.0, 1.0)
        }
        monomial = tuple(sorted((name, p) for name, p in powers.items() if parameters[name].kind == "polynomial"))
        free = tuple(name for name in powers if parameters[name].kind == "nuisance")
        excursion = rule.parameters[rule.excursion_index[m]] if rule.excursion_kind[m] else ""
        _check_row(parameters, powers, free, (*norms, *([excursion] if excursion else [])))
        key = (channel.components[m], monomial, free, tuple(norms.items()))
        zero = np.zeros_like(template)
        family = found.setdefault(key, Family(channel.components[m], monomial, free, norms, zero.copy(), {}, {}))
        kind = int(rule.excursion_kind[m])
        place = family.nominal if kind == 0 else (family.odd if kind == 1 else family.even).setdefault(excursion, zero.copy())
        place += template
    return tuple(found.values())


def _check_row(parameters: ParameterSet, powers: Mapping[str, int], free: Sequence[str], constrained: Sequence[str]) -> None:
    wrong = [name for name in constrained if not parameters[name].constrained]
    wrong += [name for name in free if parameters[name].constrained or powers[name] > 1]
    if wrong:
        message = f"HistFactory cannot express what {', '.join(wrong)} does to the templates (only free factors and constrained excursions)"
        raise CevnsfitError(message)


def monomial_name(monomial: Monomial) -> str:
    """Return the normfactor of a monomial: "g2" for g^2, "eps_u*eps_d" for a product."""
    return "*".join(name if power == 1 else f"{name}{power}" for name, power in monomial)


def workspace(joint: Joint, data: Data, values: Mapping[str, float]) -> Exported:
    """Return a joint likelihood bound to data as a workspace.

    Parameters
    ----------
    joint
        The likelihood at fixed nonlinear parameters.
    data
        A single data set.
    values
        Values at which parameters are held; couplings that enter only through non-linear monomials are held at their default otherwise, and so
        are those of what HistFactory does not have (`unknown_to`).
    """
    measured = [channel.name for channel in joint.channels if channel.errors is not None]
    if measured:
        message = f"HistFactory knows Poisson counts alone, {', '.join(measured)} has values with errors; `--to simplified` takes them, for a mediator"
        raise CevnsfitError(message)
    joint = replace(joint, channels=tuple(_frozen(channel, joint.parameters, values) for channel in joint.channels))
    parts = {channel.name: families(channel, joint.parameters) for channel in joint.channels}
    monomials = {monomial_name(f.monomial): dict(f.monomial) for part in parts.values() for f in part if f.monomial}
    _check_names(monomials, joint.parameters)
    channels, observations = [], []
    for channel, counts, control in zip(joint.channels, data.counts, data.control, strict=True):
        samples = list(_samples(parts[channel.name]))
        if channel.control is not None and control is not None:
            samples.append(_measured(channel, 1.0))
            channels.append({"name": channel.name + _CONTROL, "samples": [_measured(channel, channel.control.ratio)]})
            observations.append({"name": channel.name + _CONTROL, "data": _numbers(control)})
        channels.append({"name": channel.name, "samples": samples})
        observations.append({"name": channel.name, "data": _numbers(counts)})
    used = {name for part in parts.values() for family in part for name in (*family.free, *family.norms, *family.odd, *family.even)}
    aux = dict(zip(joint.parameters.names, data.aux, strict=True))
    config = [_nuisance(p, float(aux[p.name]), values) for p in joint.parameters if p.name in used]
    config += [_coupling(key, powers, joint.parameters, values) for key, powers in monomials.items()]
    config += list(_shapefactors(joint, data))
    measurement = {"name": "cevnsfit", "config": {"poi": _poi(monomials, joint.parameters), "parameters": config}}
    spec = {"channels": channels, "observations": observations, "measurements": [measurement], "version": VERSION}
    idle = tuple(p.name for p in joint.parameters if p.constrained and p.name not in used)
    return Exported(spec, monomials, idle)


def unknown_to(channel: Channel) -> tuple[str, ...]:
    """Return the parameters whose effect on a channel HistFactory does not have: splines between templates, and a shift of arrival times."""
    return channel.curved + (() if channel.moving is None else (channel.moving.parameter,))


def _frozen(channel: Channel, parameters: ParameterSet, values: Mapping[str, float]) -> Channel:
    """Return a channel whose arrival times do not move and without splines; their parameters stand where they are held."""
    for name in channel.curved:
        channel = channel.straightened(name, values.get(name, parameters[name].default), parameters)
    if channel.moving is None:
        return channel
    name = channel.moving.parameter
    return channel.frozen(values.get(name, parameters[name].default))


def _check_names(monomials: Mapping[str, Mapping[str, int]], parameters: ParameterSet) -> None:
    clashes = [key for key, powers in monomials.items() if key in parameters and dict(powers) != {key: 1}]
    if clashes:
        message = f"the normfactors {', '.join(clashes)} would have the names of other parameters"
        raise CevnsfitError(message)


def _samples(parts: Sequence[Family]) -> Iterator[Spec]:
    names: dict[str, int] = {}
    monomials = {family.monomial for family in parts if family.component == SIGNAL}
    for family in parts:
        base = _sample_name(family, monomials)
        names[base] = names.get(base, 0) + 1
        label = base if names[base] == 1 else f"{base}_{names[base]}"
        yield {"name": label, "data": _numbers(family.nominal), "modifiers": list(_modifiers(family))}


def _sample_name(family: Family, monomials: set[Monomial]) -> str:
    """Return "sm", "int" and "quad" for the signal of one squared coupling, plain names otherwise."""
    if family.component != SIGNAL:
        return family.component
    if not family.monomial:
        return "sm"
    couplings = {name for monomial in monomials for name, _ in monomial}
    named = {2: "int", 4: "quad"} if len(couplings) == 1 and {monomial[0][1] for monomial in monomials if monomial} == {2, 4} else {}
    return named.get(family.monomial[0][1], f"signal_{monomial_name(family.monomial)}")


def _modifiers(family: Family) -> Iterator[Spec]:
    if family.monomial:
        yield {"name": monomial_name(family.monomial), "type": "normfactor", "data": None}
    for name in family.free:
        yield {"name": name, "type": "normfactor", "data": None}
    for name, (above, below) in family.norms.items():
        yield {"name": name, "type": "normsys", "data": {"hi": above, "lo": below}}
    zero = np.zeros_like(family.nominal)
    for name in dict.fromkeys((*family.odd, *family.even)):
        odd, even = family.odd.get(name, zero), family.even.get(name, zero)
        hi, lo = family.nominal + odd + 8.0 * even, family.nominal - odd + 8.0 * even
        yield {"name": name, "type": "histosys", "data": {"hi_data": _numbers(hi), "lo_data": _numbers(lo)}}


def _measured(channel: Channel, ratio: float | Floats) -> Spec:
    """Return the background that the control region measures, as one count a bin times the shapefactor."""
    bins = channel.templates.shape[1]
    factor = {"name": measured_name(channel.name), "type": "shapefactor", "data": None}
    return {"name": MEASURED, "data": _numbers(np.broadcast_to(ratio, bins)), "modifiers": [factor]}


def measured_name(channel: str) -> str:
    """Return the name of the shapefactor of a channel: its values are the expected background counts of the bins."""
    return f"{channel}.{MEASURED}"


def _nuisance(parameter: Parameter, aux: float, values: Mapping[str, float]) -> Spec:
    value = float(values.get(parameter.name, parameter.default))
    entry: Spec = {"name": parameter.name, "inits": [value], "bounds": [_bounds(parameter.lower, parameter.upper)]}
    if parameter.constrained:
        entry["auxdata"] = [aux]
    if parameter.fixed or parameter.name in values:
        entry["fixed"] = True
    return entry


def _bounds(lower: float, upper: float) -> list[float]:
    return [lower if math.isfinite(lower) else -1e6, upper if math.isfinite(upper) else 1e6]


def _coupling(key: str, powers: Mapping[str, int], parameters: ParameterSet, values: Mapping[str, float]) -> Spec:
    """Return the settings of a normfactor of couplings; only a coupling that is its own normfactor floats."""
    value = math.prod(float(values.get(name, parameters[name].default)) ** power for name, power in powers.items())
    entry: Spec = {"name": key, "inits": [value], "bounds": [_range(powers, parameters)]}
    if dict(powers) != {key: 1} or key in values or parameters[key].fixed:
        entry["fixed"] = True
    return entry


def _range(powers: Mapping[str, int], parameters: ParameterSet) -> list[float]:
    low, high = 1.0, 1.0
    for name, power in powers.items():
        lower, upper = _bounds(parameters[name].lower, parameters[name].upper)
        ends = (lower**power, upper**power, *((0.0,) if lower < 0.0 < upper else ()))
        products = [a * b for a in (low, high) for b in (min(ends), max(ends))]
        low, high = min(products), max(products)
    return [low, high]


def _poi(monomials: Mapping[str, Mapping[str, int]], parameters: ParameterSet) -> str:
    """Return the first coupling that is alone in its monomials and linear; empty when a hypothesis sets several normfactors."""
    for key, powers in monomials.items():
        alone = not any(key in other for label, other in monomials.items() if label != key)
        if dict(powers) == {key: 1} and alone and not parameters[key].fixed:
            return key
    return ""


def _shapefactors(joint: Joint, data: Data) -> Iterator[Spec]:
    for channel, counts, control in zip(joint.channels, data.counts, data.control, strict=True):
        if channel.control is not None and control is not None:
            ratio = channel.control.ratio
            inits = (counts + control + 0.5) / (1.0 + ratio)
            upper = np.maximum(10.0, 2.0 * (counts + control) / np.minimum(ratio, 1.0))
            bounds = [[0.0, float(top)] for top in upper]
            yield {"name": measured_name(channel.name), "inits": _numbers(inits), "bounds": bounds}


def _numbers(values: Floats) -> list[float]:
    return [float(value) for value in values]


# --- patchsets ---------------------------------------------------------------------------------------------------------------------


def without_couplings(exported: Exported) -> Spec:
    """Return the workspace without the samples and normfactors of couplings: the Standard Model with all backgrounds.

    Raises
    ------
    CevnsfitError
        If a channel would be empty.
    """
    spec, names = exported.spec, exported.monomials
    channels = [{**channel, "samples": [s for s in channel["samples"] if not _coupled(s, names)]} for channel in spec["channels"]]
    empty = [channel["name"] for channel in channels if not channel["samples"]]
    if empty:
        message = f"without its couplings {', '.join(empty)} has no samples; a patchset needs something to patch"
        raise CevnsfitError(message)
    measurements = [
        {
            **entry,
            "config": {
                "poi": "" if entry["config"]["poi"] in names else entry["config"]["poi"],
                "parameters": [p for p in entry["config"]["parameters"] if p["name"] not in names],
            },
        }
        for entry in spec["measurements"]
    ]
    return {**spec, "channels": channels, "measurements": measurements}


def _coupled(sample: Mapping[str, Any], names: Mapping[str, object]) -> bool:
    return any(modifier["type"] == "normfactor" and modifier["name"] in names for modifier in sample["modifiers"])


def patch(base: Spec, exported: Exported) -> list[Spec]:
    """Return the JSON patch from the workspace without couplings to the full one; samples that the nonlinear parameter changes are replaced."""
    operations: list[Spec] = []
    for index, (old, new) in enumerate(zip(base["channels"], exported.spec["channels"], strict=True)):
        kept = [sample for sample in new["samples"] if not _coupled(sample, exported.monomials)]
        for place, (before, after) in enumerate(zip(old["samples"], kept, strict=True)):
            if before != after:
                operations.append({"op": "replace", "path": f"/channels/{index}/samples/{place}", "value": after})
        coupled = [sample for sample in new["samples"] if _coupled(sample, exported.monomials)]
        operations += [{"op": "add", "path": f"/channels/{index}/samples/-", "value": sample} for sample in coupled]
    config = exported.spec["measurements"][0]["config"]
    added = [entry for entry in config["parameters"] if entry["name"] in exported.monomials]
    operations += [{"op": "add", "path": "/measurements/0/config/parameters/-", "value": entry} for entry in added]
    if config["poi"] in exported.monomials:
        operations.append({"op": "replace", "path": "/measurements/0/config/poi", "value": config["poi"]})
    return operations


def patchset(base: Spec, grid: Mapping[float, Exported], label: str, *, description: str, record: str, extra: Mapping[str, object]) -> Spec:
    """Return the patchset of a workspace without couplings, one patch for each value of a nonlinear parameter.

    Parameters
    ----------
    base
        From `without_couplings`.
    grid
        The workspaces by value of the parameter.
    label
        The parameter.
    description
        One line.
    record
        INSPIRE identifier of the paper, "ins" and seven digits; the schema asks for one.
    extra
        Further metadata.
    """
    from pyhf.utils import digest

    patches = [
        {"metadata": {"name": patch_name(label, value), "values": [value]}, "patch": patch(base, exported)}
        for value, exported in grid.items()
    ]
    metadata = {
        **extra,
        "references": {"hepdata": record},
        "digests": {"sha256": digest(base, algorithm="sha256"), "md5": digest(base, algorithm="md5")},
        "labels": [label],
        "description": description,
    }
    return {"patches": patches, "metadata": metadata, "version": VERSION}


def patch_name(label: str, value: float) -> str:
    """Return the name of a patch, letters, digits and underscores only: "mass_12p5" for 12.5, "mass_1em05" for 1e-05."""
    text = f"{value:.10g}".replace(".", "p").replace("-", "m").replace("+", "")
    return f"{label}_{text}"
