"""Where loops over points and toys run: this process, processes of this machine, or a Dask cluster.

BLAS has one thread in each process, so that the numbers do not depend on where they are made.
"""

from __future__ import annotations

import atexit
import functools
import gc
import logging
import multiprocessing
import multiprocessing.connection
import os
import pickle
import shutil
import signal
import sys
import tempfile
import threading
import warnings
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cevnsfit.core.errors import CevnsfitError, DomainError, KindError, ResourceError
from cevnsfit.core.extras import optional
from cevnsfit.core.parcels import Sender, answer_packed
from cevnsfit.core.threads import one_thread
from cevnsfit.core.version import UNKNOWN, VERSION, other_versions, package_versions
from cevnsfit.infer.runner import IN_FLIGHT, Call, Runner, every

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from distributed import Client

    Progress = Callable[[int, int], None]
    Workers = int | str | Executor | None

_CONNECT: Final = "10 s"
"""How long the scheduler of a Dask cluster may take to answer."""

_KEPT: Final = "finished work is kept if there is an output folder: run the same command again to resume"

_JOBS: Final = 64
"""Processes that any machine may be asked for."""

_FEW: Final = 4
"""Processes of which this one is one and makes calls, too; where they are more, it only hands them out: one of many gains little, and they wait for it."""

_BUSY: Final = 128
"""Calls in flight for up to 32 processes that this one does not help: what is begun is finished before more begins."""

_GRACE: Final = 1.0
"""Seconds that a process whose end is asked for waits for that of its parent, which may still write."""

_ROOT: Final = "cevnsfit"
"""The logger of all modules."""

_versions = functools.cache(package_versions)

_log = logging.getLogger(__name__)


@contextmanager
def workers(jobs: int, dask: str | None = None) -> Iterator[Executor | None]:
    """Yield an executor, or None for work in this process; BLAS runs on one thread in every process, this one included.

    Parameters
    ----------
    jobs
        Processes of this machine.
    dask
        Address of a Dask scheduler ("tcp://host:8786") or path of its scheduler file; then `jobs` is 1.

    Raises
    ------
    DomainError
        If `jobs` is less than 1, or both are asked for.
    CevnsfitError
        If there is no such scheduler, or workers die.
    """
    most = max(_JOBS, 4 * (os.cpu_count() or 1))
    if not 1 <= jobs <= most:
        message = f"the number of jobs must be at least 1, and at most {most} on this machine, got {jobs}"
        raise DomainError(message)
    if dask is not None and jobs > 1:
        message = "choose either --jobs or --dask: a Dask cluster brings its own workers"
        raise DomainError(message)
    with one_thread(), ExitStack() as stack:
        executor = None
        if dask is not None:
            executor = stack.enter_context(_cluster(dask))
        elif jobs > 1:
            executor = stack.enter_context(_processes(jobs))
        yield executor


@contextmanager
def executing(where: Workers) -> Iterator[Executor | None]:
    """Yield the executor of a number of processes, of a Dask cluster, the one that is given, or None for this process; see `workers`."""
    if isinstance(where, Executor):
        with one_thread(), ExitStack() as stack:
            if isinstance(where, ProcessPoolExecutor):
                where = Posting(where, functools.partial(_written, stack.enter_context(_folder())))
            yield where if isinstance(where, (Posting, ThreadPoolExecutor)) else Posting(where, _enclosed)
        return
    jobs: Any = 1 if where is None or isinstance(where, str) else where
    if not isinstance(jobs, int):
        message = f"workers are a number of processes, the address of a Dask scheduler, or an executor, not {where!r}"
        raise KindError(message)
    with workers(jobs, where if isinstance(where, str) else None) as executor:
        yield executor


def results(
    executor: Executor | None, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], tell: Progress | None = None
) -> list[Any]:
    """Return what a function returns for each tuple of arguments, in their order.

    Parameters
    ----------
    executor
        Where the calls run; this process for None.
    function, tasks
        The function, and the arguments of each call.
    tell
        Called with (finished, all) calls.
    """
    return Runner(executor, progress=tell)(every([Call(function, task) for task in tasks]))


