"""What is analysed, as plain values: the one description that files, the command line, Python, worker processes and stores share."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, get_args

from cevnsfit.core.errors import CevnsfitError, DomainError, UnknownNameError
from cevnsfit.core.units import UnitError, parse, split

if TYPE_CHECKING:
    from collections.abc import Collection

SignalSystematics = Literal["profile", "shapes", "hold"]
"""What is done with the signal's systematics: all profiled, shapes profiled and rates held, all held."""

TREATMENTS: Final = get_args(SignalSystematics)

LIGHT_MEDIATOR: Final = ("mass=1:1000:60:log", "g=1e-5:1e-1:120:log")
"""The grid of a light mediator."""


_PLUS_MINUS: Final = re.compile(r"\+\s*/?\s*-|\u00b1")
"""What is between a value and its error."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """An external measurement of a parameter, in the place of the constraint that it has.

    Attributes
    ----------
    name
        The parameter.
    value, error
        The measured value, with its standard error: of a normalisation a factor on what is nominal, of another unit normal in standard
        deviations, of any other parameter in `unit`.
    unit
        Unit of both; empty for that of the parameter.
    source
        Where it was measured, in words.
    """

    name: str
    value: float
    error: float
    unit: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and 0.0 < self.error < math.inf):
            message = f"the constraint of {self.name} needs a finite value and an error above 0, got {self.value:g} +- {self.error:g}"
            raise DomainError(message)

    def __str__(self) -> str:
        return f"{self.name} = {self.value:g} +- {self.error:g}{f' {self.unit}' if self.unit else ''}"

    @classmethod
    def of(cls, name: str, given: object) -> Constraint:
        """Return the constraint of a text "0.95 +- 0.03", a pair (0.95, 0.03), or a mapping with `value`, `error` and perhaps `source`.

        Raises
        ------
        CevnsfitError
            If it is none of these, an error is not above 0, or the units of value and error do not go together.
        """
        source, parts = "", tuple[Any, ...]()
        if isinstance(given, Mapping) and {"value", "error"} <= {*given} <= {"value", "error", "source"}:
            source, parts = str(given.get("source", "")), (given["value"], given["error"])
        elif isinstance(given, str):
            parts = tuple(_PLUS_MINUS.split(given))
        elif isinstance(given, tuple | list):
            parts = tuple(given)
        try:
            (value, own), (error, other) = map(split, map(str, parts))
        except (ValueError, UnitError):
            text = f"{name}={given}" if isinstance(given, str) else f"{name}: {given!r}"
            message = f"the constraint {text} should read VALUE +- ERROR, for example {name}=0.95+-0.03"
            raise CevnsfitError(message) from None
        unit = own if own else other
        try:
            error = parse(f"{error!r} {other}", unit) if other not in {"", unit} else error
        except UnitError as wrong:
            message = f"the error of the constraint of {name}: {wrong}"
            raise CevnsfitError(message) from None
        return cls(name, value, error, unit, source)


@dataclass(frozen=True, slots=True)
class Correlation:
    """The correlation of the constraints of two parameters.

    Attributes
    ----------
    first, second
        The parameters.
    value
        Between -1 and 1, both excluded.
    """

    first: str
    second: str
    value: float

    def __post_init__(self) -> None:
        if self.first == self.second or not -1.0 < self.value < 1.0:
            message = f"a correlation is one of two parameters, above -1 and below 1, got {self}"
            raise DomainError(message)

    def __str__(self) -> str:
        return f"{self.first},{self.second} = {self.value:g}"


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything that defines a likelihood and what is held in it, hashable and in plain values.

    Attributes
    ----------
    experiments
        Shipped names or folders.
    model
        Name of the signal model.
    overrides
        Fields of experiment.yaml to change, as (dotted path, text) pairs: "EXP:path" in one experiment, "path" in those that have the field.
    signal_systematics
        See `model.build.likelihood_of`; None for the model's default.
    allow_overlap
        Combine experiments even if they share events.
    electrons
        Add neutrino-electron scattering.
    floating
        Parameters that float although they are held by default.
    at
        Parameters that are held at other values than their defaults, as (name, value) pairs.
    constraints, correlations
        External measurements of parameters, and correlations of constraints.
    """

    document: ClassVar[Mapping[str, str]] = {"at": "held"}

    experiments: tuple[str, ...]
    model: str
    overrides: tuple[tuple[str, str], ...] = ()
    signal_systematics: SignalSystematics | None = None
    allow_overlap: bool = False
    electrons: bool = False
    floating: tuple[str, ...] = ()
    at: tuple[tuple[str, float], ...] = ()
    constraints: tuple[Constraint, ...] = ()
    correlations: tuple[Correlation, ...] = ()

    def __post_init__(self) -> None:
        if self.signal_systematics is not None and self.signal_systematics not in TREATMENTS:
            kind = "treatment of the signal's systematics"
            raise UnknownNameError(kind, self.signal_systematics, TREATMENTS)

    @property
    def held(self) -> dict[str, float]:
        """Return the held parameters by name."""
        return dict(self.at)

    def holding(self, at: Mapping[str, float] | None) -> Analysis:
        """Return the analysis with these parameters held and no others; itself for None."""
        return self if at is None else replace(self, at=tuple((name, float(value)) for name, value in at.items()))

    @property
    def measured(self) -> tuple[str, ...]:
        """Return the parameters of its constraints and correlations."""
        pairs = (name for one in self.correlations for name in (one.first, one.second))
        return tuple(dict.fromkeys([*(one.name for one in self.constraints), *pairs]))

    def within(self, names: Collection[str]) -> Analysis:
        """Return the analysis with those of its constraints and correlations that are of these parameters alone."""
        constraints = tuple(one for one in self.constraints if one.name in names)
        correlations = tuple(one for one in self.correlations if {one.first, one.second} <= {*names})
        return replace(self, constraints=constraints, correlations=correlations)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Analysis:
        """Return the analysis of plain values, as `core.documents.plain` gives them; options that are not there have their defaults.

        Raises
        ------
        KeyError, TypeError, ValueError
            If an option is missing or is not of its kind.
        """
        treatment = values.get("signal_systematics")
        if treatment is not None and treatment not in TREATMENTS:
            message = f"signal_systematics is one of {', '.join(TREATMENTS)}, got {treatment!r}"
            raise ValueError(message)
        return cls(
            experiments=tuple(str(name) for name in values["experiments"]),
            model=str(values["model"]),
            overrides=tuple((str(path), str(value)) for path, value in _pairs(values.get("overrides", ()))),
            signal_systematics=treatment,
            allow_overlap=bool(values.get("allow_overlap", False)),
            electrons=bool(values.get("electrons", False)),
            floating=tuple(str(name) for name in values.get("floating", ())),
            at=tuple((str(name), float(value)) for name, value in _pairs(values.get("at", ()))),
            constraints=tuple(Constraint(**one) for one in values.get("constraints", ())),
            correlations=tuple(Correlation(**one) for one in values.get("correlations", ())),
        )


def _pairs(values: Any) -> Any:
    """Return (name, value) pairs of a mapping, or of pairs."""
    return values.items() if hasattr(values, "items") else values
