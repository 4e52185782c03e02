"""From names to likelihoods: what every study starts with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Final

from cevnsfit.core.analysis import Analysis, Constraint, Correlation
from cevnsfit.core.documents import brief
from cevnsfit.core.errors import CevnsfitError, KindError, ResultError, UnknownNameError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.infer.multistart import profile_minima
from cevnsfit.model.build import RELEASED, likelihood_of
from cevnsfit.physics.interactions import model_names, signal_model
from cevnsfit.physics.interactions.common import CEVNS_ONLY
from cevnsfit.spec.catalog import experiment_names, resolve
from cevnsfit.spec.load import FILE, Experiment, has_field, load_experiment
from cevnsfit.spec.yaml_source import read_yaml
from cevnsfit.studies.constraints import constrained, require_floating
from cevnsfit.studies.grids import quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cevnsfit.core.analysis import SignalSystematics
    from cevnsfit.physics.interactions.terms import SignalModel
    from cevnsfit.stats.likelihood import Likelihood


TEMPLATES: Final = "the released templates times signal_strength"
"""What the templates of a release have in the place of a Lagrangian."""


def load_experiments(analysis: Analysis) -> tuple[Experiment, ...]:
    """Return the experiments of an analysis, with its overrides."""
    return tuple(load_experiment(name, changes) for name, changes in zip(analysis.experiments, changes_of(analysis), strict=True))


def changes_of(analysis: Analysis) -> tuple[dict[str, str], ...]:
    """Return the fields to change in each experiment of an analysis, by path.

    An override "EXP:path" is that of one experiment ("EXP,EXP:path" of several), "path" of those that have the field; where none has it, of all,
    which cannot be loaded then.

    Raises
    ------
    UnknownNameError
        If EXP is none of the experiments.
    """
    changes: tuple[dict[str, str], ...] = tuple({} for _ in analysis.experiments)
    for name, text in analysis.overrides:
        experiments, path = split_path(name)
        if experiments:
            named, own = experiments.split(","), [own_name(experiment) for experiment in analysis.experiments]
            chosen = [experiment in named for experiment in own]
            if unknown := [experiment for experiment in named if experiment not in own]:
                kind = "experiment among those combined"
                raise UnknownNameError(kind, unknown[0], own)
        else:
            several = len(changes) > 1
            chosen = [several and has_field(resolve(own), path, known) for own, known in zip(analysis.experiments, changes, strict=True)]
        for known, here in zip(changes, chosen, strict=True):
            known.update({path: text} if here or not any(chosen) else {})
    return changes


def split_path(name: str) -> tuple[str, str]:
    """Return experiments and path of "EXP:path" or "EXP,EXP:path"; the experiment of a plain path is ""."""
    experiments, _, path = name.rpartition(":")
    return experiments, path


def own_name(name: str | Path) -> str:
    """Return the name that an experiment has in its file, for a shipped name or a folder."""
    return str(name) if name in experiment_names() else str(read_yaml(resolve(name) / FILE).data.get("name"))


@on_one_thread
def build_likelihood(  # noqa: PLR0913 (each says what is analysed)
    *experiments: str | Path | Experiment,
    model: str,
    changes: Mapping[str, object] | None = None,
    signal_systematics: SignalSystematics | None = None,
    allow_overlap: bool = False,
    electrons: bool = False,
    floating: Iterable[str] = (),
    constraints: Mapping[str, object] | None = None,
    correlations: Mapping[tuple[str, str], float] | None = None,
) -> Likelihood:
    """Return the likelihood of one or more experiments for a signal model.

    Parameters
    ----------
    *experiments
        Shipped names, folders, or experiments from `load_experiment`.
    model
        Name of a signal model, see `model_names`.
    changes
        Fields of experiment.yaml to change by dotted path: in the experiments that have the field, or in one of them ("EXP:path").
    signal_systematics
        "profile", "shapes" (rates are held) or "hold"; by default "hold" for `signal-strength`, which measures the signal in units of its nominal
        prediction, and "profile" for every other model.
    allow_overlap
        Combine experiments even if they share events.
    electrons
        Add neutrino-electron scattering, in experiments whose response to electrons is known.
    floating
        Parameters that float although they are held by default.
    constraints
        External measurements by parameter, each in the place of the constraint that it has: "0.95 +- 0.03", (0.95, 0.03), or a mapping with `value`,
        `error` and `source`. That of a normalisation is a factor on its nominal rate, of another unit normal in standard deviations.
    correlations
        Correlations of constraints, by pairs of parameters.

    Raises
    ------
    UnknownNameError
        If there is no such experiment, model or parameter.
    CevnsfitError
        If a constraint or a correlation makes no sense.
    OverlapError
        If two of the experiments share events.
    SpecError
        If the files of an experiment are wrong, or a change is.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> likelihood = cf.build_likelihood("coherent-csi-2021", model="lmu-ltau")
    >>> likelihood.names[:2]
    ('g', 'mass')
    """
    _check_kinds(experiments, changes, floating)
    analysis = Analysis(
        experiments=tuple(_where(experiment) for experiment in experiments),
        model=model,
        overrides=_overrides(experiments, {} if changes is None else changes),
        signal_systematics=signal_systematics,
        allow_overlap=allow_overlap,
        electrons=electrons,
        floating=tuple(floating),
        constraints=tuple(Constraint.of(name, given) for name, given in ({} if constraints is None else constraints).items()),
        correlations=tuple(Correlation(*pair, value) for pair, value in ({} if correlations is None else correlations).items()),
    )
    loaded = [
        known if isinstance(known, Experiment) and dict(known.overrides) == fields else load_experiment(name, fields)
        for known, name, fields in zip(experiments, analysis.experiments, changes_of(analysis), strict=True)
    ]
    return build(analysis, loaded)


def _check_kinds(experiments: Sequence[object], changes: object, floating: object) -> None:
    """Raise KindError unless there are experiments, each an argument of its own, and the rest is what it should be."""
    odd = [type(one).__name__ for one in experiments if not isinstance(one, str | PathLike | Experiment)]
    if odd or not experiments:
        message = (
            f"experiments are names, folders or what load_experiment returns, each an argument of its own; got {odd[0] if odd else 'none'}"
        )
        raise KindError(message)
    if not isinstance(changes, Mapping | None):
        message = f"changes are a mapping of fields to values, {{'source.distance': '20 m'}}, not {brief(changes)}"
        raise KindError(message)
    if isinstance(floating, str):
        message = f"floating is a list of names: [{floating!r}]"
        raise KindError(message)


def _overrides(experiments: Sequence[str | Path | Experiment], changes: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Return the overrides of an analysis: those that experiments were loaded with, under their names unless all have the same, and `changes`."""
    own = [experiment.overrides if isinstance(experiment, Experiment) else () for experiment in experiments]
    same = len(set(own)) == 1
    prefixes = ["" if same or not isinstance(experiment, Experiment) else f"{experiment.name}:" for experiment in experiments]
    found = {f"{prefix}{path}": text for prefix, pairs in zip(prefixes, own, strict=True) for path, text in pairs}
    texts = {path: value if isinstance(value, str) else json.dumps(value, default=float) for path, value in changes.items()}
    return tuple({**found, **texts}.items())


