"""pyhf workspaces as channels: exported ones come back with their couplings, others with a parameter for each modifier.

`model.modifiers` makes rows of samples. A background that is alone under a shapefactor which it shares with a channel of its own, or alone under a
shapesys, is measured bin by bin, and profiled in closed form where the bounds of its factors are out of reach.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parameters import ParameterSet
from cevnsfit.model.modifiers import FREE, Reader, sample_rows, stat_errors, values
from cevnsfit.model.rows import MAX_NUMBERS, Factors, TemplateRow, coefficients
from cevnsfit.spec.fields import SIGNAL
from cevnsfit.stats.channel import Channel, ControlRegion
from cevnsfit.stats.likelihood import Likelihood

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from cevnsfit.core.arrays import Floats
    from cevnsfit.core.parameters import Parameter
    from cevnsfit.model.modifiers import StatErrors
    from cevnsfit.spec.load import Experiment
    from cevnsfit.spec.schema import WorkspaceSpec
    from cevnsfit.stats.gaussian import Errors

    Spec = Mapping[str, Any]

MALFORMED: Final = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, StopIteration)
"""What a document that is no such workspace raises while it is read."""

_SIGNAL_SAMPLES: Final = ("sm", "int", "quad")
_NEGLIGIBLE: Final = 1e-9
"""Lower bound of a factor that is as good as 0."""


class BinByBin(NamedTuple):
    """A background that is measured bin by bin: its sample, its control region, and the channel of the workspace that this is, if it is one."""

    sample: str
    region: ControlRegion
    channel: str = ""


def likelihood_of(spec: Spec, metadata: Spec, measurement: str = "") -> Likelihood:
    """Return the likelihood of a workspace; ValueError and the like say what has no counterpart.

    Parameters
    ----------
    spec, metadata
        The workspace, and what `export` says of it (empty for one of others).
    measurement
        The measurement that is meant, where it has several.
    """
    config = _config(spec, measurement)
    settings = {entry["name"]: entry for entry in config["parameters"]}
    reader = Reader(settings, config["poi"], metadata.get("normfactors", {}), metadata.get("couplings", {}))
    observed, controls = _observed(spec), _controls(spec, reader)
    measuring, errors = {one.channel for one in controls.values()}, stat_errors(spec["channels"])
    regions = [channel for channel in spec["channels"] if channel["name"] not in measuring]
    parts = [(region["name"], region_rows(region, reader, errors, controls)) for region in regions]
    coupled = {name for name, parameter in reader.parameters.items() if parameter.kind == "polynomial"}
    owners, beside = metadata.get("channels", {}), metadata.get("auxiliary", ())
    channels = [
        replace(
            _channel(name, [_marked(row, coupled) for row in rows], observed[name], controls),
            experiment=str(owners.get(name, "")),
            auxiliary=name in beside,
        )
        for name, rows in parts
    ]
    channels += [replace(one, experiment=str(owners.get(one.experiment, one.experiment))) for one in reader.auxiliary.values()]
    return Likelihood(ParameterSet(tuple(reader.parameters.values())), partial(_always, tuple(channels)))


def _always(channels: tuple[Channel, ...], _: Mapping[str, float]) -> tuple[Channel, ...]:
    return channels


def _marked(row: TemplateRow, coupled: Collection[str]) -> TemplateRow:
    """Return a row, as one of the signal if it is that."""
    return _of_signal(row) if row.factors.component in _SIGNAL_SAMPLES or not {*coupled}.isdisjoint(row.factors.powers) else row


def _observed(spec: Spec) -> dict[str, Floats]:
    return {entry["name"]: np.array(entry["data"], dtype=np.float64) for entry in spec["observations"]}


def _config(spec: Spec, measurement: str) -> Spec:
    """Return the configuration of a measurement of a workspace, in which nothing is left that is not used.

    Raises
    ------
    ValueError
        If the measurement is not known, a name stands for two things or for none, or lists have different lengths.
    """
    known: dict[str, Spec] = {entry["name"]: entry["config"] for entry in spec["measurements"]}
    if measurement not in known and (measurement or len(known) > 1):
        message = f"choose the measurement: there are {', '.join(known)}" + (f", and no {measurement}" if measurement else "")
        raise ValueError(message)
    config = known[measurement] if measurement else next(iter(known.values()))
    modifiers = [
        (channel["name"], sample["name"], modifier["type"], modifier["name"])
        for channel in spec["channels"]
        for sample in channel["samples"]
        for modifier in sample["modifiers"]
    ]
    regions = [channel["name"] for channel in spec["channels"]]
    names = {
        "channels": regions,
        "measurements": [entry["name"] for entry in spec["measurements"]],
        "observations": [entry["name"] for entry in spec["observations"]],
        "samples": [(channel["name"], sample["name"]) for channel in spec["channels"] for sample in channel["samples"]],
        "modifiers": modifiers,
        "shapesys, which belong to one sample,": [entry[2:] for entry in modifiers if entry[2] == "shapesys"],
        "settings": [entry["name"] for entry in config["parameters"]],
    }
    for what, given in names.items():
        if twice := [name for name, number in Counter(given).items() if number > 1]:
            message = f"two {what} have the name {twice[0] if isinstance(twice[0], str) else ', '.join(twice[0])}"
            raise ValueError(message)
    used, factors = {entry[3] for entry in modifiers}, {entry[3] for entry in modifiers if entry[2] == "normfactor"}
    poi = {config["poi"]}
    left = {
        "channel": {*regions} - {*names["observations"]},
        "observation": {*names["observations"]} - {*regions},
        "setting": {*names["settings"]} - used - poi,
        "parameter of interest": poi & used - factors,
    }
    for what, strange in left.items():
        if strange:
            message = f"the {what} {min(strange)} has no counterpart: an observation, a channel, a modifier, or the normfactor that is of interest"
            raise ValueError(message)
    _check_lengths(spec)
    return config


def _check_lengths(spec: Spec) -> None:
    """Raise ValueError where the lists of numbers of a channel differ in length."""
    observed = _observed(spec)
    for channel in spec["channels"]:
        bins = {len(observed[channel["name"]]), *(size for sample in channel["samples"] for size in _lengths(sample))}
        if len(bins) != 1:
            message = f"{channel['name']}: lists of different lengths"
            raise ValueError(message)


def _lengths(sample: Spec) -> Iterator[int]:
    """Yield the lengths of all lists of numbers of a sample."""
    yield len(sample["data"])
    for modifier in sample["modifiers"]:
        data = modifier["data"]
        if modifier["type"] == "histosys":
            yield len(data["hi_data"])
            yield len(data["lo_data"])
        elif modifier["type"] in {"staterror", "shapesys"}:
            yield len(data)


# --- backgrounds that are measured bin by bin --------------------------------------------------------------------------------------


def _controls(spec: Spec, reader: Reader, signal: Collection[str] = ()) -> dict[str, BinByBin]:
    """Return for each channel the background that is measured bin by bin, at most one and none of the `signal`."""
    places: dict[str, list[tuple[Spec, Spec]]] = {}
    for channel in spec["channels"]:
        for sample in channel["samples"]:
            for modifier in sample["modifiers"]:
                if modifier["type"] in {"shapefactor", "shapesys"}:
                    places.setdefault(modifier["name"], []).append((channel, sample))
    found: dict[str, BinByBin] = {}
    for name, entries in places.items():
        (main, sample), *others = sorted(entries, key=lambda entry: len(entry[0]["samples"]) == 1)
        alone = [len(channel["samples"]) == 1 for channel, _ in others]
        plain = all(len(one["modifiers"]) == 1 and one["name"] not in signal for _, one in entries)
        if not plain or len(main["samples"]) == 1 or main["name"] in found:
            continue
        if alone == ([] if sample["modifiers"][0]["type"] == "shapesys" else [True]):
            measured = _measured(name, (main, sample), others, _observed(spec), reader)
            found |= {} if measured is None else {main["name"]: measured}
    return found


def _measured(
    name: str, place: tuple[Spec, Spec], others: Sequence[tuple[Spec, Spec]], observed: Mapping[str, Floats], reader: Reader
) -> BinByBin | None:
    """Return a background under a shapesys, or under a shapefactor with the channel in `others`; None where its factors may meet a bound."""
    channel, sample = place
    nominal = np.array(sample["data"], dtype=np.float64)
    if others:
        ((control, other),) = others
        given, by = reader.asked("shapefactor", name, values(len(nominal), FREE)), str(control["name"])
        counts, scale = observed[by], np.array(other["data"], dtype=np.float64)
    else:
        given, _ = reader.constraint(name, nominal, np.array(sample["modifiers"][0]["data"], dtype=np.float64))
        counts, scale, by = given["auxdata"], given["factors"], ""
    low, high = given["bounds"].T
    if np.any(given["fixed"]) or np.any(low > _NEGLIGIBLE) or min(nominal.min(), scale.min()) <= 0:
        return None
    ratio = scale / nominal
    if np.any((observed[channel["name"]] + counts) / (1.0 + ratio) > high * nominal):
        return None
    return BinByBin(sample["name"], ControlRegion(counts, float(ratio[0]) if np.all(ratio == ratio[0]) else ratio), by)


def region_rows(channel: Spec, reader: Reader, errors: Mapping[str, StatErrors], controls: Mapping[str, BinByBin]) -> list[TemplateRow]:
    """Return the rows of all samples of a channel that are not measured bin by bin, named as they are."""
    measured = controls[channel["name"]].sample if channel["name"] in controls else None
    samples = (sample for sample in channel["samples"] if sample["name"] != measured)
    return [row for sample in samples for row in sample_rows(sample, channel["name"], reader, errors)]


def _channel(name: str, rows: Sequence[TemplateRow], counts: Floats, controls: Mapping[str, BinByBin]) -> Channel:
    rule, components = coefficients([factors for factors, _ in rows]), tuple(factors.component for factors, _ in rows)
    control = controls[name].region if name in controls else None
    factors = len({(*row.factors.powers.items(), *row.factors.norms.items()) for row in rows})
    if np.count_nonzero(rule.excursion_kind) * factors * len(rule.parameters) > MAX_NUMBERS:
        message = (
            f"{name}: products of its lumi, staterror, shapesys and shapefactor with its histosys have more than {MAX_NUMBERS} numbers"
        )
        raise ValueError(message)
    return Channel(name, np.array([template for _, template in rows]), rule, components, counts, control, (len(counts),))


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
    beside
        Further channels of its workspace, which have no signal.
    regions
        The channels of its workspace that have signal, its own first.
    """

    rows: tuple[TemplateRow, ...]
    parameters: tuple[Parameter, ...]
    observed: Floats | None
    control: ControlRegion | None
    errors: Errors | None = None
    beside: tuple[Channel, ...] = ()
    regions: tuple[str, ...] = ()


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
        found = _counting(spec, given, strength)
        if found.observed is not None and len(found.observed) != bins:
            axes = " x ".join(f"{axis.name}({axis.nbins})" for axis in experiment.axes)
            message = f"the channel has {len(found.observed)} bins, the axes {axes} have {bins}"
            raise ValueError(message)
        if missing := sorted({*given.shared} - {parameter.name for parameter in found.parameters}):
            message = f"it has no parameter {missing[0]} to share"
            raise ValueError(message)
    except (*MALFORMED, CevnsfitError) as error:
        message = f"{experiment.label}: {given.file}: cannot be used as a counting experiment ({' '.join(str(error).split())[:300]})"
        raise CevnsfitError(message) from None
    prefix = experiment.name if given.channel else experiment.label
    own = {} if strength is None else {strength.name: strength.name}
    names = {p.name: own.get(p.name, given.shared.get(p.name, f"{prefix}.{p.name}")) for p in found.parameters}
    parameters = tuple(replace(parameter, name=names[parameter.name]) for parameter in found.parameters)
    rows = tuple(row._replace(factors=_renamed(row.factors, names)) for row in found.rows)
    return replace(
        found, rows=rows, parameters=parameters, beside=tuple(_beside(one, names, prefix, experiment.name) for one in found.beside)
    )


