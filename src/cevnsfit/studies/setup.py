"""From names to likelihoods: what every study starts with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from cevnsfit.core.analysis import Analysis
from cevnsfit.core.errors import CevnsfitError, ResultError, UnknownNameError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.infer.multistart import profile_minima
from cevnsfit.model.build import RELEASED, likelihood_of
from cevnsfit.physics.interactions import model_names, signal_model
from cevnsfit.spec.catalog import experiment_names, resolve
from cevnsfit.spec.load import Experiment, load_experiment
from cevnsfit.stats.likelihood import release
from cevnsfit.studies.possible import require_possible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from cevnsfit.core.analysis import SignalSystematics
    from cevnsfit.physics.interactions.terms import SignalModel
    from cevnsfit.stats.joint import Joint
    from cevnsfit.stats.likelihood import Likelihood


def load_experiments(analysis: Analysis) -> tuple[Experiment, ...]:
    """Return the experiments of an analysis, with its overrides."""
    return tuple(load_experiment(name, dict(analysis.overrides)) for name in analysis.experiments)


@on_one_thread
def build_likelihood(
    *experiments: str | Path | Experiment,
    model: str,
    changes: Mapping[str, object] | None = None,
    signal_systematics: SignalSystematics | None = None,
    allow_overlap: bool = False,
    electrons: bool = False,
    floating: Iterable[str] = (),
) -> Likelihood:
    """Return the likelihood of one or more experiments for a signal model.

    Parameters
    ----------
    *experiments
        Shipped names, folders, or experiments from `load_experiment`.
    model
        Name of a signal model, see `model_names`.
    changes
        Fields of experiment.yaml to change in each of them, by dotted path.
    signal_systematics
        "profile", "shapes" (rates are held) or "hold"; by default "hold" for `signal-strength`, which measures the signal in units of its nominal
        prediction, and "profile" for every other model.
    allow_overlap
        Combine experiments even if they share events.
    electrons
        Add neutrino-electron scattering, in experiments whose response to electrons is known.
    floating
        Parameters that float although they are held by default.

    Raises
    ------
    UnknownNameError
        If there is no such experiment, model or parameter.
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
    more = {} if changes is None else dict(changes)
    loaded = [_loaded(experiment, more) for experiment in experiments]
    overrides = {experiment.overrides for experiment in loaded}
    analysis = Analysis(
        experiments=tuple(_where(experiment) for experiment in loaded),
        model=model,
        overrides=min(overrides, default=()),
        signal_systematics=signal_systematics,
        allow_overlap=allow_overlap,
        electrons=electrons,
        floating=tuple(floating),
    )
    likelihood = build(analysis, loaded, fitted=False)
    return likelihood if len(overrides) < 2 else replace(likelihood, origin=None)


def _loaded(experiment: str | Path | Experiment, changes: Mapping[str, object]) -> Experiment:
    if not isinstance(experiment, Experiment):
        return load_experiment(experiment, changes)
    return load_experiment(experiment.folder, {**dict(experiment.overrides), **changes}) if changes else experiment


def _where(experiment: Experiment) -> str:
    """Return the name of a shipped experiment, or of one of a plug-in, else its folder."""
    shipped = experiment.name in experiment_names() and resolve(experiment.name) == experiment.folder
    return experiment.name if shipped else str(experiment.folder)


def build(analysis: Analysis, experiments: Sequence[Experiment] | None = None, *, fitted: bool = True) -> Likelihood:
    """Return the likelihood of an analysis.

    Parameters
    ----------
    analysis
        What is analysed.
    experiments
        Its experiments when they are loaded already.
    fitted
        Whether its data are fitted.

    Raises
    ------
    FitError
        If the model cannot make the data that are fitted.
    """
    check_model(analysis.model)
    experiments = load_experiments(analysis) if experiments is None else experiments
    likelihood = likelihood_of(
        experiments,
        analysis.model,
        signal_systematics=analysis.signal_systematics,
        allow_overlap=analysis.allow_overlap,
        electrons=analysis.electrons,
    )
    if fitted:
        require_possible(likelihood.at({}), experiments)
    likelihood = replace(likelihood, origin=analysis, profiler=profile_minima)
    return release(likelihood, analysis.floating) if analysis.floating else likelihood


def digest_of(experiments: Iterable[Experiment]) -> str:
    """Return one SHA-256 of all files that were read for some experiments."""
    files = [[experiment.name, sorted(experiment.digests.items())] for experiment in experiments]
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()


def require_digest(experiments: Sequence[Experiment], digest: str) -> None:
    """Raise ResultError unless the experiments have been read from the same files as in the process that asks."""
    if digest_of(experiments) != digest:
        names = ", ".join(experiment.name for experiment in experiments)
        message = f"{names}: the files read here are not those of this run; a folder has changed, or is another one on this machine"
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
    if not label or not analysis.electrons:
        return label
    cut = [experiment.name for experiment in load_experiments(analysis) if not experiment.spec.sees_electrons()]
    return f"{label} in {', '.join(cut)}" if cut else ""


def asked_to_float(likelihood: Likelihood) -> tuple[str, ...]:
    """Return the parameters that float although they are held by default."""
    return () if likelihood.origin is None else likelihood.origin.floating


def check_floating(floating: Iterable[str], at: Iterable[str], taken: Iterable[str] = ()) -> None:
    """Raise CevnsfitError if a parameter that should float is held, or is among those `taken`: scanned, or the parameter of interest."""
    both = sorted(set(floating) & {*at, *taken})
    if both:
        message = f"{', '.join(both)} cannot be both profiled (--profile) and held, scanned or the parameter of interest"
        raise CevnsfitError(message)


def fix(likelihood: Likelihood, at: Mapping[str, float]) -> tuple[Joint, dict[str, float]]:
    """Return the joint likelihood at the nonlinear parameters among `at` (defaults for the rest), and the other held values.

    Raises
    ------
    UnknownNameError
        If a name is not a parameter of the likelihood.
    DomainError
        If a value is outside its domain.
    """
    values = {name: likelihood.parameters[name].checked(float(value)) for name, value in at.items()}
    shape = {name: value for name, value in values.items() if likelihood.parameters[name].kind == "nonlinear"}
    return likelihood.at(shape), {name: value for name, value in values.items() if name not in shape}


def parse_assignments(texts: Sequence[str]) -> dict[str, float]:
    """Return {name: value} of texts "name=value".

    Raises
    ------
    CevnsfitError
        If a text is not of this form, or a name is given twice.
    """
    values: dict[str, float] = {}
    for text in texts:
        name, equals, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            equals = ""
            value = 0.0
        if not equals or not name:
            message = f"'{text}' should read name=value with a number, for example mass=100"
            raise CevnsfitError(message)
        if name in values:
            message = f"'{name}' is given twice"
            raise CevnsfitError(message)
        values[name] = value
    return values


def parse_overrides(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return (path, value) of texts "PATH=value"; the values are read as YAML later, and the last of one path counts."""
    changes: dict[str, str] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals or not path or not value:
            message = f"'{text}' should read PATH=value, for example source.distance=20"
            raise CevnsfitError(message)
        changes[path] = value
    return tuple(changes.items())
