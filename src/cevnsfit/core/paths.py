"""Where the shipped data lie."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def data_root() -> Path:
    """Return the folder of the shipped data: inside the wheel, or beside `src` in a source tree."""
    packaged = Path(str(files("cevnsfit"))) / "data"
    if packaged.is_dir():
        return packaged
    return Path(__file__).resolve().parents[3] / "data"
