"""The mutants of `make nightly`: each changes what is computed, and nothing else; they are the same ones whatever stands around them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import mutants

if TYPE_CHECKING:
    from pathlib import Path

MODULE = '''"""A module, 1 + 1."""
import math
if TYPE_CHECKING:
    LIMIT = 1
def half(x: int = 3) -> float:
    """Return x/2."""
    if x < 0:
        message = f"{x + 1} is below 0"
        raise ValueError(message)
    _log.info("at %d", x + 1)
    return x / 2
def largest(values, weights):
    return max(np.dot(values, weights), -values[-1])
'''


def test_what_is_computed_is_changed_and_no_text() -> None:
    assert {mutant.name: mutant.lines for mutant in mutants.mutants("module.py", MODULE)} == {
        "half: guard: x < 0 -> False": (7, 7),
        "half: comparison: x < 0 -> (x <= 0)": (7, 7),
        "half: constant: 0 -> 1": (7, 7),
        "half: returned: x / 2 -> (2 * (x / 2))": (11, 11),
        "half: arithmetic: x / 2 -> (x * 2)": (11, 11),
        "half: constant: 2 -> 3": (11, 11),
        "largest: extremum: max -> min": (13, 13),
        "largest: transposed: np.dot(values, weights) -> (np.dot(weights, values))": (13, 13),
        "largest: sign: -values[-1] -> (values[-1])": (13, 13),
        "largest: index: -1 -> 0": (13, 13),
        "largest: constant: 1 -> 2": (13, 13),
    }


def test_a_mutant_keeps_its_place_in_the_draw() -> None:
    moved = MODULE.replace("import math", "import math\n\ndef unrelated(x):\n    return x + 2.0")
    before, after = ({mutant.name: mutant.order for mutant in mutants.mutants("module.py", text)} for text in (MODULE, moved))
    assert before.items() < after.items()


def test_two_hundred_are_drawn_in_the_shares_of_the_areas(project_root: Path) -> None:
    drawn = mutants.draw(project_root, 200)
    assert len({(one.path, one.name) for one in drawn}) == 200
    found = mutants.counted((one.path, "drawn") for one in drawn)
    assert {area: counts["drawn"] for area, counts in found.items()} == mutants.AREAS
    for one in drawn[::20]:
        original = (project_root / "src/cevnsfit" / one.path).read_text(encoding="utf-8")
        assert ast.dump(ast.parse(one.source)) != ast.dump(ast.parse(original)), one.name
