"""BLAS runs on one thread inside every verb, and as before after it."""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.linalg  # noqa: F401 (its BLAS is seen from the start)
from threadpoolctl import threadpool_info, threadpool_limits

import cevnsfit as cf
from cevnsfit.core.threads import on_one_thread, one_thread
from cevnsfit.stats.likelihood import Likelihood

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VERBS = (
    "infer.fit:fit", "infer.intervals:intervals", "model.build:likelihood_of", "studies.agreement:compatibility",
    "studies.agreement:goodness", "studies.agreement:impacts", "studies.agreement:signal_strengths", "studies.analysis:run_study",
    "studies.coverage:coverage", "studies.critical_values:critical_values", "studies.exclusion:regions_of", "studies.export:export", "studies.export_likelihood:hs3",
    "studies.export_likelihood:simplified", "studies.export_likelihood:workspaces", "studies.fitting:fit", "studies.forecast:forecast",
    "studies.limits:intervals", "studies.limits:significance", "studies.posterior:posterior",
    "studies.rates:rates", "studies.scan:scan", "studies.scan:scans", "studies.scan:stored_scans", "studies.setup:build_likelihood",
    "studies.susy:hierarchy_limits", "studies.susy:susy_scan", "studies.toy_regions:region",
)  # fmt: skip


def blas_threads() -> set[int]:
    return {entry["num_threads"] for entry in threadpool_info() if entry["user_api"] == "blas"}


@pytest.fixture
def two_threads() -> Iterator[None]:
    with threadpool_limits(2, user_api="blas"):
        if blas_threads() != {2}:
            pytest.skip("this BLAS has no threads")
        yield


class Probe:
    """An argument that tells, when it is first looked at, how many threads BLAS has."""

    def __getattr__(self, name: str) -> object:
        raise Looked(blas_threads())

    def __iter__(self) -> Iterator[object]:
        raise Looked(blas_threads())

    def __fspath__(self) -> str:
        raise Looked(blas_threads())

    __len__ = __getitem__ = __index__ = __fspath__

    def __truediv__(self, other: object) -> object:
        raise Looked(blas_threads())

    __floordiv__ = __rfloordiv__ = __gt__ = __lt__ = __ge__ = __le__ = __mul__ = __truediv__


class LikelihoodProbe(Probe, Likelihood):
    """A probe for what verbs take as their first argument."""

    def __init__(self) -> None: ...


class Looked(Exception):  # noqa: N818
    """Carries the number of threads out of a verb."""


def arguments(verb: Callable[..., object]) -> tuple[list[Probe], dict[str, Probe]]:
    needed = [p for place, p in enumerate(inspect.signature(verb).parameters.values()) if place == 0 or p.default is p.empty]
    grids = {"mass": Probe(), "g": Probe()} if any(p.kind is p.VAR_KEYWORD for p in needed) else {}
    places = [p.name for p in needed if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL}]
    positional = [LikelihoodProbe() if name == "likelihood" else Probe() for name in places]
    return positional, {p.name: Probe() for p in needed if p.kind is p.KEYWORD_ONLY} | grids


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("place", VERBS)
def test_every_verb_runs_on_one_thread(place: str) -> None:
    module, _, name = place.partition(":")
    verb = getattr(importlib.import_module(f"cevnsfit.{module}"), name)
    positional, named = arguments(verb)
    with pytest.raises(Looked) as seen:
        verb(*positional, **named)
    assert seen.value.args == ({1},)
    assert blas_threads() == {2}


@pytest.mark.usefixtures("two_threads")
def test_validation_runs_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def look(*_: object) -> None:
        raise Looked(blas_threads())

    monkeypatch.setattr("cevnsfit.studies.validate.read_published", look)
    with pytest.raises(Looked) as seen:
        cf.validate()
    assert seen.value.args == ({1},)


@pytest.mark.usefixtures("two_threads")
def test_contexts_nest_and_errors_put_the_number_back() -> None:
    with one_thread():
        with one_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {1}
    assert blas_threads() == {2}

    @on_one_thread
    def fail() -> None:
        message = f"{blas_threads()}"
        raise ValueError(message)

    with pytest.raises(ValueError, match=r"^\{1\}$"):
        fail()
    assert blas_threads() == {2}


def test_the_numbers_of_a_scan_do_not_depend_on_the_threads() -> None:
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            likelihood = cf.build_likelihood("coherent-csi-2021", model="universal")
            scan = cf.scan(likelihood, mass=np.geomspace(10.0, 1000.0, 3), g=np.geomspace(1e-5, 1e-2, 12))
            found.append((scan.plane.nll2, scan.contour(cl=0.90, dof=2).columns))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]
