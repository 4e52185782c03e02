"""Entry points of other packages: one that is broken is named, and hurts only who asks for it."""

from __future__ import annotations

import logging
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from typing import TYPE_CHECKING, Any, TypeVar

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.version import distribution_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_log = logging.getLogger(__name__)

T = TypeVar("T")


def plugins(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name; packages whose entry points cannot be read are left out with a warning."""
    try:
        found = [*entry_points(group=group)]
    except Exception:  # noqa: BLE001 (any package of this machine may have written anything)
        found = [point for package in reversed([*distributions()]) for point in _points(package, group)]
    return {point.name: point for point in found}


def _points(package: Distribution, group: str) -> Iterable[EntryPoint]:
    try:
        return package.entry_points.select(group=group)
    except Exception as error:  # noqa: BLE001
        _log.warning(
            "the plug-ins of a package are left out: its entry points cannot be read (%s in %s)",
            error,
            getattr(package, "_path", "a package without a name"),
        )
        return ()


def given(point: EntryPoint, kind: type[T], what: str, made: Callable[[Any], object] = lambda found: found) -> T:
    """Return what a plug-in gives.

    Parameters
    ----------
    point
        Its entry point.
    kind, what
        The class of what it should give, and that in words.
    made
        What is done with what the entry point names.

    Raises
    ------
    CevnsfitError
        If that cannot be imported, raises anything at all, or is of another class.
    """
    name = f"the plug-in '{point.name}' ({point.value}, {distribution_of(point)})"
    try:
        found = made(point.load())
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        message = f"{name} cannot be loaded: {type(error).__name__}: {error}"
        raise CevnsfitError(message) from error
    if not isinstance(found, kind):
        message = f"{name} should give {what}, it gives {found!r:.100}"
        raise CevnsfitError(message)
    return found


def usable(names: Iterable[str], load: Callable[[str], T], origin: Callable[[str], str]) -> list[T]:
    """Return what `load` makes of names; those of plug-ins that raise CevnsfitError are left out with a warning.

    Parameters
    ----------
    names
        The names.
    load
        Returns what has a name.
    origin
        Returns the distribution of a plug-in by its name, an empty text for what is shipped.
    """
    found = []
    for name in names:
        try:
            found.append(load(name))
        except CevnsfitError as error:
            package = origin(name)
            if not package:
                raise
            _log.warning("%s of %s is left out: %s", name, package, error)
    return found