@contextmanager
def _processes(jobs: int) -> Iterator[Executor]:
    context, helps = multiprocessing.get_context("spawn"), jobs <= _FEW
    others = jobs - helps
    records = context.Queue()
    level = logging.getLogger(_ROOT).getEffectiveLevel()
    with (
        _handed_on(records),
        _folder() as folder,
        ProcessPoolExecutor(
            others, mp_context=context, initializer=prepare_worker, initargs=(records, level, folder, gc.get_threshold())
        ) as executor,
    ):
        starting: list[Future[None]] = []
        try:
            # processes start with their first call: while they do, this one reads the experiments
            with _without_script(), _interrupts_held():
                starting += [executor.submit(get_ready) for _ in range(others)]
            yield Posting(executor, functools.partial(_written, folder), in_flight=max(_BUSY, 4 * jobs), others=others * helps)
        except BrokenExecutor:
            message = f"a worker process died (out of memory? ask for fewer of them); {_KEPT}"
            raise ResourceError(message) from None
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            wait(starting)  # a process that starts would report that nobody is there
            raise


@contextmanager
def _without_script() -> Iterator[None]:
    """Hide the file of the running script from the processes that start, which would run it once more each."""
    main = vars(sys.modules["__main__"])
    known = {name: main.get(name) for name in ("__file__", "__spec__")}
    main.update(dict.fromkeys(known))
    try:
        yield
    finally:
        main.update(known)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold interrupts back, where the system can: processes that start meanwhile never get one, which they would report with what they load."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _handed_on(records: Any) -> Iterator[None]:
    """Let the loggers of this process have the records of others."""
    here = logging.Handler()
    here.emit = lambda record: logging.getLogger(record.name).handle(record)  # type: ignore[method-assign]
    listener = QueueListener(records, here)
    listener.start()
    try:
        yield
    finally:
        listener.stop()


def prepare_worker(records: Any, level: int, folder: Path, collecting: tuple[int, int, int]) -> None:
    """Set one BLAS thread in this process, leave interrupts and what is logged to the parent, and end with it, and its folder, when it is killed.

    Garbage is looked for as often as there, and not at the end: to take a process apart takes 0.2 s.
    """
    gc.set_threshold(*collecting)
    atexit.register(os._exit, 0)
    logger = logging.getLogger(_ROOT)
    logger.addHandler(QueueHandler(records))
    logger.setLevel(level)
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: _end_with_parent(folder, _GRACE))
    limit_threads()


def get_ready() -> None:
    """Load what most calls need."""
    import cevnsfit.infer.boundaries
    import cevnsfit.studies.setup  # noqa: F401


def _end_with_parent(folder: Path, patience: float | None = None) -> None:
    """Wait for the parent's end, remove its folder, and end this process: the queue it waits on would never close."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel], patience)
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)


def limit_threads() -> None:
    """Set one BLAS thread in this process, in that of scipy too: a library that is loaded later would not know."""
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


class Posting(Executor):
    """An executor to which what many calls share goes once (see `core.parcels`); `in_flight` and `others` are for the runner."""

    def __init__(
        self,
        inner: Executor,
        put: Callable[[str, bytes], Any],
        pickler: type[pickle.Pickler] = pickle.Pickler,
        in_flight: int = IN_FLIGHT,
        others: int = 0,
    ) -> None:
        self.inner, self.sender, self.in_flight, self.others = inner, Sender(put, pickler), in_flight, others

    def submit(self, function: Callable[..., Any], /, *args: object, **options: object) -> Future[Any]:
        """Return the future of a call."""
        return self.inner.submit(answer_packed, *self.sender.packed(function, *args, **options))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Do what the executor does."""
        self.inner.shutdown(wait, cancel_futures=cancel_futures)