def _where(experiment: str | Path | Experiment) -> str:
    """Return the name of a shipped experiment, or of one of a plug-in, else its folder."""
    if isinstance(experiment, Experiment):
        name, folder = experiment.name, experiment.folder
    else:
        name, folder = own_name(experiment), resolve(experiment)
    return name if name in experiment_names() and resolve(name) == folder else str(folder)


def build(analysis: Analysis, experiments: Sequence[Experiment] | None = None) -> Likelihood:
    """Return the likelihood of an analysis, of its experiments when they are loaded already."""
    check_model(analysis.model)
    experiments = load_experiments(analysis) if experiments is None else experiments
    likelihood = likelihood_of(
        experiments,
        analysis.model,
        signal_systematics=analysis.signal_systematics,
        allow_overlap=analysis.allow_overlap,
        electrons=analysis.electrons,
    )
    released = replace(likelihood, parameters=likelihood.parameters.released(analysis.floating), origin=analysis, profiler=profile_minima)
    return constrained(released, analysis.constraints, analysis.correlations)


def labelled(analysis: Analysis, *, each: bool) -> dict[str, Analysis]:
    """Return an analysis by the names of its experiments, joined with " + ", before it that of each single one of several by its name if `each`."""
    names = [own_name(name) for name in analysis.experiments]
    singles = {
        name: replace(analysis, experiments=(place,), overrides=tuple(changes.items()))
        for name, place, changes in zip(names, analysis.experiments, changes_of(analysis), strict=True)
    }
    return {**(singles if each and len(names) > 1 else {}), " + ".join(names): analysis}


def build_each(analyses: Mapping[str, Analysis]) -> dict[str, Likelihood]:
    """Return the likelihood of each analysis by its label; experiments that several of them share are read once.

    Constraints and correlations are left out where there are no such parameters; UnknownNameError if these are in no likelihood.
    """
    known: dict[tuple[str, tuple[tuple[str, str], ...]], Experiment] = {}
    likelihoods = {}
    for label, analysis in analyses.items():
        wanted = [(name, tuple(changes.items())) for name, changes in zip(analysis.experiments, changes_of(analysis), strict=True)]
        known |= {key: load_experiment(key[0], dict(key[1])) for key in wanted if key not in known}
        likelihoods[label] = build(analysis.within(()), [known[key] for key in wanted])
    names = dict.fromkeys(name for likelihood in likelihoods.values() for name in likelihood.parameters.names)
    for name in (name for analysis in analyses.values() for name in analysis.measured):
        if name not in names:
            kind = "parameter"
            raise UnknownNameError(kind, name, names)
    kept = {label: analyses[label].within(likelihood.parameters.names) for label, likelihood in likelihoods.items()}
    apart = {one for analysis in analyses.values() for one in analysis.correlations}.difference(
        *(own.correlations for own in kept.values())
    )
    if apart:
        message = f"the correlation {next(iter(apart))} is one of parameters that are together in no result"
        raise CevnsfitError(message)
    for label, likelihood in likelihoods.items():
        own = kept[label]
        likelihoods[label] = constrained(replace(likelihood, origin=own), own.constraints, own.correlations)
    return likelihoods