def _renamed(factors: Factors, names: Mapping[str, str]) -> Factors:
    excursion = None if factors.excursion is None else factors.excursion._replace(parameter=names[factors.excursion.parameter])
    powers = {names[name]: power for name, power in factors.powers.items()}
    return Factors(factors.component, powers, {names[name]: norm for name, norm in factors.norms.items()}, excursion)


def _beside(channel: Channel, names: Mapping[str, str], prefix: str, experiment: str) -> Channel:
    """Return a further channel with the names of an experiment."""
    rule = replace(channel.coefficients, parameters=tuple(names[name] for name in channel.coefficients.parameters))
    return replace(channel, name=f"{prefix}.{channel.name}", coefficients=rule, experiment=experiment, auxiliary=True)


def _counting(spec: Spec, given: WorkspaceSpec, strength: Parameter | None) -> Counting:
    config = _config(spec, given.measurement)
    reader, observed = Reader({entry["name"]: entry for entry in config["parameters"]}), _observed(spec)
    controls = _controls(spec, reader, given.signal)
    channels = _without_signal(spec, given, config["poi"], {one.channel for one in controls.values()}, kept=strength is not None)
    regions = _regions(spec, given, list(channels))
    errors = stat_errors(list(channels.values()))
    rows = {name: region_rows(channel, reader, errors, controls) for name, channel in channels.items() if name not in regions[1:]}
    if strength is not None:
        reader.add(strength, "strength")
        rows = {
            name: [_of_signal(row, {strength.name: 1}) if row.factors.component in given.signal else row for row in own]
            for name, own in rows.items()
        }
    own = regions[0]
    beside = [_channel(name, there, observed[name], controls) for name, there in rows.items() if name != own]
    control = controls[own].region if own in controls else None
    beside += reader.auxiliary.values()
    return Counting(tuple(rows[own]), tuple(reader.parameters.values()), observed[own], control, None, tuple(beside), tuple(regions))


