"""`cevnsfit intervals`: what a limit leaves out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result


def test_what_is_left_out_is_said(command: Callable[..., Result]) -> None:
    arguments = ("intervals", "coherent-csi-2021", "-m", "universal", "--at", "mass=100")
    assert "CEvNS only" in command(*arguments).stdout
    assert json.loads(command(*arguments, "--json").stdout)["caveat"] == "CEvNS only"
    assert json.loads(command(*arguments, "--electrons", "--json").stdout)["caveat"] == ""


def test_toys_know_no_parameters_that_rebuild_templates(refused: Callable[..., str]) -> None:
    assert "skin rebuilds the templates" in refused("intervals", "coherent-csi-2021", "-m", "neutron-skin", "--method", "cls")
