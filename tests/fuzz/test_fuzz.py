"""Files with something wrong in them: each is read, remarked upon or refused with its name, and nothing else happens."""

from __future__ import annotations

import broken
import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import STEPS, Step

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

EXAMPLES = {"folders": 150, "analyses": 20, "workspaces": 60, "hepdata": 80, "root": 40, "overlays": 100, "stores": 10}
"""Of each kind, for a day."""

NIGHT = 10
"""Examples of a night for each one of a day."""


def try_changes(kind: str, number: int) -> None:
    @hypothesis.settings(max_examples=number, suppress_health_check=list(hypothesis.HealthCheck))
    @given(st.integers(0, 999), STEPS)
    def tried(which: int, steps: list[Step]) -> None:
        assert broken.faults(kind, which, steps) == []

    tried()


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_changed_file_is_read_or_refused(kind: str) -> None:
    try_changes(kind, EXAMPLES[kind])


@pytest.mark.nightly
@pytest.mark.parametrize("kind", EXAMPLES)
def test_thousands_of_changed_files_are_read_or_refused(kind: str) -> None:
    try_changes(kind, NIGHT * EXAMPLES[kind])


def test_every_kind_of_file_is_tried() -> None:
    assert EXAMPLES.keys() == broken.KINDS.keys()
