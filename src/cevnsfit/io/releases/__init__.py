"""Official releases to the project's tables; a registry by name, one module per release.

Another package adds an importer with an entry point of the group "cevnsfit.releases", named as the release, that points to a `Release`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from cevnsfit.core.entries import given, plugins
from cevnsfit.core.errors import UnknownNameError
from cevnsfit.io.releases import (
    csi_2017,
    csi_2021,
    dresden_ii_2022,
    ge_mini_2024,
    lar_2020,
    lhc,
    overlays,
    published_curves,
    sns_flux,
    spectra,
    xenonnt_b8_2026,
    xenonnt_s2only_2026,
)
from cevnsfit.io.releases.reading import Release, read_files
from cevnsfit.io.tables import write_table

if TYPE_CHECKING:
    from collections.abc import Mapping

RELEASES: Final[Mapping[str, Release]] = {
    "coherent-csi-2017": csi_2017.RELEASE,
    "coherent-csi-2021": csi_2021.RELEASE,
    "coherent-ge-mini-2024": ge_mini_2024.RELEASE,
    "coherent-lar-2020": lar_2020.RELEASE,
    "dresden-ii-2022": dresden_ii_2022.RELEASE,
    "lhc-limits": lhc.RELEASE,
    "overlays": overlays.RELEASE,
    "published-curves": published_curves.RELEASE,
    "reactor-spectra": spectra.REACTOR,
    "sns-flux": sns_flux.RELEASED_FLUX,
    "sns-flux-simulation": sns_flux.SIMULATION,
    "solar-spectra": spectra.SOLAR,
    "xenonnt-b8-2026": xenonnt_b8_2026.RELEASE,
    "xenonnt-s2only-2026": xenonnt_s2only_2026.RELEASE,
}

ENTRY_POINTS: Final = "cevnsfit.releases"


def release_named(name: str) -> Release:
    """Return the importer of this name, shipped or of a plug-in.

    Raises
    ------
    UnknownNameError
        If there is none; the message lists the near matches.
    CevnsfitError
        If a plug-in gives something else.
    """
    if name in RELEASES:
        return RELEASES[name]
    added = plugins(ENTRY_POINTS)
    if name not in added:
        what = "release"
        raise UnknownNameError(what, name, {**RELEASES, **added})
    return given(added[name], Release, "a Release")


def import_release(name: str, source: str | Path, target: str | Path) -> tuple[Path, ...]:
    """Write the tables of an official release and return their paths.

    Parameters
    ----------
    name
        One of `RELEASES`, or of a plug-in.
    source
        The folder of the released files.
    target
        The folder to write into; created if needed. Nothing is written if anything in `source` is wrong.

    Raises
    ------
    UnknownNameError
        If there is no importer for `name`.
    SpecError
        If files are missing or malformed; all problems at once.
    """
    release = release_named(name)
    tables = release.tables(read_files(Path(source), release.files))
    folder = Path(target)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for file, table in tables.items():
        path = folder / file
        write_table(path, table.comments, table.columns)
        paths.append(path)
    return tuple(paths)
