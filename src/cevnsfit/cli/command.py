"""Functions as commands: groups of options are expanded, and what a function returns is printed.

Annotations of commands and groups are read at run time: their modules do without postponed ones.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cevnsfit.cli.output import Answer, emit
from cevnsfit.core.errors import CevnsfitError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Known = Callable[[Mapping[str, Any]], Sequence[str]]
    """What a shell may complete, given the other options of the line."""


def option(names: str, text: str, metavar: str | None = None, known: Known | None = None) -> Any:
    """Return an option: its names, its help, what stands for its value there, and the values that a shell completes."""
    return typer.Option(*names.split(), metavar=metavar, help=text, autocompletion=_completion(known))


def argument(text: str, metavar: str, known: Known | None = None) -> Any:
    """Return an argument: its help, what stands for it there, and the values that a shell completes; paths by default."""
    return typer.Argument(metavar=metavar, help=text, autocompletion=_completion(known))


def _completion(known: Known | None) -> Callable[[typer.Context, str], list[str]] | None:
    if known is None:
        return None

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        logging.getLogger("cevnsfit").addHandler(logging.NullHandler())  # a terminal in which a name is typed has no room for warnings
        try:
            return [name for name in known(ctx.params) if name.startswith(incomplete)]
        except CevnsfitError:
            return []

    return complete


def command(order: str | None = None) -> Callable[[Callable[..., Answer | None]], Callable[..., None]]:
    """Return the decorator that makes a command, with --json, of a function that returns an answer.

    A parameter of the function that is a dataclass is a group of options: each field is an option, and the function is handed one object.

    Parameters
    ----------
    order
        The names of all options, in the order of the help; fields of groups that are not among them keep their defaults.
        Without it, all options, those of a group where its parameter stands.
    """

    def decorate(function: Callable[..., Answer | None]) -> Callable[..., None]:
        own = signature(function).parameters
        options: dict[str, Parameter] = {}
        for parameter in own.values():
            options |= _options(parameter)
        shown = [options[name] for name in (options if order is None else order.split())]

        @functools.wraps(function)
        def run(*, as_json: bool, **values: Any) -> None:
            answer = function(**{name: _argument(parameter, values) for name, parameter in own.items()})
            if answer is not None:
                emit(answer, as_json=as_json)

        vars(run)["__signature__"] = Signature([*shown, Parameter("as_json", Parameter.KEYWORD_ONLY, default=False, annotation=_JSON)])
        return run

    return decorate


_JSON: Final = Annotated[bool, option("--json", "Print JSON.")]


def _group(parameter: Parameter) -> type[Any] | None:
    kind = parameter.annotation
    return kind if isinstance(kind, type) and dataclasses.is_dataclass(kind) else None


def _options(parameter: Parameter) -> dict[str, Parameter]:
    """Return the options of a parameter: itself, or the fields of a group; a field without a default is required."""
    group = _group(parameter)
    if group is None:
        return {parameter.name: parameter.replace(kind=Parameter.KEYWORD_ONLY)}
    return {
        field.name: Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is dataclasses.MISSING else field.default,
            annotation=field.type,
        )
        for field in dataclasses.fields(group)
    }


def _argument(parameter: Parameter, values: Mapping[str, Any]) -> Any:
    """Return what a parameter of the function gets: its value, or the group with those of its fields that are options."""
    group = _group(parameter)
    if group is None:
        return values[parameter.name]
    return group(**{field.name: values[field.name] for field in dataclasses.fields(group) if field.name in values})
