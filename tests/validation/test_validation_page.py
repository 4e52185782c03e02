"""The table of docs/validation.md is what `cevnsfit.studies.validate` gives, to the printed digits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from cevnsfit.studies.validate import Check, validate
from cevnsfit.studies.validate import rows as texts

if TYPE_CHECKING:
    from pathlib import Path

TABLE = re.compile(r"<!-- validation -->\n(.*?)<!-- end -->", re.DOTALL)


def validation_table(checks: tuple[Check, ...]) -> str:
    """Return the comparison with published numbers as the table of the page."""
    published = tuple(check for check in checks if check.kind == "published")
    lines = ["| | quantity | published | cevnsfit | difference | source |", "|---|---|---|---|---|---|"]
    for _, title, quantity, reference, ours, difference, source in texts(published):
        cells = (title, quantity.replace("|", "\\|"), reference, ours, difference, source)
        lines.append(f"| {' | '.join(cells)} |".replace(" +- ", " ± "))
    return "\n".join(lines) + "\n"


@pytest.mark.slow
def test_validation_table_is_what_is_computed(project_root: Path) -> None:
    found = TABLE.search((project_root / "docs" / "validation.md").read_text(encoding="utf-8"))
    assert found is not None
    checks = validate()
    assert all(check.passed for check in checks)
    assert found.group(1) == validation_table(checks)
