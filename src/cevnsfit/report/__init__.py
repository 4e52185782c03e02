"""Figures and tables of results computed elsewhere."""
