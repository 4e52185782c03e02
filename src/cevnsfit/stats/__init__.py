"""Channels, their Poisson likelihood with constraints, and data sets; nothing of experiments."""
