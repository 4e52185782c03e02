"""Dots where a coarse boundary was computed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.infer.planes import PlaneAxis, known_ends
from cevnsfit.report.known import COARSE, DOTS, draw_known, is_coarse
from cevnsfit.report.plots import exclusion_figure
from cevnsfit.report.style import Look, new_figure

if TYPE_CHECKING:
    from cevnsfit.infer.planes import Plane, Region


def with_known(region: Region, columns: int) -> Region:
    return replace(region, known=np.column_stack([np.geomspace(1.0, 100.0, columns), np.full(columns, 1.1e-3)]))


def test_ends_of_a_plane_are_no_boundary() -> None:
    x, y = PlaneAxis("m", "MeV", np.array([1.0, 2.0, 3.0]), "linear"), PlaneAxis("g", "1", np.array([0.0, 1.0, 2.0]), "linear")
    found = known_ends(x, y, [((0.0, 0.5), (1.5, 2.0)), (), ((0.0, 2.0),)])
    np.testing.assert_array_equal(found, [[1.0, 0.5], [1.0, 1.5]])
    assert known_ends(x, y, [(), (), ()]).shape == (0, 2)


def test_dots_lie_where_the_boundary_was_computed(plane: Plane, regions: list[Region]) -> None:
    ax, region = new_figure(4.0, 3.0).add_subplot(), with_known(regions[0], 6)
    (dots,) = draw_known(ax, plane, [region, regions[1]], colour="red")
    np.testing.assert_array_equal(dots.get_xydata(), region.known)
    assert (dots.get_marker(), dots.get_linestyle()) == ("o", "None")


@pytest.mark.parametrize(("columns", "coarse"), [(0, False), (1, True), (COARSE - 1, True), (COARSE, False)])
def test_fine_grids_need_no_dots(plane: Plane, regions: list[Region], columns: int, *, coarse: bool) -> None:
    region = with_known(regions[0], columns)
    plane = replace(plane, x=replace(plane.x, values=np.geomspace(1.0, 100.0, max(columns, 2))))
    assert is_coarse(plane, region) == is_coarse(plane.turned(), replace(region, known=region.known[:, ::-1])) == coarse


def test_a_picture_says_what_the_dots_are(plane: Plane, regions: list[Region]) -> None:
    for columns, said in ((6, True), (31, False)):
        here = [replace(each, known=np.column_stack([plane.x.values[:columns], np.full(columns, 1.1e-3)])) for each in regions]
        figure = exclusion_figure([(plane, here, "x")], look=Look(style="paper"))
        assert (DOTS.split(";")[0] in figure.get_label()) == said
