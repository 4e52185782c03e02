"""Axes, parameters, units, errors and paths: what every other layer stands on."""
