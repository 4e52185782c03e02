"""The numbers of data/published, computed: one small function for each."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.model.build import RELEASED
from cevnsfit.moments.boson_loops import vector_contribution
from cevnsfit.physics.constants import ELECTRON_MASS, MUON_MASS, TAU_MASS
from cevnsfit.physics.interactions.vector_mediators import loop_function
from cevnsfit.spec.fields import SIGNAL
from cevnsfit.spec.load import Experiment, load_experiment
from cevnsfit.stats.joint import expected
from cevnsfit.studies.fitting import fit
from cevnsfit.studies.germanium import (
    STRENGTH,
    Ours,
    PublishedCurve,
    binned,
    fitted_signal,
    germanium_checks,
    signal_significance,
    with_error,
)
from cevnsfit.studies.limits import intervals
from cevnsfit.studies.literature import literature_checks
from cevnsfit.studies.nuclides import COMPOUNDS, flux_average, unit_point
from cevnsfit.studies.setup import build_likelihood

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from cevnsfit.core.analysis import SignalSystematics
    from cevnsfit.stats.joint import Joint
    from cevnsfit.studies.fitting import Fit


@dataclass(frozen=True, slots=True, eq=False)
class StrengthFit:
    """An experiment fitted with a free signal strength.

    Attributes
    ----------
    experiment
        Its description.
    nominal
        Expected counts of each component before the fit, in the bins of its axes.
    best
        The best fit.
    errors
        Errors of the fitted counts of each component, with the shapes held at their best values.
    """

    experiment: Experiment
    nominal: Mapping[str, NDArray[np.float64]]
    best: Fit
    errors: Mapping[str, float]

    @property
    def strength(self) -> Ours:
        """Return the signal strength, with the mean of its two profile errors."""
        return with_error(self.best, STRENGTH)

    @property
    def counts(self) -> Mapping[str, float]:
        """Return the fitted counts of each component."""
        return self.best.expected[self.experiment.name]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Signal counts of one channel, predicted and of the released template, shape (bins,) each, and both along its axis."""

    predicted: NDArray[np.float64]
    released: NDArray[np.float64]
    curve: PublishedCurve


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """What several checks need, computed once.

    Attributes
    ----------
    fits
        Fits of the signal strength.
    heavy
        Allowed couplings of an L_mu-L_tau mediator of 1 GeV.
    runs
        Predicted counts of solar neutrinos in each run of XENONnT, and those of the collaboration's template.
    solar
        Fits of their strength with S1 and S2, of "all" runs and of the "first" two.
    """

    fits: Mapping[str, StrengthFit]
    heavy: tuple[tuple[float, float], ...]
    runs: Mapping[str, Run]
    solar: Mapping[str, Fit]


CheckFunction = Callable[[Shared], Ours]

_FITS: Final[Mapping[str, tuple[str, str, SignalSystematics | None]]] = {
    "csi-2017": ("coherent-csi-2017", "signal-strength", None),
    "csi-2021": ("coherent-csi-2021", "signal-strength", None),
    "csi-2021.shapes": ("coherent-csi-2021", "signal-strength", "shapes"),
    "lar-2020.released": ("coherent-lar-2020", RELEASED, None),
    "lar-2020": ("coherent-lar-2020", "signal-strength", None),
    "lar-2020.shapes": ("coherent-lar-2020", "signal-strength", "shapes"),
}
_FIXED: Final[Mapping[str, object]] = {"coherent-csi-2021:systematics.onset.enabled": False}
"""The onset of CsI 2021 as the publication and the independent program have it: fixed."""
_MEASURED: Final = {"kind": "table", "table": "counts.csv", "column": "anticoincident_on"}
_FACTORISED: Final = {
    "control_region": {},
    "backgrounds.steady_state": {
        "shape": {"kind": "product", "factors": {"pe": _MEASURED, "time": _MEASURED}},
        "count": {**_MEASURED, "kind": "counted", "ratio": 1},
    },
}
"""The steady-state background of CsI 2017 as the publication has it: a product of two distributions."""

_LOOPS: Final = {"mu-tau": (MUON_MASS, TAU_MASS), "e-mu": (ELECTRON_MASS, MUON_MASS), "e-tau": (ELECTRON_MASS, TAU_MASS)}
_COMBINED: Final = ("coherent-csi-2021", "coherent-lar-2020")
_IONISATION: Final = "xenonnt-s2only-2026"
_SCINTILLATION: Final = "xenonnt-b8-2026"


def checks() -> dict[str, CheckFunction]:
    """Return the function that computes each number, by its id."""
    return {
        **_cross_sections(),
        **_mediators(),
        **_csi_2017(),
        **_csi_2021(),
        **_lar_2020(),
        **_xenonnt(),
        **_xenonnt_b8(),
        **germanium_checks(),
        **literature_checks(),
    }


