"""A signal model, an experiment and the importer of its release for cevnsfit."""

from pathlib import Path

FOLDER = Path(__file__).parent / "example-germanium"
"""The folder of the experiment."""
