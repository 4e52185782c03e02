"""Kinds of response stages: each has a function, and one without is refused."""

from __future__ import annotations

from typing import get_args

import pytest

from cevnsfit.core.errors import UnknownNameError
from cevnsfit.model.build import build_likelihood
from cevnsfit.model.stages import STAGES
from cevnsfit.spec.instrument import Stage
from cevnsfit.spec.load import load_experiment


def test_every_kind_of_the_schema_has_a_function() -> None:
    union, *_ = get_args(Stage)
    kinds = [kind for entry in get_args(union) for kind in get_args(entry.model_fields["kind"].annotation)]
    assert sorted(kinds) == sorted(STAGES)


def test_a_kind_without_a_function_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(STAGES, "poisson-smearing")
    with pytest.raises(UnknownNameError, match=r"unknown kind of response stage 'poisson-smearing'; did you mean .*gaussian-smearing"):
        build_likelihood([load_experiment("coherent-csi-2017")], "sm")