def prepare(ids: Sequence[str]) -> Shared:
    """Return what the checks of these ids share."""
    groups = {each.partition(".")[0] for each in ids}
    return Shared(
        {name: fit_strength(*arguments) for name, arguments in _FITS.items() if name.partition(".")[0] in groups},
        allowed_couplings("lmu-ltau", 1000.0) if "lmu-ltau" in groups else (),
        released_runs(_IONISATION) if "xenonnt-s2only" in groups else {},
        {
            name: fit(build_likelihood(_SCINTILLATION, model="signal-strength", changes=changes))
            for name, changes in (("all", {}), ("first", {"channels.sr2.enabled": False}))
            if "xenonnt-b8" in groups
        },
    )


def fit_strength(name: str, model: str, systematics: SignalSystematics | None) -> StrengthFit:
    """Return the fit of a shipped experiment with the strength of "signal-strength" or of "released-templates", see `build_likelihood`."""
    likelihood = build_likelihood(name, model=model, changes=_fixed(name), signal_systematics=systematics)
    best = fit(likelihood, minos=(STRENGTH,))
    joint = likelihood.at({})
    nominal = expected(joint, joint.parameters.defaults())[name]
    found = StrengthFit(load_experiment(name), nominal, best, {})
    return replace(found, errors=_count_errors(joint, found))


def _fixed(*names: str) -> dict[str, object]:
    return {path: value for path, value in _FIXED.items() if path.partition(":")[0] in names}


def _count_errors(joint: Joint, found: StrengthFit) -> dict[str, float]:
    """Return the error of each component's count: its norm's error times the change of the count with the norm."""
    name, best, counts, strength = found.experiment.name, found.best, found.counts, found.strength
    errors = {SIGNAL: abs(counts[SIGNAL] / strength.value) * (strength.error if strength.error is not None else math.nan)}
    for component in counts:
        norm = f"{name}.{component}_norm"
        if component != SIGNAL and norm in best.floating:
            shifted = joint.parameters.vector({**best.values, norm: best.values[norm] + 0.1})
            slope = (float(expected(joint, shifted)[name][component].sum()) - counts[component]) / 0.1
            errors[component] = abs(slope) * best.errors[norm]
    return errors


def _cross_sections() -> dict[str, CheckFunction]:
    found: dict[str, CheckFunction] = {}
    for name in COMPOUNDS:
        for quantity in ("mass", "t-max", "charge", "f-p", "f-n", "dsigma-dt"):
            found[f"{name}.{quantity}"] = _computed(unit_point, name, quantity)
        for flavour in ("nu-mu", "nu-e", "nubar-mu"):
            found[f"{name}.average.{flavour}"] = _computed(flux_average, name, flavour)
    return found


def _mediators() -> dict[str, CheckFunction]:
    found: dict[str, CheckFunction] = {}
    for name, masses in _LOOPS.items():
        for q in (0, 50, 100):
            found[f"loop.{name}.{q}"] = _computed(loop_function, float(q) ** 2, *masses)
    for mass in (1, 10, 20, 100):
        found[f"moment.{mass}"] = _computed(vector_contribution, 5e-4, float(mass), MUON_MASS)
    found["lmu-ltau.limit"] = _computed(first_limit, "lmu-ltau", 1.0)
    found["universal.limit"] = _computed(first_limit, "universal", 1.0)
    found["lmu-ltau.branches"] = lambda shared: Ours(len(shared.heavy))
    found["lmu-ltau.second-branch"] = lambda shared: Ours(float(np.mean(shared.heavy[-1])))
    return found


def _csi_2017() -> dict[str, CheckFunction]:
    columns = ("coincident_on", "anticoincident_on", "coincident_off", "anticoincident_off")
    found = {f"csi-2017.{column.replace('_', '-')}": _observed("csi-2017", "counts.csv", column) for column in columns}
    return {
        **found,
        "csi-2017.prompt-neutrons": _predicted("csi-2017", "prompt_neutrons"),
        "csi-2017.predicted": _predicted("csi-2017", SIGNAL),
        "csi-2017.predicted.published": _predicted("csi-2017", SIGNAL),
        "csi-2017.fitted": _fitted("csi-2017", SIGNAL),
        "csi-2017.fitted.published": _fitted("csi-2017", SIGNAL),
        "csi-2017.fitted.factorised": lambda _: fitted_signal("coherent-csi-2017", _FACTORISED),
        "csi-2017.significance.factorised": lambda _: signal_significance("coherent-csi-2017", _FACTORISED),
        "neutron-radius.csi-2017": lambda _: fit_parameter("coherent-csi-2017", "neutron-radius", "r_n"),
        "csi-2017.significance.published": lambda shared: Ours(shared.fits["csi-2017"].best.significance),
    }


