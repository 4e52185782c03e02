"""A signal model and an experiment for cevnsfit."""

from pathlib import Path

FOLDER = Path(__file__).parent / "example-germanium"
"""The folder of the experiment."""
