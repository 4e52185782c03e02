"""Results as plain values, and JSON files of them; strangers' files are data, their size is bounded.

The keys of a result follow from its fields. What differs is declared at its class, in `document`, a mapping of keys to attributes:

- a field or a property under another name, also that of a part ("valid": "fit.valid");
- None: the field of this name is left out. A field that is shown under another name is not shown under its own;
- `keys_of(Part, "field")`: the keys of a part as those of the whole.

What a base class declares holds for those that inherit from it.

A class that is a `Document` shows the same keys as text and as HTML, each value on one line, however large it is.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Final

from cevnsfit.core.errors import ResultError
from cevnsfit.core.words import visible

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES: Final = 500_000_000
"""Largest document that is read, unless a smaller bound is given."""

_WIDTH: Final = 100
_LINES: Final = 22
_ROOM: Final = 72
_ROOM_HTML: Final = 400
_SMALL: Final = 6


class Document:
    """What is seen of a value with keys: `to_dict`, text of at most one screen, and a table in notebooks.

    A dataclass that is one is declared with `repr=False`.
    """

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `--json` prints."""
        values: dict[str, Any] = plain(self)
        return values

    def __repr__(self) -> str:
        name, texts = type(self).__name__, {key: brief(value) for key, value in _shown(self).items()}
        line = f"{name}({', '.join(f'{key}={text}' for key, text in texts.items())})"
        if len(line) <= _WIDTH:
            return line
        width = max(map(len, texts))
        lines = [f"  {key:{width}}  {text}" for key, text in texts.items()]
        return "\n".join([name, *lines[:_LINES], *([f"  ... {len(lines) - _LINES} more"] if len(lines) > _LINES else [])])

    def _repr_html_(self) -> str:
        return f"<table><caption>{escape(type(self).__name__)}</caption>{_html_rows(self.to_dict())}</table>"


def brief(value: object, room: int = _ROOM) -> str:
    """Return a value as one line of at most `room` characters: of a long one the beginning, and how much is left out; of things in a list their names.

    Examples
    --------
    >>> brief({"g": 5e-4, "fluxes": range(3), "name": "CsI"}), brief(list(range(100)), room=20)
    ('{g: 0.0005, fluxes: range(0, 3), name: CsI}', '[0, 1, ... 98 more]')
    """
    text = visible(" ".join(_text(value, room).split()))
    return text if len(text) <= room else f"{text[: room - 3]}..."


def _text(value: object, room: int) -> str:
    shape = getattr(value, "shape", ())
    if math.prod(shape) > _SMALL:
        return f"array of {' x '.join(map(str, shape))}"
    if _has_keys(value):
        value = _shown(value)
    if isinstance(value, Mapping):
        return f"{{{_listed((f'{key}: {_text(item, room)}' for key, item in value.items()), len(value), room - 2)}}}"
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{_listed((_text(item.name if hasattr(item, 'name') and _has_keys(item) else item, room) for item in value), len(value), room - 2)}]"
    if shape:
        return _text(value.tolist(), room)  # type: ignore[attr-defined]
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _listed(texts: Iterable[str], number: int, room: int) -> str:
    """Return the first of some texts that fit, and how many more there are."""
    line, told = "", 0
    for text in texts:
        longer = f"{line}, {text}" if told else text
        rest = 0 if told + 1 == number else len(f", ... {number - told - 1} more")
        if len(longer) + rest > room and told:
            return f"{line}, ... {number - told} more"
        line, told = longer, told + 1
    return line


def _html_rows(values: Mapping[str, Any]) -> str:
    return "".join(f"<tr><th>{escape(str(key))}</th><td>{_html_cell(value)}</td></tr>" for key, value in values.items())


def _html_cell(value: object) -> str:
    if isinstance(value, Mapping) and any(isinstance(item, Mapping) for item in value.values()):
        return f"<table>{_html_rows(value)}</table>"
    return escape(brief(value, _ROOM_HTML))


def plain(value: object) -> Any:
    """Return a value as JSON knows it.

    Results become objects of their keys, arrays nested lists, other things (paths) text, and numbers that are not finite None.
    """
    if _has_keys(value):
        return {key: plain(item) for key, item in _shown(value).items()}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _has_keys(value: object) -> bool:
    return hasattr(value, "document") or (dataclasses.is_dataclass(value) and not isinstance(value, type))