@contextmanager
def _folder() -> Iterator[Path]:
    """Yield a temporary folder."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="cevnsfit-"))
    except OSError as error:
        raise _no_room(tempfile.gettempprefix(), error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _written(folder: Path, name: str, content: bytes) -> str:
    """Write a content to a file, and return its path."""
    path = folder / name
    try:
        path.write_bytes(content)
    except OSError as error:
        raise _no_room(path, error) from error
    return str(path)


def _no_room(path: object, error: OSError) -> ResourceError:
    return ResourceError(f"{path}, which worker processes need, cannot be written ({error.strerror}); another folder: TMPDIR; {_KEPT}")


def _enclosed(_: str, content: bytes) -> bytes:
    """Return a content: each call carries it."""
    return content


class ClusterExecutor(Executor):
    """An executor of a Dask cluster whose tasks run on one BLAS thread, with the version of cevnsfit that is here."""

    def __init__(self, inner: Executor) -> None:
        self.inner = inner

    def submit(self, function: Callable[..., Any], /, *args: object, **options: object) -> Future[Any]:
        """Return the future of a call on the cluster."""
        return self.inner.submit(on_cluster, _versions(), function, *args, **options)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Forget the calls that are not finished, or wait for them."""
        self.inner.shutdown(wait=wait and not cancel_futures)


def on_cluster(versions: Mapping[str, str], function: Callable[..., Any], /, *args: object, **options: object) -> Any:
    """Return what a function returns, on one BLAS thread; `versions` are those of the packages where the call comes from.

    Raises
    ------
    CevnsfitError
        If a package that makes numbers has another version in this process.
    """
    _require_same(versions, _versions(), "a Dask worker")
    limit_threads()
    return function(*args, **options)


def _require_same(here: Mapping[str, str], there: Mapping[str, str], where: str) -> None:
    different = other_versions(here, there)
    if different:
        message = f"{where} has packages of other versions, which make other numbers (here and there: {different}); install the same ones"
        raise CevnsfitError(message)


@contextmanager
def _cluster(where: str) -> Iterator[Executor]:
    """Yield the executor of a Dask cluster, whose workers may still be to come."""
    from concurrent.futures import CancelledError

    client = _connected(where)
    import cloudpickle
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    executor = ClusterExecutor(client.get_executor(pure=False))
    try:
        _check_versions(client, where)
        yield Posting(executor, functools.partial(_made_there, client), cloudpickle.Pickler)
    except KilledWorker as error:
        message = f"Dask workers died repeatedly at the same task ({error}); {_KEPT}"
        raise CevnsfitError(message) from None
    except (CancelledError, CommClosedError):
        message = f"the Dask scheduler {where} has disappeared; {_KEPT}"
        raise CevnsfitError(message) from None
    finally:
        executor.shutdown(wait=False)
        client.close()


def _made_there(client: Client, name: str, content: bytes) -> Any:
    """Return the future of a content on a cluster, which makes it again, from what the scheduler holds, where a worker is lost."""
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # that it is large
        return client.submit(_enclosed, name, content, pure=False)


def _check_versions(client: Client, where: str) -> None:
    """Raise CevnsfitError unless scheduler and workers have the cevnsfit, and workers the packages, that are here; those that come later check it themselves."""
    import importlib.metadata

    found = client.run(importlib.metadata.version, "cevnsfit", on_error="return")
    if not found:
        _log.warning("the Dask scheduler %s has no workers yet: waiting for them", where)
    try:
        found["scheduler"] = client.run_on_scheduler(importlib.metadata.version, "cevnsfit")
    except importlib.metadata.PackageNotFoundError as error:
        found["scheduler"] = error
    for place, version in found.items():
        known = version if isinstance(version, str) else UNKNOWN
        if known != VERSION:
            what = "no cevnsfit" if known == UNKNOWN else f"cevnsfit {known}"
            message = f"the Dask cluster has {what} at {place}; install version {VERSION} there"
            raise CevnsfitError(message)
    for place, versions in client.run(package_versions).items():
        _require_same(_versions(), versions, f"the Dask worker at {place}")


def _connected(where: str) -> Client:
    """Return a client of the scheduler.

    Raises
    ------
    CevnsfitError
        If distributed is not installed, or there is no scheduler.
    """
    distributed = optional("distributed", "dask")
    if "://" not in where and not Path(where).is_file():
        message = f"'{where}' is neither the address of a Dask scheduler (tcp://HOST:8786) nor a scheduler file"
        raise CevnsfitError(message)
    place = {"address": where} if "://" in where else {"scheduler_file": where}
    try:
        return distributed.Client(**place, timeout=_CONNECT, set_as_default=False)
    except (OSError, ValueError, KeyError) as error:
        message = f"no Dask scheduler answers at {where} ({error})"
        raise CevnsfitError(message) from None
