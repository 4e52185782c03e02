"""Posteriors from Python: the numbers of the command, for any number of processes, stopped and stored."""

from __future__ import annotations

import json
import math
import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.errors import CevnsfitError, DomainError, NoDataError, ResultError
from cevnsfit.infer.density import Prior, log_density, target
from cevnsfit.io.layouts import open_posterior
from cevnsfit.stats.data import observed_data
from cevnsfit.studies import posterior as studies

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cevnsfit.stats.likelihood import Likelihood

pytest.importorskip("emcee")
pytest.importorskip("arviz_stats")

CSI = "coherent-csi-2021"
RUN = {"ensembles": 2, "steps": 300}


@pytest.fixture(scope="module")
def likelihood() -> Likelihood:
    return cf.build_likelihood(CSI, model="signal-strength")


@pytest.mark.slow
def test_a_stopped_run_continues_to_the_same_numbers_in_two_processes(likelihood: Likelihood, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def stop(done: int, asked: int) -> None:
        told.append((done, asked))
        if done == 3:
            raise KeyboardInterrupt(asked)

    whole = cf.posterior(likelihood, **RUN)
    with pytest.raises(KeyboardInterrupt):
        cf.posterior(likelihood, **RUN, store=tmp_path, progress=stop)
    assert told == [(0, 6), (1, 6), (2, 6), (3, 6)]
    again = cf.posterior(likelihood, **RUN, store=tmp_path, workers=2, progress=lambda *counts: told.append(counts))
    np.testing.assert_array_equal(again.sample, whole.sample)
    assert again.to_dict() == whole.to_dict()
    assert told[4] == (3, 6)


def test_finished_blocks_are_not_sampled_again(likelihood: Likelihood, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = cf.posterior(likelihood, **RUN, store=tmp_path)
    monkeypatch.delattr(studies, "run_block")
    np.testing.assert_array_equal(cf.posterior(likelihood, **RUN, store=tmp_path).sample, first.sample)


@pytest.mark.slow
def test_a_stored_posterior_is_there_again(tmp_path: Path) -> None:
    likelihood, at = cf.build_likelihood(CSI, model="lmu-ltau"), {"mass": 100.0}
    made = cf.posterior(likelihood, at=at, priors=["g=gaussian:0:0.01"], steps=100, ensembles=2, store=tmp_path)
    found = cf.open(tmp_path)
    assert isinstance(found, studies.Posterior)
    np.testing.assert_array_equal(found.sample, made.sample)
    assert found.to_dict() == made.to_dict()
    with pytest.raises(KeyboardInterrupt):  # one ensemble is a block further than the other
        cf.posterior(likelihood, at=at, priors=["g=gaussian:0:0.01"], steps=200, ensembles=2, store=tmp_path, progress=_stop_after(3))
    assert cf.open(tmp_path).numbers == made.numbers


def _stop_after(blocks: int) -> Callable[[int, int], None]:
    def stop(done: int, asked: int) -> None:
        if done == blocks:
            raise KeyboardInterrupt(asked)

    return stop


@pytest.mark.slow
def test_a_damaged_posterior_is_not_read_and_is_sampled_again_from_there_on(
    likelihood: Likelihood, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = cf.posterior(likelihood, **RUN, store=tmp_path)
    path = tmp_path / "posterior.zarr"
    whole = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    chain, density, status = (path / name for name in ("chain/c/1/1/0/0/0", "log_density/c/0/0/0/0", "status/c/0/1"))
    for file, content in ((chain, whole[path / "chain/c/1/2/0/0/0"]), (density, whole[density][:-1]), (status, None)):
        file.unlink()
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(ResultError, match=r"a block of ensemble \d is damaged or lost; run the same posterior again"):
            cf.open(tmp_path)
        told: list[tuple[int, int]] = []
        again = cf.posterior(likelihood, **RUN, store=tmp_path, progress=lambda *counts, told=told: told.append(counts))
        assert told[0] == ((4, 6), (3, 6), (4, 6))[(chain, density, status).index(file)]
        np.testing.assert_array_equal(again.sample, first.sample)
        assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == whole
    assert "were not written there together" in caplog.text
    assert "is damaged (25603 bytes instead of 25604); this part is computed again" in caplog.text


def test_a_stored_posterior_of_other_inputs_is_refused(likelihood: Likelihood, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        cf.posterior(likelihood, **RUN, store=tmp_path, progress=_stop_after(1))
    known = json.loads((tmp_path / "posterior.zarr" / "zarr.json").read_text())["attributes"]["analysis"]
    other = json.loads(known)
    other["inputs"][CSI]["experiment.yaml"] = "0" * 64
    with open_posterior(tmp_path / "other", other, ["signal_strength"], ensembles=2, shape=(100, 32)):
        pass
    with pytest.raises(ResultError, match=r"inputs: "):
        cf.posterior(likelihood, **RUN, store=tmp_path / "other")
    with open_posterior(tmp_path / "odd", {**json.loads(known), "priors": 3}, ["signal_strength"], ensembles=2, shape=(100, 32)):
        pass
    with pytest.raises(ResultError, match="not that of a posterior"):
        cf.open(tmp_path / "odd")
    cf.posterior(likelihood.with_data("asimov"), steps=100, ensembles=2, store=tmp_path / "asimov")
    with pytest.raises(ResultError, match=rf"what this posterior was made with has changed \(likelihood: {CSI} observed is 1642"):
        cf.open(tmp_path / "asimov")


def test_a_density_pickles() -> None:
    """Worker processes are sent it as it is."""
    likelihood = cf.build_likelihood(CSI, model="lmu-ltau")
    for given, at in ((likelihood.at({"mass": 100.0}), {}), (likelihood, {})):
        goal = target(given, observed_data(likelihood.at({})), at=at, priors=[Prior("g", 1e-5, 1e-2, log=True)])
        again = pickle.loads(pickle.dumps(goal))
        places = np.where(goal.log, math.log(1e-3), np.where(goal.constrained, 0.5, np.minimum(np.maximum(goal.lower, 1.0), goal.upper)))
        first = log_density(goal, places[None])
        assert np.isfinite(first).all()
        np.testing.assert_array_equal(log_density(again, places[None]), first)


def test_impossible_questions_are_refused(likelihood: Likelihood) -> None:
    with pytest.raises(CevnsfitError, match="mass must be held"):
        cf.posterior(cf.build_likelihood(CSI, model="lmu-ltau"))
    with pytest.raises(CevnsfitError, match="there is no sampler 'nuts'"):
        cf.posterior(likelihood, sampler="nuts")
    with pytest.raises(DomainError, match="at least 2 ensembles"):
        cf.posterior(likelihood, ensembles=1)
    with pytest.raises(CevnsfitError, match="should read name=low:high"):
        cf.posterior(likelihood, priors=["signal_strength"])
    with pytest.raises(NoDataError, match="ccm-200"):
        cf.posterior(cf.build_likelihood("ccm-200", model="signal-strength"))