def require_files(likelihood: Likelihood, inputs: Mapping[str, Mapping[str, str]]) -> None:
    """Raise ResultError unless a likelihood was read from files with these digests by experiment, those of the process that asks."""
    odd = [name for name, digests in likelihood.inputs.items() if dict(digests) != dict(inputs.get(name, {}))]
    if odd:
        message = (
            f"{', '.join(odd)}: the files read here are not those of this run; a folder has changed, or is another one on this machine"
        )
        raise ResultError(message)


def all_models() -> tuple[str, ...]:
    """Return the names of all models, the released templates included."""
    return (*model_names(), RELEASED)


def check_model(name: str) -> SignalModel | None:
    """Return the signal model, or None for the released templates; UnknownNameError lists the near matches."""
    if name == RELEASED:
        return None
    if name not in model_names():
        raise UnknownNameError("model", name, all_models())
    return signal_model(name)


def treatment(model: str, *, profile_signal: bool) -> SignalSystematics | None:
    """Return what is done with the signal's systematics, None for the model's default; CevnsfitError where they cannot be asked to be profiled."""
    physics = check_model(model)
    if profile_signal and model != "signal-strength":
        reason = "the templates of a release have none" if physics is None else f"{model} profiles all of them without it"
        message = f"--profile-signal: `signal-strength` alone holds the signal's systematics by default; {reason}"
        raise CevnsfitError(message)
    return "shapes" if profile_signal else None


def units_of(model: str) -> dict[str, str]:
    """Return the unit of each parameter of a model, "1" where it is a number; none for the empty name, UnknownNameError if there is no such model."""
    physics = check_model(model) if model else None
    return {} if physics is None else {p.name: p.unit for p in physics.parameters}


def lagrangian_of(model: str) -> str:
    """Return the Lagrangian that the couplings of a model are those of; empty for the empty name, UnknownNameError if there is no such model."""
    physics = check_model(model) if model else None
    return physics.lagrangian if physics is not None else TEMPLATES if model else ""


def caveat(analysis: Analysis, free: Iterable[str] = ()) -> str:
    """Return what the prediction leaves out, or an empty string.

    Parameters
    ----------
    analysis
        With `electrons` the caveat is that of the experiments whose window cuts electron recoils.
    free
        Parameters that are scanned.
    """
    physics = check_model(analysis.model)
    label = "" if physics is None else physics.caveat(analysis.held, (*free, *analysis.floating))
    if label != CEVNS_ONLY or not analysis.electrons:
        return label
    cut = [experiment.name for experiment in load_experiments(analysis) if not experiment.sees_electrons()]
    return f"{label} in {', '.join(cut)}" if cut else ""


def asked_to_float(likelihood: Likelihood, taken: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the parameters that float although they are held by default, and those that rebuild the templates and have a constraint, unless `taken`."""
    origin = likelihood.origin
    if origin is None:
        return ()
    measured = [one.name for one in origin.constraints if one.name in likelihood.nonlinear and one.name not in {*origin.floating, *taken}]
    return (*origin.floating, *measured)


def check_floating(likelihood: Likelihood, at: Mapping[str, float], taken: Iterable[str] = ()) -> None:
    """Raise CevnsfitError if a parameter that should float, or has a given constraint, is held, or if the former is `taken`: scanned, or of interest."""
    if likelihood.origin is None:
        return
    require_floating([one.name for one in likelihood.origin.constraints], at)
    both = sorted({*likelihood.origin.floating} & {*at, *taken})
    if both:
        message = f"{', '.join(both)} cannot be both profiled (--profile) and held, scanned or the parameter of interest"
        raise CevnsfitError(message)


def parse_assignments(texts: Sequence[str], units: Mapping[str, str] | None = None) -> dict[str, float]:
    """Return {name: value} of texts "name=value".

    Parameters
    ----------
    texts
        A value may have a unit (0.1GeV), which is converted to that of the parameter.
    units
        Those of the model's parameters, see `units_of`.

    Raises
    ------
    CevnsfitError
        If a text is not of this form, a unit is not one of the parameter, or a name is given twice.
    """
    values: dict[str, float] = {}
    for text in texts:
        name, _, rest = text.partition("=")
        if name in values:
            message = f"'{name}' is given twice"
            raise CevnsfitError(message)
        try:
            values[name] = quantity(name, rest if name else "", {} if units is None else units)
        except ValueError:
            message = f"'{text}' should read name=value with a number, for example mass=100 or mass=0.1GeV"
            raise CevnsfitError(message) from None
    return values


def parse_overrides(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return (path, value) of texts "PATH=value" or "EXP:PATH=value"; the values are read as YAML later, and the last of one path counts."""
    changes: dict[str, str] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals or not path or path != path.strip(":") or not value:
            message = f"'{text}' should read PATH=value or EXP:PATH=value, for example source.distance=20"
            raise CevnsfitError(message)
        changes[path] = value
    return tuple(changes.items())
