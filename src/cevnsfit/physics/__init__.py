"""Nuclei, form factors, weak couplings, neutrino sources, cross sections and signal models."""
