"""Fits, batched profiles, grids, intervals and contours; knows no file."""