def _shown(value: object) -> dict[str, Any]:
    """Return the values of a result behind its keys."""
    return {key: attrgetter(path)(value) for key, path in keys_of(type(value)).items()}


def keys_of(kind: type[Any], part: str = "") -> dict[str, str]:
    """Return the attribute behind each key of a result; `part` is the attribute of another result that shows these keys as its own."""
    declared: dict[str, str | None] = {}
    for base in reversed(kind.__mro__):
        declared |= vars(base).get("document", {})
    fields = [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else kind._fields
    keys = {name: name for name in fields if name not in {*declared, *declared.values()}}
    keys |= {key: path for key, path in declared.items() if path is not None}
    return {key: f"{part}.{path}" if part else path for key, path in keys.items()}


@dataclasses.dataclass(frozen=True, slots=True)
class About:
    """What a result is about.

    Attributes
    ----------
    experiments
        Names of the experiments.
    model, lagrangian
        The signal model; empty for a likelihood that was built by hand.
    caveat
        What the prediction leaves out, or an empty string.
    constraints
        External constraints and correlations, in words.
    printed
        How parameters, experiments, the model and its Lagrangian are printed in pictures, by what they are called elsewhere.
    held
        Name, value and unit of each parameter that was asked to be held, and of masses and the like that are held by default.
    """

    document: ClassVar[Mapping[str, str | None]] = {"printed": None, "held": None}

    experiments: tuple[str, ...] = ()
    model: str = ""
    lagrangian: str = ""
    caveat: str = ""
    constraints: tuple[str, ...] = ()
    printed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    held: tuple[tuple[str, float, str], ...] = ()

    @property
    def label(self) -> str:
        """Return the experiments, joined with " + "."""
        return " + ".join(self.experiments)

    @property
    def given(self) -> str:
        """Return the constraints as short as a caption needs them."""
        return ", ".join(re.split(",| times", text)[0].replace("+-", "\u00b1") for text in self.constraints)

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what stands under every table and above all numbers in a file: the model and its Lagrangian, held parameters, constraints, the caveat."""
        model = "; ".join(filter(None, (self.model, self.lagrangian)))
        held = ", ".join(f"{name} = {value:.10g} {'' if unit == '1' else unit}".rstrip() for name, value, unit in self.held)
        given = [("constraint", text) for text in self.constraints]
        return tuple(f"{key}: {text}" for key, text in (("model", model), ("held", held), *given, ("caveat", self.caveat)) if text)


def in_common(abouts: Sequence[About]) -> tuple[About, ...]:
    """Return what several results are about, with the held parameters that they have in common."""
    held = [one for one in abouts[0].held if all(one in other.held for other in abouts)] if abouts else []
    return tuple(dataclasses.replace(one, held=tuple(held)) for one in abouts)


def notes_of_all(abouts: Sequence[About]) -> tuple[str, ...]:
    """Return the notes of several results, each text once."""
    return tuple(dict.fromkeys(note for one in in_common(abouts) for note in one.notes))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class Result(Document):
    """A result that knows what it is about, which verbs tell it."""

    document: ClassVar[Mapping[str, str | None]] = {**keys_of(About, "about"), "about": None}

    about: About = About()

    @property
    def doubt(self) -> str:
        """Return why the result cannot be trusted or is incomplete; empty where there is no doubt."""
        return ""


def write_document(path: Path, values: object, *, indent: int | None = None) -> Path:
    """Write plain values as a JSON file, make the folder where it is missing, and return the path.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=indent, allow_nan=False) + "\n", encoding="utf-8")
    return path


def read_document(path: Path, largest: int = MAX_BYTES) -> dict[str, Any]:
    """Return a JSON object.

    Raises
    ------
    ResultError
        If the file is missing, larger than `largest` bytes, not JSON, or not an object.
    """
    try:
        if not path.is_file():
            message = f"{path}: no such file"
            raise ResultError(message)
        if path.stat().st_size > largest:
            message = f"{path}: larger than {largest} bytes"
            raise ResultError(message)
        values = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except (OSError, ValueError, RecursionError) as error:
        message = f"{path}: not readable as JSON ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        raise ResultError(message) from None
    if not isinstance(values, dict):
        message = f"{path}: expected a JSON object"
        raise ResultError(message)
    return values


def _refuse(constant: str) -> float:
    message = f"{constant} is not a number in JSON"
    raise ValueError(message)
