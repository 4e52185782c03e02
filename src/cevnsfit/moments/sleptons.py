"""Points of the MSSM whose sleptons explain the moment of the electron, and with a light boson that of the muon."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import DomainError
from cevnsfit.core.parcels import SentOnce
from cevnsfit.moments.bprime import bprime_lifetime
from cevnsfit.moments.decays import LSP_KINDS, SCENARIOS, decays, lightest, scenario
from cevnsfit.moments.lhc import judge, lhc_maps
from cevnsfit.moments.ranges import RANGES, SIGNS
from cevnsfit.moments.slepton_loops import slepton_contribution
from cevnsfit.moments.superpartners import GEV, Superpartners, superpartners

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cevnsfit.core.arrays import Bools, Floats
    from cevnsfit.moments.boson_window import BosonWindow
    from cevnsfit.moments.lhc import LhcMaps
    from cevnsfit.moments.measured import Deviation
    from cevnsfit.moments.ranges import Range


CHUNK: Final = 10_000
"""Points that are computed together; fixed, so that a seed gives the same points in every scan."""


COLUMNS: Final = (
    *RANGES,
    *("a_e", "a_mu", "a_boson", "drawn", "neutralino", "chargino", "selectron", "smuon", "sneutrino", "lsp", "scenario"),
    *("lhc_ratio", "lhc_analysis", "lhc_fewer_muons", "lifetime"),
)
"""What is known of a kept point: its parameters; contributions of sleptons and of its boson; `drawn`, 1 where that boson passes and explains the
muon; lightest masses; kind of the lightest superpartner (`LSP_KINDS`) and order of the gaugino masses (`SCENARIOS`); largest ratio of a cross section to its
limit, NaN where nothing is tested, the place of its map among `shipped_maps`, -1 for none, and whether it has fewer muons than that map assumes; lifetime of
the next superpartner where the B'-ino is the lightest one, with the drawn boson."""

CODES: Final[Mapping[str, tuple[str, ...]]] = {"lsp": LSP_KINDS, "scenario": SCENARIOS}
"""What the numbers of these columns stand for."""

COUNTS: Final = ("tried", "physical", "electron_explained", "kept_without_boson", "kept_ranges", "smallest_hierarchy_ranges")
"""What is counted of a chunk of points; the last one is a minimum, NaN where there are no such points."""


@dataclass(frozen=True, slots=True, eq=False)
class Draw(SentOnce):
    """What points are drawn, and which of them are kept.

    Attributes
    ----------
    electron, muon
        The deviations that they explain.
    window
        The bosons that there may be, None for none.
    ranges
        Where the parameters are drawn, all of `RANGES`.
    signs
        Signs of M1, M2 and mu, 0 for both.
    sigmas
        Largest distance from each deviation, in errors.
    seed
        Of the points; chunks of `CHUNK` have streams of their own.
    lightest_chargino, lightest_slepton
        Charginos, and charged sleptons, lighter than this are not physical; in GeV.
    """

    electron: Deviation
    muon: Deviation
    window: BosonWindow | None
    ranges: Mapping[str, Range]
    signs: Mapping[str, int]
    sigmas: float = 2.0
    seed: int = 0
    lightest_chargino: float = 100.0
    lightest_slepton: float = 0.0

    def __post_init__(self) -> None:
        numbers = (self.sigmas, self.lightest_chargino, self.lightest_slepton)
        if not all(0.0 <= x < np.inf for x in numbers) or self.sigmas == 0.0 or self.seed < 0:
            given = f"{self.sigmas:g}, {self.seed} and {numbers[1:]} GeV"
            message = f"sigmas are positive, the seed and smallest masses not negative, got {given}"
            raise DomainError(message)
        for name, chosen in self.ranges.items():
            if name != "A" and not chosen.low > 0.0:
                message = f"{name} must be positive (signs have their own options), got the range {chosen}"
                raise DomainError(message)

    def points(self, number: int, size: int) -> dict[str, Floats]:
        """Return the first points of a chunk; those of one parameter do not depend on the range of another."""
        stream = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(number,)))
        columns = {name: self.ranges[name].at(stream.random(CHUNK)[:size]) for name in RANGES}
        for name in SIGNS:
            drawn = np.where(stream.random(CHUNK)[:size] < 0.5, -1.0, 1.0)
            columns[name] *= self.signs[name] if self.signs[name] else drawn
        return columns


