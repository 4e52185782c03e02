"""The importer of an invented release: two lists of energies to the table of the experiment."""

import numpy as np

from cevnsfit.plugins import Release, ReleasedFile, Table, bin_columns

EDGES = np.array([1.0, 2.0, 4.0, 8.0])  # keVee


def tables(files):
    """Return the table of counts, from the energies [keVee] of all events with the beam on and off."""
    counts = {name: np.histogram(files[f"beam_{name}.txt"][:, 0], EDGES)[0].astype(float) for name in ("on", "off")}
    title = "Counts of the released lists of events."
    return {"counts.csv": Table((title,), bin_columns({"e_ee": EDGES}) | {f"{name} [1]": values for name, values in counts.items()})}


RELEASE = Release(files=(ReleasedFile("beam_on.txt", ("e_ee",)), ReleasedFile("beam_off.txt", ("e_ee",))), tables=tables)
