"""Calls for other processes: an object that many calls share goes there once, and each call carries its name.

The sender gives each shared object a name and puts its pickled content where the receivers find it: into a file, into the memory of a cluster,
or, where it knows of neither, into every call. A receiver unpickles an object when a call first names it, and keeps those of its last calls; what
a result holds of them goes back as names. What is one object here is one object there, too.
"""

from __future__ import annotations

import io
import itertools
import pickle
import threading
from collections import deque
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from cevnsfit.core.errors import CevnsfitError, ResourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    _Namer = Callable[[io.BytesIO, Callable[[Any], str | None]], pickle.Pickler]

LAST: Final = 16
"""Calls whose shared objects a process keeps."""


class SentOnce:
    """A class of large objects that never change and that many calls carry."""

    __slots__ = ("__weakref__",)


class Sender:
    """Packs calls; it keeps the shared objects that it has sent.

    Parameters
    ----------
    put
        Puts a content, given its name, where receivers find it, and returns where that is: the path of a file, or the content itself.
    pickler
        Class of the pickler.
    """

    def __init__(self, put: Callable[[str, bytes], Any], pickler: type[pickle.Pickler] = pickle.Pickler) -> None:
        self._put, self._pickler = put, _naming(pickler)
        self._sent: dict[int, tuple[SentOnce, str, Mapping[str, Any]]] = {}

    def packed(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> tuple[Any, ...]:
        """Return the arguments of `run_packed` that run a call: its content, the names of what it shares, and where each of these is.

        Raises
        ------
        CevnsfitError
            If an argument cannot be pickled.
        """
        try:
            content, places = self._pickled((function, arguments, options))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            message = f"a likelihood built by hand can go to workers only if it can be pickled ({error})"
            raise CevnsfitError(message) from None
        return (content, tuple(places), *places.values())

    def _pickled(self, item: Any) -> tuple[bytes, dict[str, Any]]:
        """Return an object without those that it shares, and the places of these by name."""
        places = dict[str, Any]()

        def name_of(one: Any) -> str | None:
            if not isinstance(one, SentOnce) or one is item:
                return None
            name, needed = self._name(one)
            places.update(needed)
            return name

        return _pickled(item, name_of, self._pickler), places

    def _name(self, one: SentOnce) -> tuple[str, Mapping[str, Any]]:
        """Return the name of a shared object, and the places of all that it needs, itself included."""
        if id(one) not in self._sent:
            content, places = self._pickled(one)
            name = f"{next(_numbers)}-{_digest(content)}"
            self._sent[id(one)] = (one, name, {**places, name: self._put(name, content)})
            _mine[name] = one
        return self._sent[id(one)][1:]


def _naming(pickler: type[pickle.Pickler]) -> _Namer:
    """Return the class of a pickler that has names from a function; in Python 3.13.0 an object of another class takes none."""

    class Naming(pickler):  # type: ignore[valid-type, misc]
        def __init__(self, buffer: io.BytesIO, name_of: Callable[[Any], str | None]) -> None:
            super().__init__(buffer, pickle.HIGHEST_PROTOCOL)
            self.name_of = name_of

        def persistent_id(self, one: Any) -> str | None:
            return self.name_of(one)

    return Naming


_USUAL: Final = _naming(pickle.Pickler)


def _pickled(item: Any, name_of: Callable[[Any], str | None], pickler: _Namer = _USUAL) -> bytes:
    buffer = io.BytesIO()
    pickler(buffer, name_of).dump(item)
    return buffer.getvalue()


class _Unpickler(pickle.Unpickler):
    """An unpickler that has objects by their names from a function."""

    def __init__(self, content: bytes, named: Callable[[str], Any]) -> None:
        super().__init__(io.BytesIO(content))
        self.named = named

    def persistent_load(self, name: str) -> Any:
        return self.named(name)


def _unpickled(content: bytes, named: Callable[[str], Any]) -> Any:
    return _Unpickler(content, named).load()


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def run_packed(content: bytes, names: Sequence[str], /, *places: str | bytes) -> Any:
    """Return what a packed call returns.

    Raises
    ------
    ResourceError
        If a shared object is no longer there, or damaged.
    CevnsfitError
        If this process does not know a function or class of the call.
    """
    with _lock:  # two threads would make two of one object
        opener = _Opener(dict(zip(names, places, strict=True)))
        try:
            function, arguments, options = _unpickled(content, opener.named)
        except (ImportError, AttributeError) as error:
            message = f"a worker cannot load what it was sent ({error}); functions of your own must be in a module that workers can import"
            raise CevnsfitError(message) from None
        _last.append(opener.found)
    return function(*arguments, **options)


def answer_packed(content: bytes, names: Sequence[str], /, *places: str | bytes) -> Any:
    """Return what a packed call returns; to another process it goes with the names of what came from there."""
    result = run_packed(content, names, *places)
    if not names or names[0] in _mine:
        return result
    known = {id(_alive.get(name)): name for name in names}
    return _Answer(_pickled(result, lambda one: known.get(id(one)) if isinstance(one, SentOnce) else None))


class _Answer:
    """A result on its way: it becomes itself where it is unpickled."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self.content, _named_here)


def _named_here(name: str) -> SentOnce:
    return _mine[name]


class _Opener:
    """Opens contents; `found` are the shared objects that they name."""

    def __init__(self, places: Mapping[str, str | bytes]) -> None:
        self.places, self.found = places, dict[str, SentOnce]()

    def named(self, name: str) -> SentOnce:
        if name not in self.found:
            known = _alive.get(name)
            self.found[name] = _alive[name] = _unpickled(_content(name, self.places[name]), self.named) if known is None else known
        return self.found[name]


_numbers = itertools.count()
_mine: WeakValueDictionary[str, SentOnce] = WeakValueDictionary()
_lock = threading.Lock()
_alive: WeakValueDictionary[str, SentOnce] = WeakValueDictionary()
_last: deque[Mapping[str, SentOnce]] = deque(maxlen=LAST)


def _content(name: str, place: str | bytes) -> bytes:
    """Return a content, read where it is in a file; ResourceError unless it is that of its name."""
    try:
        content = place if isinstance(place, bytes) else Path(place).read_bytes()
    except OSError as error:
        message = (
            f"{error.filename}, which worker processes need, cannot be read ({error.strerror}); are temporary files removed meanwhile?"
        )
        raise ResourceError(message) from error
    if not name.endswith(_digest(content)):
        where = place if isinstance(place, str) else "what worker processes share"
        message = f"{where} is damaged; run the same command again"
        raise ResourceError(message)
    return content
