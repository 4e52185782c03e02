"""Expected counts with their axes, in the protocol of histograms (UHI) that plotting libraries read.

References
----------
Scikit-HEP, Unified Histogram Interface, plotting protocol 1.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from cevnsfit.core.documents import Document

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from cevnsfit.core.axes import Axis


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Histogram(Document):
    """Expected counts in bins; it is a `PlottableHistogram` of UHI.

    Attributes
    ----------
    axes
        The axes, in order.
    contents
        Expected counts, shape (bins of each axis).
    squares
        Squared errors of what is measured, in the same shape; None for counts, whose variances are Poisson's.
    """

    document: ClassVar[Mapping[str, str | None]] = {"values": "contents", "total": "total", "squares": None}

    axes: tuple[Axis, ...]
    contents: NDArray[np.float64]
    squares: NDArray[np.float64] | None = field(default=None, kw_only=True)

    @property
    def kind(self) -> str:
        """Return "COUNT": the values are counts, not means."""
        return "COUNT"

    @property
    def total(self) -> float:
        """Return the counts in all bins."""
        return float(self.contents.sum())

    def values(self) -> NDArray[np.float64]:
        """Return the expected counts, shape (bins of each axis)."""
        return self.contents

    def variances(self) -> NDArray[np.float64]:
        """Return the variances of measurements with these expectations."""
        return self.contents if self.squares is None else self.squares

    def counts(self) -> NDArray[np.float64]:
        """Return the expected counts: no bin is weighted."""
        return self.contents
