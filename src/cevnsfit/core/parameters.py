"""Parameters by name at the boundary, vectors inside."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np

from cevnsfit.core.documents import Document
from cevnsfit.core.errors import CevnsfitError, DomainError, KindError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

ParameterKind = Literal["polynomial", "nonlinear", "nuisance"]


@dataclass(frozen=True, slots=True)
class Scaling:
    """The factor by which a unit normal scales rates: `hi` and `lo` at +1 and -1, between and beyond them interpolation code 4, or a straight line."""

    hi: float
    lo: float
    linear: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a likelihood.

    Attributes
    ----------
    name
        Dotted name for what belongs to one experiment, plain name for what is shared.
    kind
        "polynomial": the expected counts are a polynomial in it (couplings);
        "nonlinear": a new value rebuilds the templates (mass, radius);
        "nuisance": a systematic or a background normalisation.
    default, lower, upper
        Value and closed domain, in `unit`.
    unit
        Unit of the values, as text ("1" when dimensionless).
    scale
        "log" when a scan of it is naturally logarithmic.
    constrained
        True for a unit-normal constraint term (theta - centre)^2 in -2 ln L, in the place of which another one may be given (`stats.constraints`).
    fixed
        True when it is held at its value unless someone asks for it to float (options such as the sign of a loop).
    centre
        Of the constraint: 0 for real data, elsewhere in a pseudo-experiment.
    least
        Least physical value: intervals with pseudo-experiments, CLs limits and posteriors begin there; fits and profiles may go below.
    description
        One line for people.
    latex
        Its symbol in pictures, with dollar signs; empty for one that is printed by its name.
    group
        Of the uncertainties, for a breakdown of errors; empty for none.
    scaling
        Of a unit normal that does nothing but scale rates; None where channels differ in it.
    """

    document: ClassVar[Mapping[str, str | None]] = {"scaling": None, "group": None}

    name: str
    kind: ParameterKind
    default: float
    lower: float = -math.inf
    upper: float = math.inf
    unit: str = "1"
    scale: Literal["linear", "log"] = "linear"
    constrained: bool = False
    fixed: bool = False
    description: str = ""
    least: float = -math.inf
    centre: float = 0.0
    latex: str = ""
    group: str = ""
    scaling: Scaling | None = None

    def __post_init__(self) -> None:
        kinds = get_args(ParameterKind)
        if self.kind not in kinds:
            message = f"parameter '{self.name}' has the kind '{self.kind}'; there are {', '.join(kinds)}"
            raise CevnsfitError(message)

    @property
    def null(self) -> float:
        """Return the value without signal: the least physical one of a strength, the default (no new physics) of all others."""
        return self.least if math.isfinite(self.least) else self.default

    def number(self, value: Any) -> float:
        """Return a value as a number in the domain; KindError unless it is one number, DomainError outside."""
        if isinstance(value, str) or np.ndim(value) or not hasattr(value, "__float__"):
            unit = "" if self.unit == "1" else f" in {self.unit}"
            message = f"{self.name} is one number{unit}, not {value!r}"
            raise KindError(message)
        return self.checked(float(value))

    def checked(self, value: float) -> float:
        """Return `value` when it lies in the domain.

        Raises
        ------
        DomainError
            If it is not finite or lies outside [lower, upper].
        """
        if not math.isfinite(value) or not self.lower <= value <= self.upper:
            unit = "" if self.unit == "1" else f" {self.unit}"
            message = f"{self.name} = {value:g} is outside its domain [{self.lower:g}, {self.upper:g}]{unit}"
            raise DomainError(message)
        return value


@dataclass(frozen=True, slots=True, repr=False)
class ParameterSet(Document):
    """An ordered set of parameters: the only map between names and indices."""

    parameters: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        seen: dict[str, Parameter] = {}
        for parameter in self.parameters:
            if parameter.name in seen:
                message = f"parameter '{parameter.name}' is listed twice"
                raise CevnsfitError(message)
            seen[parameter.name] = parameter

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def __contains__(self, name: object) -> bool:
        return any(parameter.name == name for parameter in self.parameters)

    def __getitem__(self, name: str) -> Parameter:
        return self.parameters[self.index(name)]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names in order."""
        return tuple(parameter.name for parameter in self.parameters)

    def index(self, name: str) -> int:
        """Return the position of `name`; UnknownNameError lists the near matches."""
        for position, parameter in enumerate(self.parameters):
            if parameter.name == name:
                return position
        raise UnknownNameError("parameter", name, self.names)

    def of_kind(self, *kinds: ParameterKind) -> ParameterSet:
        """Return the parameters of the given kinds, in the same order."""
        return ParameterSet(tuple(p for p in self.parameters if p.kind in kinds))

    def defaults(self) -> NDArray[np.float64]:
        """Return the default values, shape (n,)."""
        return np.array([parameter.default for parameter in self.parameters], dtype=np.float64)

    def domains(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the lower and the upper ends of the domains, shape (n,) each."""
        return np.array([p.lower for p in self.parameters], dtype=np.float64), np.array(
            [p.upper for p in self.parameters], dtype=np.float64
        )

    def physical(self) -> ParameterSet:
        """Return the parameters with their domains cut at the least physical values."""
        cut = (replace(p, lower=max(p.lower, p.least), default=max(p.default, p.least)) for p in self.parameters)
        return ParameterSet(tuple(cut))

    def released(self, names: Iterable[str]) -> ParameterSet:
        """Return the parameters with some floating that are held by default (`Parameter.fixed`); UnknownNameError if a name is not one of them."""
        chosen = {self.index(name) for name in names}
        return ParameterSet(tuple(replace(p, fixed=p.fixed and i not in chosen) for i, p in enumerate(self)))

    def vector(self, values: Mapping[str, float]) -> NDArray[np.float64]:
        """Return the defaults with `values` put in by name, shape (n,), each checked against its domain."""
        theta = self.defaults()
        for name, value in values.items():
            position = self.index(name)
            theta[position] = self.parameters[position].checked(float(value))
        return theta


def merge(sets: Iterable[Iterable[Parameter]]) -> ParameterSet:
    """Return the union of several sets; the same name is the same parameter, which one of them may leave without a description.

    The symbol of a parameter is that of its first definition; factors that differ are left out.

    Raises
    ------
    CevnsfitError
        If two definitions of one name differ.
    """
    merged: dict[str, Parameter] = {}
    for parameters in sets:
        for given in parameters:
            known = merged.setdefault(given.name, given)
            parameter = replace(given, latex=known.latex)
            if known.scaling != parameter.scaling:
                known, parameter = replace(known, scaling=None), replace(parameter, scaling=None)
                merged[given.name] = known
            if known == replace(parameter, description=known.description) and "" in {known.description, parameter.description}:
                merged[parameter.name] = parameter if known.description == "" else known
            elif known != parameter:
                pairs = ((f.name, getattr(known, f.name), getattr(parameter, f.name)) for f in fields(Parameter))
                differing = "; ".join(f"{name} is {one!r} and {other!r}" for name, one, other in pairs if one != other)
                message = f"parameter '{parameter.name}' is defined twice differently: {differing}"
                raise CevnsfitError(message)
    return ParameterSet(tuple(merged.values()))