def _csi_2021() -> dict[str, CheckFunction]:
    return {
        "csi-2021.coincident": _observed("csi-2021", "events.csv", "coincident"),
        "csi-2021.anticoincident": _observed("csi-2021", "events.csv", "anticoincident"),
        "csi-2021.predicted": _predicted("csi-2021", SIGNAL),
        "csi-2021.predicted.published": _predicted("csi-2021", SIGNAL),
        "csi-2021.fitted": _fitted("csi-2021", SIGNAL),
        "csi-2021.fitted.published": _fitted("csi-2021", SIGNAL),
        "csi-2021.significance": lambda shared: Ours(shared.fits["csi-2021"].best.significance),
        "csi-2021.significance.published": lambda shared: Ours(shared.fits["csi-2021"].best.significance),
        "csi-2021.nll": lambda shared: Ours(shared.fits["csi-2021"].best.nll2),
        "csi-2021.steady-state": _fitted("csi-2021", "steady_state"),
        "csi-2021.beam-neutrons": _fitted("csi-2021", "beam_neutrons"),
        "csi-2021.neutrino-neutrons": _fitted("csi-2021", "neutrino_induced_neutrons"),
        "csi-2021.fitted.shapes": _fitted("csi-2021.shapes", SIGNAL),
        "csi-2021.strength.shapes": lambda shared: shared.fits["csi-2021.shapes"].strength,
        "csi-2021.significance.shapes": lambda shared: Ours(shared.fits["csi-2021.shapes"].best.significance),
        "csi-2021.weak-mixing-angle": lambda _: fit_parameter("coherent-csi-2021", "weak-mixing-angle", "sin2_theta_w"),
        "csi-2021.cross-section": lambda _: fit_parameter("coherent-csi-2021", "cross-section", "sigma_csi"),
        "csi-2021.neutron-radius": lambda _: fit_parameter("coherent-csi-2021", "neutron-radius", "r_n"),
        **{f"csi-2021.onset.{ns}": _computed(standard_nll2, "coherent-csi-2021", "onset", ns) for ns in (50, 100, 145)},
    }


def _lar_2020() -> dict[str, CheckFunction]:
    found: dict[str, CheckFunction] = {
        "lar-2020.released.nll": lambda shared: Ours(shared.fits["lar-2020.released"].best.nll2),
        "lar-2020.predicted": _predicted("lar-2020", SIGNAL),
        "lar-2020.predicted.published": _predicted("lar-2020", SIGNAL),
        "lar-2020.energy": lambda shared: largest_deviation(shared.fits["lar-2020"], 0),
        "lar-2020.time": lambda shared: largest_deviation(shared.fits["lar-2020"], 2),
        "lar-2020.fitted": _fitted("lar-2020", SIGNAL),
        "lar-2020.significance": lambda shared: Ours(shared.fits["lar-2020"].best.significance),
        "lar-2020.fitted.shapes": _fitted("lar-2020.shapes", SIGNAL),
        "lar-2020.significance.shapes": lambda shared: Ours(shared.fits["lar-2020.shapes"].best.significance),
        "lar-2020.significance.published": lambda shared: Ours(shared.fits["lar-2020.shapes"].best.significance),
        "lar-2020.cross-section": lambda _: fit_parameter("coherent-lar-2020", "cross-section", "sigma_ar"),
    }
    components = {"cevns": SIGNAL, "prompt": "prompt_neutrons", "delayed": "delayed_neutrons", "steady-state": "steady_state"}
    for suffix in ("", ".published"):
        for name, component in components.items():
            found[f"lar-2020.released.{name}{suffix}"] = _fitted("lar-2020.released", component)
        found[f"lar-2020.released.significance{suffix}"] = lambda shared: Ours(shared.fits["lar-2020.released"].best.significance)
    return found


def _xenonnt() -> dict[str, CheckFunction]:
    found: dict[str, CheckFunction] = {}
    for name in ("sr0", "sr1", "sr2"):
        found[f"xenonnt-s2only.{name}.total"] = functools.partial(_run_total, name)
        found[f"xenonnt-s2only.{name}.bins"] = functools.partial(_run_deviation, name, slice(None, -1))
        found[f"xenonnt-s2only.{name}.last"] = functools.partial(_run_deviation, name, slice(-1, None))
    return found