@dataclass(frozen=True, slots=True, eq=False)
class KeptPoints:
    """What one chunk of points leaves.

    Attributes
    ----------
    counts
        By name, see `COUNTS`.
    columns
        Values of the kept points by name, shape (n,) each.
    """

    counts: Mapping[str, float]
    columns: Mapping[str, Floats]


def susy_chunk(draw: Draw, number: int, size: int) -> KeptPoints:
    """Return the first `size` points of a chunk whose sleptons explain the electron, and the muon together with some boson that passes."""
    columns = draw.points(number, size)
    partners = superpartners(columns)
    physical = _physical(draw, partners)
    columns["a_e"] = slepton_contribution(partners.sleptons["e"], partners.gauginos)
    explained = physical & draw.electron.explains(columns["a_e"], draw.sigmas)
    columns, partners = _chosen(columns, explained), partners.at(explained)
    columns["a_mu"] = slepton_contribution(partners.sleptons["mu"], partners.gauginos)
    missing = draw.muon.value - columns["a_mu"]
    reach = draw.sigmas * draw.muon.error
    alone = np.abs(missing) <= reach
    ranges = kept = alone
    if draw.window is not None:
        logs, bosons = slepton_log(columns["stau_ratio"]), (draw.window.free, draw.window)
        ranges, kept = (window.explains(missing - reach, missing + reach, logs) for window in bosons)
    counts = {
        "tried": size,
        "physical": int(physical.sum()),
        "electron_explained": len(missing),
        "kept_without_boson": int(alone.sum()),
        "kept_ranges": int(ranges.sum()),
        "smallest_hierarchy_ranges": float(columns["hierarchy"][ranges].min()) if ranges.any() else np.nan,
    }
    return KeptPoints(counts, _described(_chosen(columns, kept), partners.at(kept), draw))


def slepton_log(stau_ratio: Floats) -> Floats:
    """Return the sum over both states of ln(m_stau^2/m_smuon^2)."""
    return np.asarray(4.0 * np.log(stau_ratio))


def _physical(draw: Draw, partners: Superpartners) -> Bools:
    """Return where there is no tachyon and nothing charged is too light."""
    families = [partners.sleptons[name] for name in ("e", "mu")]
    good = np.abs(partners.gauginos.chargino_mass).min(axis=1) >= draw.lightest_chargino * GEV
    for sleptons in families:
        good &= sleptons.stable & (sleptons.squared.min(axis=1) >= (draw.lightest_slepton * GEV) ** 2)
    return np.asarray(good, dtype=np.bool_)


def _chosen(columns: Mapping[str, Floats], which: Bools) -> dict[str, Floats]:
    return {name: values[which] for name, values in columns.items()}


def _described(columns: dict[str, Floats], partners: Superpartners, draw: Draw) -> dict[str, Floats]:
    """Add to kept points what is known of their boson and their spectrum."""
    window = draw.window
    mass, g = columns["boson_mass"], columns["boson_g"]
    if window is None:
        mass[:], g[:] = np.nan, 0.0
        boson, passes, lifetime = np.zeros_like(g), np.ones(len(g), dtype=np.bool_), np.full(len(g), np.nan)
    else:
        lifetime = bprime_lifetime(partners, columns)
        boson, passes = window.moment(mass, g), window.passes(mass, g, slepton_log(columns["stau_ratio"]))
    selectrons, smuons = partners.sleptons["e"], partners.sleptons["mu"]
    verdicts = judge(partners, decays(partners), shipped_maps())
    return {
        **columns,
        "a_boson": boson,
        "drawn": (passes & draw.muon.explains(columns["a_mu"] + boson, draw.sigmas)).astype(np.float64),
        "neutralino": np.abs(partners.gauginos.neutralino_mass).min(axis=1) / GEV,
        "chargino": np.abs(partners.gauginos.chargino_mass).min(axis=1) / GEV,
        "selectron": np.sqrt(selectrons.squared.min(axis=1)) / GEV,
        "smuon": np.sqrt(smuons.squared.min(axis=1)) / GEV,
        "sneutrino": np.sqrt(np.minimum(selectrons.sneutrino, smuons.sneutrino)) / GEV,
        "lsp": lightest(partners, columns["M0"] * GEV).astype(np.float64),
        "scenario": scenario(columns).astype(np.float64),
        "lhc_ratio": verdicts.ratio,
        "lhc_analysis": verdicts.analysis.astype(np.float64),
        "lhc_fewer_muons": verdicts.fewer_muons.astype(np.float64),
        "lifetime": lifetime,
    }


@functools.cache
def shipped_maps() -> LhcMaps:
    """Return the maps of the LHC, made once in each process."""
    return lhc_maps()