def _without_signal(spec: Spec, given: WorkspaceSpec, poi: str, measuring: Collection[str], *, kept: bool) -> dict[str, Spec]:
    """Return the channels that are no control regions, by name: without their signal, or with it `kept` but without the parameter of interest."""
    found: dict[str, Spec] = {}
    for channel in spec["channels"]:
        samples = [_without(sample, poi) if sample["name"] in given.signal else sample for sample in channel["samples"]]
        if any(modifier["name"] == poi for sample in samples for modifier in sample["modifiers"]):
            message = f"the parameter of interest {poi} scales samples that are not named as signal"
            raise ValueError(message)
        if channel["name"] not in measuring:
            left = [sample for sample in samples if kept or sample["name"] not in given.signal]
            found[channel["name"]] = {**channel, "samples": left}
    return found


def _regions(spec: Spec, given: WorkspaceSpec, channels: Sequence[str]) -> list[str]:
    """Return the channels with signal, that of the experiment first."""
    found = [c["name"] for c in spec["channels"] if any(sample["name"] in given.signal for sample in c["samples"])]
    own = given.channel if given.channel else channels[0] if len(channels) == 1 else found[0] if len(found) == 1 else ""
    if own not in channels:
        message = f"name the channel of this experiment in workspace.channel: there are {', '.join(channels)}"
        raise ValueError(message)
    return [own, *(name for name in found if name != own)]


def _without(sample: Spec, poi: str) -> Spec:
    return {
        **sample,
        "modifiers": [modifier for modifier in sample["modifiers"] if (modifier["type"], modifier["name"]) != ("normfactor", poi)],
    }


def _of_signal(row: TemplateRow, powers: Mapping[str, int] | None = None) -> TemplateRow:
    """Return a row as one of the signal, times further powers of parameters."""
    further = {} if powers is None else powers
    return row._replace(factors=replace(row.factors, component=SIGNAL, powers={**row.factors.powers, **further}))