def _xenonnt_b8() -> dict[str, CheckFunction]:
    found: dict[str, CheckFunction] = {
        "xenonnt-b8.predicted": lambda shared: Ours(_solar_counts(shared.solar["all"]) / shared.solar["all"].values[STRENGTH]),
        "xenonnt-b8.strength": lambda shared: with_error(shared.solar["all"], STRENGTH),
        "xenonnt-b8.flux.first": lambda shared: Ours(5.16 * shared.solar["first"].values[STRENGTH]),
        "xenonnt-b8.background.first": lambda shared: Ours(
            sum(shared.solar["first"].counts[_SCINTILLATION].totals.values()) - _solar_counts(shared.solar["first"])
        ),
    }
    for name in ("all", "first"):
        found[f"xenonnt-b8.fitted.{name}"] = lambda shared, name=name: Ours(_solar_counts(shared.solar[name]))  # type: ignore[misc]
        found[f"xenonnt-b8.significance.{name}"] = lambda shared, name=name: Ours(shared.solar[name].significance)  # type: ignore[misc]
    return found


def _solar_counts(best: Fit) -> float:
    return best.counts[_SCINTILLATION].totals[SIGNAL]


def _run_total(name: str, shared: Shared) -> Ours:
    return Ours(float(shared.runs[name].predicted.sum()), curve=shared.runs[name].curve)


def _run_deviation(name: str, bins: slice, shared: Shared) -> Ours:
    run = shared.runs[name]
    return Ours(float(np.max(np.abs(run.predicted / run.released - 1.0)[bins])))


def _computed(function: Callable[..., ArrayLike], *arguments: object) -> CheckFunction:
    return lambda _: Ours(float(np.asarray(function(*arguments))))


def _observed(fit_name: str, table: str, column: str) -> CheckFunction:
    def check(shared: Shared) -> Ours:
        experiment = shared.fits[fit_name].experiment
        return Ours(float(experiment.tables[table].on(experiment.axes, column).sum()))

    return check


def _predicted(fit_name: str, component: str) -> CheckFunction:
    return lambda shared: Ours(float(shared.fits[fit_name].nominal[component].sum()))


def _fitted(fit_name: str, component: str) -> CheckFunction:
    return lambda shared: Ours(shared.fits[fit_name].counts[component], shared.fits[fit_name].errors[component])


def allowed_couplings(model: str, mass: float) -> tuple[tuple[float, float], ...]:
    """Return the allowed couplings of a mediator of `mass` [MeV] at 90 % (one degree of freedom), CsI 2021 and LAr 2020 combined."""
    return intervals(build_likelihood(*_COMBINED, model=model, changes=_fixed(*_COMBINED)), "g", at={"mass": mass}).allowed


def first_limit(model: str, mass: float) -> float:
    """Return the upper end of the first of the `allowed_couplings`."""
    return allowed_couplings(model, mass)[0][1]


def fit_parameter(name: str, model: str, parameter: str) -> Ours:
    """Return the best value of a model's parameter for one experiment, with the mean of its two profile errors."""
    likelihood = build_likelihood(name, model=model, changes=_fixed(name), floating=(parameter,))
    return with_error(fit(likelihood, minos=(parameter,)), parameter)


def standard_nll2(name: str, systematic: str, value: float) -> float:
    """Return -2 ln lambda of the Standard Model for one experiment with one of its systematics held."""
    return fit(build_likelihood(name, model="sm"), at={f"{name}.{systematic}": value}, minos=()).nll2


def released_runs(name: str) -> dict[str, Run]:
    """Return the signal of each channel of an experiment in the Standard Model, with the released one."""
    experiment = load_experiment(name)
    joint = build_likelihood(experiment, model="sm").at({})
    counts, found = expected(joint, joint.parameters.defaults()), {}
    for channel, part in experiment.channels.items():
        assert part.spec.released is not None
        signal = part.spec.released.signal
        released, predicted = part.tables[signal.table].on(part.axes, signal.column).ravel(), counts[part.label][SIGNAL]
        found[channel] = Run(predicted, released, binned(f"experiments/{name}/{signal.table}", part.axes[0], released, predicted))
    return found


def largest_deviation(result: StrengthFit, axis: int) -> Ours:
    """Return the largest |prediction / released template - 1| along one axis, over bins with more than 3 released counts."""
    released = result.experiment.spec.released
    if released is None:
        message = f"{result.experiment.name} has no released signal template"
        raise CevnsfitError(message)
    template = result.experiment.tables[released.signal.table].on(result.experiment.axes, released.signal.column)
    others = tuple(position for position in range(template.ndim) if position != axis)
    reference = template.sum(axis=others)
    prediction = result.nominal[SIGNAL].reshape(template.shape).sum(axis=others)
    full = reference > 3.0
    curve = binned(f"experiments/{result.experiment.name}/{released.signal.table}", result.experiment.axes[axis], reference, prediction)
    return Ours(float(np.max(np.abs(prediction[full] / reference[full] - 1.0))), curve=curve)
