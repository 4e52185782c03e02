"""What is analysed, as plain values: the one description that files, the command line, Python, worker processes and stores share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, get_args

from cevnsfit.core.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

SignalSystematics = Literal["profile", "shapes", "hold"]
"""What is done with the signal's systematics: all profiled, shapes profiled and rates held, all held."""

TREATMENTS: Final = get_args(SignalSystematics)

LIGHT_MEDIATOR: Final = ("mass=1:1000:60:log", "g=1e-5:1e-1:120:log")
"""The grid of a light mediator."""


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
        )


def _pairs(values: Any) -> Any:
    """Return (name, value) pairs of a mapping, or of pairs."""
    return values.items() if hasattr(values, "items") else values
