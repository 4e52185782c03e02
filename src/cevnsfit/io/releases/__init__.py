"""Official releases to the project's tables; a registry by name, one module per release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cevnsfit.core.errors import UnknownNameError
from cevnsfit.io.releases import csi_2017, csi_2021, lar_2020
from cevnsfit.io.releases.reading import Release, read_files
from cevnsfit.io.tables import write_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RELEASES: Final[Mapping[str, Release]] = {
    "coherent-csi-2017": csi_2017.RELEASE,
    "coherent-csi-2021": csi_2021.RELEASE,
    "coherent-lar-2020": lar_2020.RELEASE,
}


def import_release(name: str, source: Path, target: Path) -> tuple[Path, ...]:
    """Write the tables of an official release and return their paths.

    Parameters
    ----------
    name
        One of `RELEASES`.
    source
        The folder of the released files.
    target
        The folder to write into; created if needed. Nothing is written when anything in `source` is wrong.

    Raises
    ------
    UnknownNameError
        If there is no importer for `name`.
    SpecError
        If files are missing or malformed; all problems at once.
    """
    if name not in RELEASES:
        raise UnknownNameError("release", name, RELEASES)
    release = RELEASES[name]
    tables = release.tables(read_files(source, release.files))
    target.mkdir(parents=True, exist_ok=True)
    paths = []
    for file, table in tables.items():
        path = target / file
        write_table(path, table.comments, table.columns)
        paths.append(path)
    return tuple(paths)
