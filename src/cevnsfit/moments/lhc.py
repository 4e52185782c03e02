"""Limits of ATLAS and CMS on simplified models, for points of the MSSM.

A map excludes a point when cross section times branching fractions exceed its limit at the point's masses. That is a statement on one decay of one pair, and a
point that no map reaches has not been tested. Nothing is extrapolated, different searches are not combined, and states are summed where a search
cannot tell them apart (`alike`). Slepton maps that assume as many muons as electrons are used with what is made, decoupled smuons are not counted, and the verdict
says so (`Verdicts.fewer_muons`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.interpolate import LinearNDInterpolator

from cevnsfit.core.paths import data_root
from cevnsfit.moments.couplings import ordered, wino_share
from cevnsfit.moments.production import chargino_sections, neutralino_sections, pure_states, slepton_sections
from cevnsfit.moments.superpartners import GEV
from cevnsfit.spec.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cevnsfit.core.arrays import Bools, Floats, Ints
    from cevnsfit.moments.decays import Decays
    from cevnsfit.moments.production import PureStates
    from cevnsfit.moments.superpartners import Superpartners


TOLERANCE: Final = 0.05
"""States are alike whose masses differ by less than this part of the mass, and of less than `SPLITTING_TOLERANCE` of its distance from the lightest neutralino."""

SPLITTING_TOLERANCE: Final = 0.25

LEAST_FRACTION: Final = 0.01
"""Product of branching fractions from which on a decay counts as that of a simplified model."""

DETECTOR: Final = 1000.0
"""Radius of the detectors in cm, and c tau of the charginos that count as stable."""

BOOST: Final = 1.4
"""Assumed mean momentum over mass of pairs of heavy particles."""

COMPRESSED: Final = 110.0
"""Mass differences in GeV to which a map for compressed spectra reaches; in it the logarithm of the difference is an axis."""

_UNUSED: Final = {"TChipChimSlepSlep": "slepton", "TChiWZoff-higgsino": "chargino"}
"""Masses of a map that follow from the others; a signal has them where it is `alike`."""

_FACTORS: Final = {"ATLAS-SUSY-2018-16.TChiWZoff": 0.0673 * 0.674}
"""Branching fractions that are part of a limit: Z to e e or mu mu, W to quarks (PDG 2024)."""

_LIGHT_PER_NS: Final = 29.9792458
_TRACKS: Final = "disappearing"
_STABLE: Final = "THSCPM1b"
_PURE: Final = 0.9  # share of wino or higgsino of a pure state
_LIFETIMES: Final = (0.9, 5.0)  # lifetimes to which the reach at one lifetime applies: a longer one reaches further, to about 1 ns


@dataclass(frozen=True, slots=True, eq=False)
class LhcMap:
    """The limit of one analysis on one simplified model.

    Attributes
    ----------
    analysis, topology
        Names.
    masses
        Masses of the points in GeV by name, in the order of the axes.
    limit
        Function from masses in GeV, shape (n, axes), to the limit in fb, NaN outside of the map.
    """

    analysis: str
    topology: str
    masses: tuple[str, ...]
    limit: Callable[[Floats], Floats]

    @property
    def name(self) -> str:
        """Return analysis and topology."""
        return f"{self.analysis}.{self.topology}"


@dataclass(frozen=True, slots=True, eq=False)
class LhcMaps:
    """All maps with what they are compared with.

    Attributes
    ----------
    maps
        In the order of `Verdicts.analysis`.
    pure
        Cross sections of pure states.
    tracks
        Reach of disappearing tracks: chargino mass in GeV, lifetime in ns, and 1 for winos, 0 for higgsinos.
    """

    maps: tuple[LhcMap, ...]
    pure: PureStates
    tracks: Mapping[str, Floats]

    def __getitem__(self, index: int) -> LhcMap:
        """Return one map."""
        return self.maps[index]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.maps)


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """What the LHC says of n points.

    Attributes
    ----------
    ratio
        Largest cross section over its limit, shape (n,); NaN where no map tests the point.
    analysis
        Index of its map, shape (n,); -1 where there is none.
    fewer_muons
        Whether that signal has fewer muons than electrons in a map of both, shape (n,).
    """

    ratio: Floats
    analysis: Ints
    fewer_muons: Bools

    @property
    def tested(self) -> Bools:
        """Return where a map applies."""
        return np.isfinite(self.ratio)

    @property
    def excluded(self) -> Bools:
        """Return where the ratio is above 1."""
        return np.asarray(self.ratio > 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Signal:
    """Cross section times branching fractions in fb, shape (n,), NaN where it is not that of the model; masses in GeV by name; where muons lack."""

    section: Floats
    masses: Mapping[str, Floats]
    fewer_muons: Bools | bool = False


def lhc_maps() -> LhcMaps:
    """Return the maps that ship; whoever uses them again keeps them, since the triangles are made here."""
    paths = sorted((data_root() / "lhc").glob("*-SUS*.*.csv"))
    tracks = read_table(next(path for path in paths if _TRACKS in path.name)).columns
    return LhcMaps(tuple(_map(path) for path in paths), pure_states(), tracks)


def judge(partners: Superpartners, modes: Decays, maps: LhcMaps) -> Verdicts:
    """Return what the LHC says of n points.

    Parameters
    ----------
    partners
        Of n points; where one is a tachyon or NaN, nothing that involves it is tested.
    modes
        Their decays.
    maps
        From `lhc_maps`.
    """
    ratios, lacking = _ratios(partners, modes, maps)
    best = np.where(np.isnan(ratios), -1.0, ratios)
    index = best.argmax(axis=0)
    points = np.arange(ratios.shape[1])
    ratio = ratios[index, points]
    return Verdicts(ratio, np.where(np.isnan(ratio), -1, index), lacking[index, points])


def alike(first: Floats, second: Floats, lightest: Floats) -> Bools:
    """Return where two masses are so close that a search does not tell them apart; all in one unit."""
    mass = np.maximum(first, second)
    return np.asarray(np.abs(first - second) <= np.minimum(TOLERANCE * mass, SPLITTING_TOLERANCE * (mass - lightest)))


def _map(path: Path) -> LhcMap:
    """Return the map of one table."""
    analysis, topology = path.stem.split(".")
    columns = dict(read_table(path).columns)
    if topology == _TRACKS:
        return LhcMap(analysis, topology, ("chargino",), lambda masses: np.ones(len(masses)))
    limit = np.log(columns.pop("limit"))
    columns.pop(_UNUSED.get(topology, ""), None)
    points = np.stack(list(columns.values()), axis=1)
    return LhcMap(analysis, topology, tuple(columns), _interpolated(points, limit))


def _interpolated(points: Floats, logarithm: Floats) -> Callable[[Floats], Floats]:
    """Return the limit as a function of masses, shape (n, axes): straight lines of its logarithm, or planes on Delaunay's triangles; NaN outside."""
    if points.shape[1] == 1:
        return lambda masses: np.exp(np.interp(masses[:, 0], points[:, 0], logarithm, left=np.nan, right=np.nan))
    compressed = bool(np.ptp(points @ [1.0, -1.0]) < COMPRESSED)

    def axes(masses: Floats) -> Floats:
        if not compressed:
            return masses
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.stack([masses[:, 0], np.log(masses[:, 0] - masses[:, 1])], axis=1)

    plane = LinearNDInterpolator(axes(points), logarithm, rescale=True)
    low, high = points.min(axis=0), points.max(axis=0)

    def limit(masses: Floats) -> Floats:
        result = np.full(len(masses), np.nan)
        inside = np.flatnonzero(((masses >= low) & (masses <= high)).all(axis=1))
        # neighbours follow each other, which spares most of the search for triangles
        inside = inside[np.lexsort((masses[inside, 1], masses[inside, 0] // 20.0))]
        result[inside] = np.exp(plane(axes(masses[inside])))
        return result

    return limit


def _ratios(partners: Superpartners, modes: Decays, maps: LhcMaps) -> tuple[Floats, Bools]:
    """Return the ratios of all maps, NaN where one does not apply, and where the signal lacks muons, shape (maps, n) each."""
    signals = _signals(partners, modes, maps)
    visible = _charged_lightest(partners, modes)
    ratios = np.full((len(maps), len(modes.splitting)), np.nan)
    lacking = np.zeros(ratios.shape, dtype=np.bool_)
    for entry, ratio, fewer in zip(maps.maps, ratios, lacking, strict=True):
        for signal in signals[entry.topology]:
            where = np.flatnonzero((signal.section > 0.0) & ~(visible & (entry.topology != _STABLE)))
            masses = np.stack([signal.masses[name][where] for name in entry.masses], axis=1)
            found = _FACTORS.get(entry.name, 1.0) * signal.section[where] / entry.limit(masses)
            higher = found > np.where(np.isnan(ratio[where]), 0.0, ratio[where])
            ratio[where[higher]] = found[higher]
            fewer[where[higher]] = np.broadcast_to(signal.fewer_muons, signal.section.shape)[where[higher]]
    return ratios, lacking


def _charged_lightest(partners: Superpartners, modes: Decays) -> Bools:
    """Return where N1 decays to a lighter charged superpartner, so that it is not missing energy, shape (n,)."""
    charged = np.min([family.squared.min(axis=1) for family in partners.sleptons.values()], axis=0)
    return np.asarray((charged < np.min(partners.gauginos.neutralino_mass**2, axis=1)) | (modes.splitting <= 0.0))


def _signals(partners: Superpartners, modes: Decays, maps: LhcMaps) -> dict[str, list[_Signal]]:
    """Return the signals by topology."""
    fields = ordered(partners.gauginos)
    masses = np.abs(fields.neutralino_mass[:, :3]) / GEV
    chargino = np.abs(fields.chargino_mass[:, 0]) / GEV
    pairs = chargino_sections(fields, maps.pure)
    mixed = neutralino_sections(fields, maps.pure)
    stable = np.where(
        modes.chargino_length >= DETECTOR, np.exp(-2.0 * DETECTOR / (BOOST * np.maximum(modes.chargino_length, DETECTOR))), np.nan
    )
    electrons, muons = (
        np.where(
            alike(np.sqrt(np.maximum(partners.sleptons[name].sneutrino, 0.0)) / GEV, 0.5 * (chargino + masses[:, 0]), masses[:, 0]),
            modes.chargino[name],
            0.0,
        )
        for name in ("e", "mu")
    )
    of_chargino = {"chargino": chargino, "neutralino": masses[:, 0]}
    # three flavours alike have 4/9 in electrons and muons
    through = 2.25 * _times(pairs, electrons + muons, electrons + muons)
    on_shell = {name: _neutralino_signals(chargino, masses, mixed[:, 1:], modes, name) for name in ("Z", "h")}
    return {
        "TSlepSlep": _slepton_signals(partners, modes, masses[:, 0], maps.pure),
        "TChiWW": [_Signal(_times(pairs, modes.chargino["W"], modes.chargino["W"]), of_chargino)],
        "TChiWZ": on_shell["Z"],
        "TChiWZoff": on_shell["Z"],
        "TChiWH": on_shell["h"],
        "TChiWZoff-higgsino": [_higgsino_signal(chargino, masses, mixed[:, 1], modes)],
        "TChipChimSlepSlep": [_Signal(through, of_chargino, muons < 0.99 * electrons)],
        _STABLE: [_Signal(pairs * stable, of_chargino)],
        _TRACKS: [
            _Signal(_track_ratio(pairs + np.nansum(mixed[:, :2], axis=1), wino_share(fields), modes, maps, row), of_chargino)
            for row in range(len(maps.tracks["lifetime"]))
        ],
    }


def _times(section: Floats, first: Floats, second: Floats) -> Floats:
    """Return a cross section times branching fractions, NaN where these are below `LEAST_FRACTION`."""
    fraction = first * second
    return np.where(fraction >= LEAST_FRACTION, section * fraction, np.nan)


def _slepton_signals(partners: Superpartners, modes: Decays, lightest: Floats, pure: PureStates) -> list[_Signal]:
    """Return what is made at the mass of each selectron and smuon, with all that are alike."""
    families = {name: partners.sleptons[name] for name in ("e", "mu")}
    masses = np.concatenate([np.sqrt(np.maximum(family.squared, 0.0)) for family in families.values()], axis=1) / GEV
    by_family = zip(families.values(), (masses[:, :2], masses[:, 2:]), strict=True)
    sections = np.concatenate(
        [slepton_sections(family, own, alike(own[:, 0], own[:, 1], lightest), pure) for family, own in by_family], axis=1
    )
    fractions = np.concatenate([modes.slepton[name] for name in families], axis=1)
    signals = _times(sections, fractions, fractions)
    found = []
    for k in range(4):
        parts = np.where(alike(masses, masses[:, k : k + 1], lightest[:, None]) & (signals > 0.0), signals, 0.0)
        section = np.where(signals[:, k] > 0.0, parts.sum(axis=1), np.nan)
        found.append(
            _Signal(section, {"slepton": masses[:, k], "neutralino": lightest}, parts[:, 2:].sum(axis=1) < 0.99 * parts[:, :2].sum(axis=1))
        )
    return found


def _neutralino_signals(chargino: Floats, masses: Floats, mixed: Floats, modes: Decays, boson: str) -> list[_Signal]:
    """Return C1 N2 and C1 N3 to W and a boson, each with the other where they are alike."""
    lightest = masses[:, :1]
    signals = _times(mixed, modes.chargino["W"][:, None], modes.neutralino[boson])
    signals = np.where(alike(chargino[:, None], masses[:, 1:], lightest), signals, np.nan)
    found = []
    for k in range(2):
        parts = np.where(alike(masses[:, 1:], masses[:, k + 1 : k + 2], lightest) & (signals > 0.0), signals, 0.0)
        section = np.where(signals[:, k] > 0.0, parts.sum(axis=1), np.nan)
        found.append(_Signal(section, {"chargino": 0.5 * (chargino + masses[:, k + 1]), "neutralino": masses[:, 0]}))
    return found


def _higgsino_signal(chargino: Floats, masses: Floats, mixed: Floats, modes: Decays) -> _Signal:
    """Return C1 N2 to virtual bosons where C1 lies half way between N1 and N2."""
    halfway = alike(chargino, 0.5 * (masses[:, 0] + masses[:, 1]), masses[:, 0])
    section = _times(mixed, modes.chargino["W"], modes.neutralino["Z"][:, 0])
    return _Signal(np.where(halfway, section, np.nan), {"neutralino2": masses[:, 1], "neutralino": masses[:, 0]})


def _track_ratio(section: Floats, share: Floats, modes: Decays, maps: LhcMaps, row: int) -> Floats:
    """Return what is made with a chargino over the same at the reach of disappearing tracks, for states as pure and lifetimes as long; NaN else."""
    wino = bool(maps.tracks["wino"][row])
    kind, neutralinos = ("wino", 1.0) if wino else ("higgsino", 2.0)
    reach = maps.tracks["chargino"][row : row + 1]
    limit = maps.pure.section(f"{kind}_c1c1", reach) + neutralinos * maps.pure.section(f"{kind}_c1n2", reach)
    lifetime = modes.chargino_length / _LIGHT_PER_NS / maps.tracks["lifetime"][row]
    applies = ((share if wino else 1.0 - share) >= _PURE) & (lifetime >= _LIFETIMES[0]) & (lifetime <= _LIFETIMES[1])
    return np.where(applies, section / limit, np.nan)
